"""Runs at temperature of the phases that the phase of an atom is learnt from.

Of every phase whose anions are single atoms: its crystal twice, with velocities of their own; once with each foreign
anion in the place of one of its own; and a slab of the crystal, a molten mixture and the electrode, because atoms near
borders look different. The mixture of all of them, molten, is the phase that is no crystal. Phases that are told by their
bonds run once, to check.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.optimize import FIRE

from interphase_flows.analysis.geometry.frames import ArrayFrames, mask_of
from interphase_flows.analysis.phases.atom_labels import AMORPHOUS, CHAINS, ELECTROLYTE, ThermalReference
from interphase_flows.analysis.phases.phase_references import PhaseReferences
from interphase_flows.analysis.speciation.anion_species import (
    SINGLE_CODES,
    AnionChemistry,
    classify_environments,
)
from interphase_flows.analysis.speciation.element_roles import Roles, measured_chemistry
from interphase_flows.exceptions import AnalysisError, StructureError
from interphase_flows.md.phase_references.thermal_runs import thermal_frames
from interphase_flows.runtime.progress import emit
from interphase_flows.structures.crystals.perturb import repeated
from interphase_flows.structures.phase_reference_cells import (
    layered_cell,
    melt_packing,
    n_atoms_of_layered_cell,
    reaction_mixture,
    substitute_anion,
)

Found = list[tuple[str, ThermalReference]]
"""Runs with the phase that they are of."""

STAGE = "runs of phases"
N_COPIES = 2
LEAST_ATOMS, MIXTURE_ATOMS = 40, 45
MELT_K = 1000.0
LEAST_HELD = 0.5
CATION_CUTOFF_ANGSTROM = 3.3
"""Of the check; anions alone are counted in it."""
RELAX_STEPS, RELAX_EV_PER_ANGSTROM = 25, 1.0


@dataclass(frozen=True)
class ReferenceSteps:
    """Lengths of the runs, in steps of `thermal_references.TIMESTEP_FS`."""

    n_settle: int = 40
    n_frames: int = 4
    steps_between: int = 10
    n_melt: int = 40


def phase_references(
    crystals: Mapping[str, Atoms],
    electrode: Atoms,
    electrolyte: Atoms,
    roles: Roles,
    calculator: Calculator,
    *,
    method_key: str,
    made_by: str,
    folder: Path,
    temperature_K: float,
    seed: int = 0,
    steps: ReferenceSteps = ReferenceSteps(),
) -> PhaseReferences:
    """Run every phase, or read the runs that were made before.

    A run that breaks leaves its phase out, with a note that says so.

    Parameters
    ----------
    crystals
        Phases by name.
    electrode, electrolyte
        The two sides; the electrode's density, and the electrolyte's anions for the mixture.
    roles
        Which elements move, form networks, make anions.
    calculator, method_key, made_by
        Gives the forces; its identity, and the same in words.
    folder
        Where runs are kept; one that was stopped goes on behind the last that is whole.
    temperature_K
        Of the runs, and of the trajectory that will be compared.
    seed
        Of velocities and packings.
    steps
        Lengths.

    Raises
    ------
    AnalysisError
        No phase has anions that could be compared.
    """
    runner = _Runner(calculator, method_key, folder, temperature_K, steps)
    chemistry = _chemistry(electrolyte, roles)
    anions = frozenset(roles.network_formers | roles.anion_formers)
    single, by_bonds = _told_apart(crystals, roles, chemistry)
    notes: list[str] = []
    planned = _crystals(runner, single, anions, min(roles.mobile_cations), seed)
    try:
        melt, volume = _mixture(single, electrolyte, roles)
    except StructureError as error:
        notes.append(f"no mixture was molten, so what is no crystal is unknown: {error}")
    else:
        planned += [(AMORPHOUS, partial(runner.melt, melt, volume, seed + copy)) for copy in range(N_COPIES)]
        planned += [
            (f"slab of {name}", partial(runner.slab, name, atoms, electrode, melt, volume, seed + copy))
            for copy, (name, atoms) in enumerate(single.items())
        ]
    runs: dict[str, list[ThermalReference]] = {}
    checks: dict[str, ArrayFrames] = {}
    total = len(planned) + len(by_bonds)
    for done, (name, make) in enumerate(planned):
        emit(STAGE, done, total, name)
        try:
            for phase, run in make():
                runs.setdefault(phase, []).append(run)
        except (AnalysisError, StructureError) as error:
            notes.append(f"{name} is not among the references: {error}")
    for done, (name, atoms) in enumerate(by_bonds.items(), start=len(planned)):
        emit(STAGE, done, total, name)
        try:
            checks[name] = runner.frames(repeated(atoms, LEAST_ATOMS), seed)
        except AnalysisError as error:
            notes.append(f"{name} was not run as a check: {error}")
    emit(STAGE, total, total, "")
    made = PhaseReferences(temperature_K, made_by, dict(crystals), runs, checks, tuple(notes))
    try:
        model = made.model(chemistry, roles.mobile_cations, CATION_CUTOFF_ANGSTROM)
    except AnalysisError as error:
        return replace(made, notes=(*notes, f"no phase of single anions can be told: {error}"))
    left_out = made.left_out_shares(model)
    for name in checks:
        held = sum(left_out.get(name, {}).get(label, 0.0) for label in (ELECTROLYTE, CHAINS))
        if held < LEAST_HELD:
            notes.append(
                f"only {100 * held:.0f} % of the anions of {name} keep their bonds in its run at {temperature_K:g} K: "
                "what computes the forces does not hold this phase together, and what it says of phases means little"
            )
    return replace(made, left_out=left_out, notes=tuple(notes))


@dataclass(frozen=True)
class PlannedRun:
    """A run that will be made, unless it breaks."""

    name: str
    n_atoms: int
    n_steps: int
    """Of dynamics and, at most, of relaxing what is molten."""


def planned_runs(
    crystals: Mapping[str, Atoms],
    electrode: Atoms,
    electrolyte: Atoms,
    roles: Roles,
    steps: ReferenceSteps = ReferenceSteps(),
) -> list[PlannedRun]:
    """Return the runs that `phase_references` makes of the same phases, in its order; nothing is run.

    Raises
    ------
    AnalysisError
        No phase has anions that could be compared.
    """
    single, by_bonds = _told_apart(crystals, roles, _chemistry(electrolyte, roles))
    anions = roles.network_formers | roles.anion_formers
    cold = steps.n_settle + steps.n_frames * steps.steps_between
    molten = RELAX_STEPS + max(2, steps.n_melt) + cold
    planned = []
    for name, atoms in single.items():
        n_atoms = len(repeated(atoms, LEAST_ATOMS))
        names = [name] * N_COPIES + [f"{guest} in {name}" for guest in sorted(anions - set(atoms.symbols))]
        planned += [PlannedRun(each, n_atoms, cold) for each in names]
    try:
        melt, volume = _mixture(single, electrolyte, roles)
    except StructureError:
        pass  # said by the runs themselves
    else:
        planned += [PlannedRun(AMORPHOUS, sum(melt.values()), molten)] * N_COPIES
        planned += [
            PlannedRun(f"slab of {name}", n_atoms_of_layered_cell(atoms, electrode, melt, volume), molten)
            for name, atoms in single.items()
        ]
    return planned + [
        PlannedRun(name, len(repeated(atoms, LEAST_ATOMS)), cold) for name, atoms in by_bonds.items()
    ]


@dataclass(frozen=True)
class _Runner:
    calculator: Calculator
    method_key: str
    folder: Path
    temperature_K: float
    steps: ReferenceSteps

    def frames(self, atoms: Atoms, seed: int) -> ArrayFrames:
        return thermal_frames(
            atoms,
            self.calculator,
            self.method_key,
            self.folder,
            temperature_K=self.temperature_K,
            seed=seed,
            n_settle=self.steps.n_settle,
            n_frames=self.steps.n_frames,
            steps_between=self.steps.steps_between,
        )

    def crystal(self, name: str, atoms: Atoms, seed: int) -> Found:
        return [(name, ThermalReference(self.frames(atoms, seed)))]

    def foreign(self, name: str, atoms: Atoms, host: str, guest: str, mobile: str, seed: int) -> Found:
        return self.crystal(name, substitute_anion(atoms, host, guest, mobile, seed), seed)

    def melt(self, composition: Mapping[str, int], volume_per_atom_angstrom3: float, seed: int) -> Found:
        atoms = melt_packing(composition, volume_per_atom_angstrom3, seed)
        return self.crystal(AMORPHOUS, self._molten(atoms, seed), seed)

    def slab(
        self,
        name: str,
        crystal: Atoms,
        metal: Atoms,
        molten: Mapping[str, int],
        volume_per_atom_angstrom3: float,
        seed: int,
    ) -> Found:
        atoms, parts = layered_cell(crystal, metal, molten, volume_per_atom_angstrom3, seed)
        frames = self.frames(self._molten(atoms, seed), seed)
        return [
            (name, ThermalReference(frames, parts == "crystal")),
            (AMORPHOUS, ThermalReference(frames, parts == "molten")),
        ]

    def _molten(self, atoms: Atoms, seed: int) -> Atoms:
        """Relax, melt what is not held, and let go."""
        moving = atoms.copy()
        moving.calc = self.calculator
        try:
            FIRE(moving, logfile=None).run(fmax=RELAX_EV_PER_ANGSTROM, steps=RELAX_STEPS)
        except (ValueError, ArithmeticError, RuntimeError) as error:
            raise AnalysisError(f"relaxing {moving.get_chemical_formula()} broke: {error}") from error
        moving.calc = None
        if not np.isfinite(moving.positions).all():
            raise AnalysisError(f"relaxing {moving.get_chemical_formula()} broke: its atoms flew apart")
        hot = thermal_frames(
            moving,
            self.calculator,
            self.method_key,
            self.folder,
            temperature_K=MELT_K,
            seed=seed,
            n_settle=max(1, self.steps.n_melt - 1),
            n_frames=1,
            steps_between=1,
        )
        return Atoms(hot.numbers, positions=hot.all_positions[-1], cell=atoms.cell, pbc=True)


def _crystals(
    runner: "_Runner", single: Mapping[str, Atoms], anions: frozenset[str], mobile: str, seed: int
) -> list[tuple[str, Callable[[], Found]]]:
    """Runs of each crystal, and of each with a foreign anion."""
    planned: list[tuple[str, Callable[[], Found]]] = []
    for name, atoms in single.items():
        own = sorted(set(atoms.get_chemical_symbols()) & anions)
        cell = repeated(atoms, LEAST_ATOMS)
        planned += [(name, partial(runner.crystal, name, cell, seed + copy)) for copy in range(N_COPIES)]
        planned += [
            (f"{guest} in {name}", partial(runner.foreign, name, cell, own[0], guest, mobile, seed))
            for guest in sorted(anions - set(own))
        ]
    return planned


def _told_apart(
    crystals: Mapping[str, Atoms], roles: Roles, chemistry: AnionChemistry
) -> tuple[dict[str, Atoms], dict[str, Atoms]]:
    """Return the phases whose anions are single atoms, and those that are told by their bonds.

    Raises
    ------
    AnalysisError
        There is none of the first.
    """
    anions = roles.network_formers | roles.anion_formers
    known = {
        name: atoms
        for name, atoms in crystals.items()
        if mask_of(atoms.numbers, anions).any() and mask_of(atoms.numbers, roles.mobile_cations).any()
    }
    single = {name: atoms for name, atoms in known.items() if _is_single(atoms, chemistry)}
    if not single:
        raise AnalysisError(
            f"none of the phases {', '.join(crystals) or '(none)'} has anions that are single atoms, such as Li2S or "
            "Li3P; add one"
        )
    return single, {name: atoms for name, atoms in known.items() if name not in single}


def _mixture(single: Mapping[str, Atoms], electrolyte: Atoms, roles: Roles) -> tuple[dict[str, int], float]:
    symbols = electrolyte.get_chemical_symbols()
    return reaction_mixture(
        single, {s: float(symbols.count(s)) for s in set(symbols)}, roles.mobile_cations, MIXTURE_ATOMS
    )


def _chemistry(electrolyte: Atoms, roles: Roles) -> AnionChemistry:
    """Bonds of the crystal that has both formers and ligands: the electrolyte."""
    frames = ArrayFrames(electrolyte.numbers, np.zeros(1), electrolyte.positions[None], electrolyte.cell[:])
    return measured_chemistry(frames, roles)


def _is_single(atoms: Atoms, chemistry: AnionChemistry) -> bool:
    codes = classify_environments(atoms.positions, atoms.cell[:], atoms.numbers, chemistry).atom_codes
    return bool(np.isin(codes[codes >= 0], SINGLE_CODES).all())
