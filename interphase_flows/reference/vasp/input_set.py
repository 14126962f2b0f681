"""atomate2's generator of VASP's inputs, and its static Maker, with the campaign's own input set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ase import Atoms
from atomate2.vasp.sets.base import VaspInputGenerator
from pymatgen.io.vasp.inputs import Kpoints

from interphase_flows.reference.k_points import k_points
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.input import INITIAL_MOMENT_BOHR, incar, parallel_tags
from interphase_flows.reference.vasp.pseudopotentials import potentials
from interphase_flows.settings import Settings


@dataclass
class LabelSetGenerator(VaspInputGenerator):
    """Inputs of a label; made by `label_set_generator`, which fills in what does not depend on the structure.

    Parameters
    ----------
    spec
        The level of theory.
    parallel
        KPAR and NCORE of this machine.
    """

    spec: VaspSpec = field(default_factory=VaspSpec)
    parallel: dict = field(default_factory=dict)

    @property
    def _grid(self) -> tuple[int, int, int]:
        cell = Atoms("X" * len(self.structure), cell=self.structure.lattice.matrix, pbc=True)
        return k_points(self.spec, cell)

    @property
    def kpoints_updates(self) -> Kpoints:
        """Return the grid of a structure."""
        return Kpoints.gamma_automatic(self._grid)

    @property
    def incar_updates(self) -> dict[str, int]:
        """Return how the work on a structure is shared."""
        return parallel_tags(self.parallel, self._grid)


def label_set_generator(
    spec: VaspSpec, parallel: Mapping[Any, int], start: Mapping[str, int] | None = None
) -> LabelSetGenerator:
    """Return the generator of a level of theory.

    Parameters
    ----------
    spec
        The level of theory.
    parallel
        KPAR and NCORE of this machine.
    start
        ISTART and ICHARG; from scratch if None.
    """
    table = potentials(spec.potentials)
    tags: dict[str, Any] = {**incar(spec), **(start or {"ISTART": 0, "ICHARG": 2})}
    if spec.spin_polarized:
        tags["MAGMOM"] = dict.fromkeys(table, INITIAL_MOMENT_BOHR)
    return LabelSetGenerator(
        # nothing of atomate2's own set is left in it
        config_dict={
            "INCAR": {},
            "KPOINTS": {},
            "POTCAR": {element: potential.symbol for element, potential in table.items()},
            "POTCAR_FUNCTIONAL": spec.potentials,
        },
        user_incar_settings=tags,
        sort_structure=False,  # grouped by element already, and the order is known
        auto_ismear=False,
        auto_metal_kpoints=False,
        inherit_incar=False,
        spec=spec,
        parallel=dict(parallel),
    )


def static_maker(spec: VaspSpec, settings: Settings) -> Any:
    """Return atomate2's static Maker at this level of theory, for anybody's own flow.

    Hand it structures whose atoms are grouped by element.  Labels do not go through its job, which cannot go on in a
    folder that a killed launch left behind, and does not tell which of custodian's remedies changed the theory.
    """
    from atomate2.vasp.jobs.core import StaticMaker

    from interphase_flows.reference.vasp.run import label_handlers

    command = {} if settings.vasp_command is None else {"vasp_cmd": settings.vasp_command}
    return StaticMaker(
        input_set_generator=label_set_generator(spec, settings.vasp_parallel),
        run_vasp_kwargs={"handlers": label_handlers(), **command},
    )
