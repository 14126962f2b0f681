"""GPAW's parameters for a level of theory, and the files that this process and the GPAW worker exchange."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

from ase import Atoms
from pydantic import BaseModel, JsonValue

from interphase_flows.content_keys import content_key
from interphase_flows.reference.k_points import k_points
from interphase_flows.reference.label_folder import write_json
from interphase_flows.reference.spec import GpawSpec

INPUT = "input.json"
RESULT = "result.json"
FAILURE = "failure.json"
LOG = "gpaw.txt"
OUTPUT = "std_out.txt"
DENSITY = "density.gpw"
DAMAGED_DENSITY = "density.damaged.gpw"
WORKER_LOCK = "gpaw.lock"

INITIAL_MOMENT_BOHR = 1.0
"""Initial magnetic moment of every atom in a spin-polarised cell: SCF does not leave the unpolarised state from 0."""

MIXER: dict[str, JsonValue] = {"name": "msr1"}
"""GPAW's default mixer, explicit so that a retry can replace it in a restart."""


class GpawParameters(TypedDict):
    """Keyword arguments of GPAW's calculator; energies in eV."""

    mode: dict[str, str | float]
    xc: str
    kpts: dict[str, list[int] | bool]
    occupations: dict[str, str | float]
    spinpol: bool
    convergence: dict[str, float]
    maxiter: int
    mixer: dict[str, JsonValue]
    symmetry: NotRequired[dict[str, JsonValue]]


def gpaw_parameters(spec: GpawSpec, atoms: Atoms) -> GpawParameters:
    """Return GPAW's parameters for a structure; only the k-points depend on its cell."""
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


def with_initial_moments(atoms: Atoms, spin_polarized: bool) -> Atoms:
    """Return a copy of the atoms with the initial magnetic moments of a calculation."""
    atoms = atoms.copy()
    if spin_polarized:
        atoms.set_initial_magnetic_moments([INITIAL_MOMENT_BOHR] * len(atoms))
    return atoms


@dataclass(frozen=True)
class LabelInput:
    """Input of one GPAW worker: structure (Å), GPAW's parameters, limits of the process.

    ``deadline_unix_s`` is when the worker must have stopped; ``owner_pid`` is the process that it must not outlive.
    """

    numbers: list[int]
    positions_angstrom: list[list[float]]
    cell_angstrom: list[list[float]]
    spin_polarized: bool
    parameters: GpawParameters
    density_interval_s: float
    deadline_unix_s: float | None
    memory_limit_gb: float | None
    owner_pid: int
    owner_host: str

    def atoms(self) -> Atoms:
        """Return the atoms, periodic in all directions."""
        atoms = Atoms(self.numbers, self.positions_angstrom, cell=self.cell_angstrom, pbc=True)
        return with_initial_moments(atoms, self.spin_polarized)

    @property
    def key(self) -> str:
        """Hash of the calculation without the path to the ground state (mixer, number of steps, symmetry)."""
        theory = {
            name: value for name, value in self.parameters.items() if name not in ("mixer", "maxiter", "symmetry")
        }
        return content_key(
            "gpaw",
            numbers=self.numbers,
            positions=self.positions_angstrom,
            cell=self.cell_angstrom,
            spin=self.spin_polarized,
            parameters=theory,
        )

    def write(self, folder: Path) -> None:
        """Write the input atomically."""
        write_json(folder / INPUT, {**asdict(self), "key": self.key})

    @classmethod
    def read(cls, folder: Path) -> "LabelInput":
        """Read the input."""
        content = json.loads((folder / INPUT).read_text())
        content.pop("key", None)
        return cls(**content)


class WorkerResult(BaseModel):
    """Result of a GPAW worker: forces (n_atoms, 3), stress (6,) in Voigt order, and numbers for the record."""

    key: str
    is_scf_converged: bool
    free_energy_eV: float
    extrapolated_energy_eV: float
    forces_eV_per_angstrom: list[list[float]]
    stress_eV_per_angstrom3: list[float]
    n_scf_steps: int
    n_k_points: int
    n_electrons: float
    n_bands: int
    peak_memory_gb: float
    started_from_density: bool


class WorkerFailure(BaseModel):
    """Reason for which a GPAW worker has no result."""

    reason: str
    explanation: str
    last_free_energies_eV: list[float] = []
    traceback: str = ""
