"""VASP's input files of a label, written by atomate2's generator with the campaign's own input set.

Importing this module takes seconds (atomate2, pymatgen).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ase import Atoms
from atomate2.vasp.sets.base import VaspInputGenerator
from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Kpoints, PmgVaspPspDirError, VaspInput

from interphase_flows.exceptions import SettingsError
from interphase_flows.reference.k_points import k_points
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.incar import (
    INITIAL_MOMENT_BOHR,
    POTCAR_HINT,
    ParallelTag,
    Tag,
    grouped,
    incar,
    parallel_tags,
    potentials,
)
from interphase_flows.settings import Settings

if TYPE_CHECKING:
    from atomate2.vasp.jobs.core import StaticMaker


@dataclass
class LabelSetGenerator(VaspInputGenerator):
    """Input-set generator of a label, with KPAR and NCORE of this machine; create it by `label_set_generator`."""

    spec: VaspSpec = field(default_factory=VaspSpec)
    parallel: dict = field(default_factory=dict)

    @property
    def _grid(self) -> tuple[int, int, int]:
        cell = Atoms("X" * len(self.structure), cell=self.structure.lattice.matrix, pbc=True)
        return k_points(self.spec, cell)

    @property
    def kpoints_updates(self) -> Kpoints:
        """Return the k-point grid of the structure."""
        return Kpoints.gamma_automatic(self._grid)

    @property
    def incar_updates(self) -> dict[str, int]:
        """Return the parallelisation tags of the structure."""
        return parallel_tags(self.parallel, self._grid)


def label_set_generator(
    spec: VaspSpec, parallel: Mapping[ParallelTag, int], start: Mapping[str, int] | None = None
) -> LabelSetGenerator:
    """Return the input-set generator of a level of theory.

    ``parallel`` (KPAR and NCORE) changes no number; ``start`` is ISTART and ICHARG, from scratch if None.
    """
    table = potentials(spec.potentials)
    tags: dict[str, Tag | dict[str, float]] = {**incar(spec), **(start or {"ISTART": 0, "ICHARG": 2})}
    if spec.spin_polarized:
        tags["MAGMOM"] = dict.fromkeys(table, INITIAL_MOMENT_BOHR)
    return LabelSetGenerator(
        config_dict={  # replaces atomate2's own set
            "INCAR": {},
            "KPOINTS": {},
            "POTCAR": {element: potential.symbol for element, potential in table.items()},
            "POTCAR_FUNCTIONAL": spec.potentials,
        },
        user_incar_settings=tags,
        sort_structure=False,  # `grouped` has sorted it, and the order is known
        auto_ismear=False,
        auto_metal_kpoints=False,
        inherit_incar=False,
        spec=spec,
        parallel=dict(parallel),
    )


def input_set(
    spec: VaspSpec,
    atoms: Atoms,
    parallel: Mapping[ParallelTag, int],
    start: Mapping[str, int] | None = None,
    potcar_spec: bool = False,
) -> VaspInput:
    """Return pymatgen's input set for a label, for atoms in VASP's order (`incar.grouped`).

    ``potcar_spec`` names the potentials (``POTCAR.spec``) instead of reading the licensed files.

    Raises
    ------
    SettingsError
        A potential is not in pymatgen's folder of potentials.
    """
    generator = label_set_generator(spec, parallel, start)
    structure = Structure(atoms.cell.array, list(atoms.symbols), atoms.positions, coords_are_cartesian=True)
    try:
        return generator.get_input_set(structure, potcar_spec=potcar_spec)
    except (PmgVaspPspDirError, FileNotFoundError) as error:
        raise SettingsError(f"VASP's potentials ({spec.potentials}): {error}. {POTCAR_HINT}") from error


def write_inputs(
    spec: VaspSpec,
    atoms: Atoms,
    folder: Path,
    parallel: Mapping[ParallelTag, int],
    start: Mapping[str, int] | None,
    reads_potentials: bool,
) -> None:
    """Write INCAR, KPOINTS, POSCAR, POTCAR.spec and, if the licensed potentials are read, POTCAR."""
    inputs = input_set(spec, grouped(atoms), parallel, start, potcar_spec=not reads_potentials)
    inputs.write_input(output_dir=folder)
    if not isinstance(inputs.potcar, str):
        (folder / "POTCAR.spec").write_text("\n".join(inputs.potcar.symbols))


def static_maker(spec: VaspSpec, settings: Settings) -> "StaticMaker":
    """Return atomate2's StaticMaker at this level of theory, for use in other flows.

    Pass structures whose atoms are grouped by element. Labels do not use its job: it cannot restart in the folder of a
    killed run, and does not report which of custodian's corrections changed the level of theory.
    """
    from atomate2.vasp.jobs.core import StaticMaker

    from interphase_flows.reference.vasp.run import label_handlers

    command = {} if settings.vasp_command is None else {"vasp_cmd": settings.vasp_command}
    return StaticMaker(
        input_set_generator=label_set_generator(spec, settings.vasp_parallel),
        run_vasp_kwargs={"handlers": label_handlers(), **command},
    )
