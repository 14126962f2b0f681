"""What GPAW is told: the campaign's level of theory as GPAW's parameters, and the file that carries them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ase import Atoms

from interphase_flows.content_keys import content_key
from interphase_flows.reference.gpaw.files import INPUT
from interphase_flows.reference.k_points import k_points
from interphase_flows.reference.label_files import write_json
from interphase_flows.reference.spec import GpawSpec

START_MAGNETIC_MOMENT_BOHR_MAGNETONS = 1.0
"""Of every atom of a spin-polarised cell: from zero the spins would never part."""

MIXER = {"name": "msr1"}
"""GPAW's own choice, written out so that a restart can replace it."""


def gpaw_parameters(spec: GpawSpec, atoms: Atoms) -> dict[str, Any]:
    """Return GPAW's parameters for a cell.

    The functional, cut-off, smearing, spin and tolerances are the same for every cell; only the k-points follow
    the cell.
    """
    return {
        "mode": {"name": "pw", "ecut": spec.cutoff_eV},
        "xc": spec.functional,
        "kpts": {"size": list(k_points(spec, atoms)), "gamma": True},
        "occupations": {"name": "fermi-dirac", "width": spec.smearing_eV},
        "spinpol": spec.spin_polarized,
        "convergence": {
            "energy": spec.scf_energy_tolerance_eV_per_electron,
            "density": spec.scf_density_tolerance_per_electron,
        },
        "maxiter": spec.max_scf_steps,
        "mixer": dict(MIXER),
    }


@dataclass(frozen=True)
class LabelInput:
    """One launch of GPAW: positions and cell in Å, GPAW's parameters, and how the process has to behave.

    ``deadline_unix_s`` is when it has to put down its work; ``owner_pid`` the process it must not outlive.
    """

    numbers: list[int]
    positions_angstrom: list[list[float]]
    cell_angstrom: list[list[float]]
    spin_polarized: bool
    parameters: Mapping[str, Any]
    density_interval_s: float
    deadline_unix_s: float | None
    memory_limit_gb: float | None
    owner_pid: int
    owner_host: str

    def atoms(self) -> Atoms:
        """Return the atoms, periodic in all directions."""
        atoms = Atoms(self.numbers, self.positions_angstrom, cell=self.cell_angstrom, pbc=True)
        if self.spin_polarized:
            atoms.set_initial_magnetic_moments([START_MAGNETIC_MOMENT_BOHR_MAGNETONS] * len(atoms))
        return atoms

    @property
    def key(self) -> str:
        """What is computed, whatever way is taken to it: a density of another key is of no use."""
        ways = ("mixer", "maxiter", "symmetry")
        theory = {name: value for name, value in self.parameters.items() if name not in ways}
        return content_key(
            "gpaw",
            numbers=self.numbers,
            positions=self.positions_angstrom,
            cell=self.cell_angstrom,
            spin=self.spin_polarized,
            parameters=theory,
        )

    def write(self, folder: Path) -> None:
        """Write the input, whole or not at all."""
        write_json(folder / INPUT, {**asdict(self), "key": self.key})

    @classmethod
    def read(cls, folder: Path) -> "LabelInput":
        """Read it back."""
        content = json.loads((folder / INPUT).read_text())
        content.pop("key", None)
        return cls(**content)
