"""Plan of the reference runs of a phase classifier: which cells are run, and for how many steps.

For each phase whose anions are single atoms: two runs of the crystal with different velocities, and one with each
foreign anion substituted. Two runs of the molten mixture define the amorphous phase. Surfaces of crystals need no runs of
their own (`analysis.phases.grain_surfaces`). Phases with molecular anions are identified by their bonds; one run of each
checks that the potential keeps these bonds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from ase import Atoms

from interphase_flows.analysis.geometry.frames import ArrayFrames, mask_of
from interphase_flows.analysis.phases.atom_labels import AMORPHOUS
from interphase_flows.analysis.speciation.anion_species import (
    SINGLE_CODES,
    AnionChemistry,
    classify_environments,
)
from interphase_flows.analysis.speciation.element_roles import Roles, measured_chemistry
from interphase_flows.exceptions import AnalysisError, StructureError
from interphase_flows.md.phase_references.steps import ReferenceSteps
from interphase_flows.structures.crystals.perturb import repeated
from interphase_flows.structures.phase_reference_cells import melt_packing, reaction_mixture, substitute_anion

N_COPIES = 2
MIN_ATOMS, MIXTURE_ATOMS = 40, 45


@dataclass(frozen=True)
class PlannedRun:
    """One reference run."""

    name: str
    """For progress and notes, such as ``P in Li2S``."""
    phase: str
    n_atoms: int
    n_steps: int
    seed: int = field(compare=False)
    build: Callable[[], Atoms] = field(compare=False, repr=False)
    is_molten: bool = False
    is_check: bool = False
    """Whether the run only checks a phase that is identified by its bonds."""


@dataclass(frozen=True)
class ReferencePlan:
    """Runs in their order, the bonds of the electrolyte, and notes on what is missing."""

    runs: tuple[PlannedRun, ...]
    chemistry: AnionChemistry
    notes: tuple[str, ...]

    @property
    def n_atom_steps(self) -> int:
        """Number of atoms times steps of all runs, to which their cost is about proportional."""
        return sum(run.n_atoms * run.n_steps for run in self.runs)


def plan_references(
    crystals: Mapping[str, Atoms],
    electrolyte: Atoms,
    roles: Roles,
    steps: ReferenceSteps = ReferenceSteps(),
    seed: int = 0,
) -> ReferencePlan:
    """Plan the reference runs of some phases, by name, for an electrolyte, given by its crystal; no cell is built yet.

    Raises AnalysisError if no phase has anions of single atoms.
    """
    crystal = ArrayFrames(electrolyte.numbers, np.zeros(1), electrolyte.positions[None], electrolyte.cell[:])
    chemistry = measured_chemistry(crystal, roles)
    single, by_bonds = _split_by_anions(crystals, roles, chemistry)
    anions = roles.network_formers | roles.anion_formers
    mobile = min(roles.mobile_cations)
    runs: list[PlannedRun] = []
    notes: tuple[str, ...] = ()
    for name, atoms in single.items():
        own = sorted(set(atoms.get_chemical_symbols()) & anions)
        cell = repeated(atoms, MIN_ATOMS)
        add = partial(PlannedRun, phase=name, n_atoms=len(cell), n_steps=steps.n_thermal)
        runs += [add(name, seed=seed + copy, build=cell.copy) for copy in range(N_COPIES)]
        runs += [
            add(
                f"{guest} in {name}",
                seed=seed,
                build=partial(substitute_anion, cell, own[0], guest, mobile, seed),
            )
            for guest in sorted(anions - set(own))
        ]
    try:
        counts = {symbol: float(n) for symbol, n in electrolyte.symbols.formula.count().items()}
        melt, volume = reaction_mixture(single, counts, roles.mobile_cations, MIXTURE_ATOMS)
    except StructureError as error:
        notes = (f"no amorphous reference, because no mixture could be made: {error}",)
    else:
        molten = partial(PlannedRun, n_steps=steps.n_molten, is_molten=True)
        runs += [
            molten(
                name=AMORPHOUS,
                phase=AMORPHOUS,
                n_atoms=sum(melt.values()),
                seed=seed + copy,
                build=partial(melt_packing, melt, volume, seed + copy),
            )
            for copy in range(N_COPIES)
        ]
    for name, atoms in by_bonds.items():
        cell = repeated(atoms, MIN_ATOMS)
        runs.append(PlannedRun(name, name, len(cell), steps.n_thermal, seed, cell.copy, is_check=True))
    return ReferencePlan(tuple(runs), chemistry, notes)


def _split_by_anions(
    crystals: Mapping[str, Atoms], roles: Roles, chemistry: AnionChemistry
) -> tuple[dict[str, Atoms], dict[str, Atoms]]:
    """Return the phases whose anions are single atoms, and those that are identified by their bonds."""
    anions = roles.network_formers | roles.anion_formers
    ionic = {
        name: atoms
        for name, atoms in crystals.items()
        if mask_of(atoms.numbers, anions).any() and mask_of(atoms.numbers, roles.mobile_cations).any()
    }
    single = {name: atoms for name, atoms in ionic.items() if _has_single_anions(atoms, chemistry)}
    if not single:
        raise AnalysisError(
            f"none of the phases {', '.join(crystals) or '(none)'} has anions of single atoms. "
            "Hint: add one such as Li2S or Li3P"
        )
    return single, {name: atoms for name, atoms in ionic.items() if name not in single}


def _has_single_anions(atoms: Atoms, chemistry: AnionChemistry) -> bool:
    codes = classify_environments(atoms.positions, atoms.cell[:], atoms.numbers, chemistry).atom_codes
    return bool(np.isin(codes[codes >= 0], SINGLE_CODES).all())
