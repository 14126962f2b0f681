"""Make the reference runs of a phase classifier, or read those made before."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.optimize import FIRE

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.phases.atom_labels import CHAINS, ELECTROLYTE, ThermalReference
from interphase_flows.analysis.phases.phase_references import PhaseReferences
from interphase_flows.analysis.speciation.element_roles import Roles
from interphase_flows.exceptions import AnalysisError, StructureError
from interphase_flows.md.phase_references.plan import PlannedRun, plan_references
from interphase_flows.md.phase_references.steps import MAX_RELAX_STEPS, ReferenceSteps
from interphase_flows.md.phase_references.thermal_runs import thermal_frames
from interphase_flows.runtime.progress import emit

STAGE = "runs of phases"
MELT_K = 1000.0
RELAXED_EV_PER_ANGSTROM = 1.0
CATION_CUTOFF_ANGSTROM = 3.3
"""Cutoff of the cation features in the check, which counts anions only."""
MIN_FRACTION_INTACT = 0.5
"""A run whose anions keep fewer bonds is reported: the potential does not describe this phase."""


def phase_references(
    crystals: Mapping[str, Atoms],
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
    """Make the reference runs of all phases, or read those made before; a run that fails is left out, with a note.

    Raises AnalysisError if no phase has anions of single atoms.

    Parameters
    ----------
    crystals, electrolyte
        Phases by name; crystal of the electrolyte, whose anions the amorphous phase has.
    calculator, method_key, made_by
        Calculator of the forces, its identity, and its description.
    folder
        Where runs are stored. An interrupted call resumes after the last complete run.
    temperature_K
        Temperature of the runs, equal to that of the trajectories to be analysed.
    """
    plan = plan_references(crystals, electrolyte, roles, steps, seed)
    thermal = partial(thermal_frames, calculator=calculator, method_key=method_key, folder=folder)
    notes = list(plan.notes)
    references: dict[str, list[ThermalReference]] = {}
    checks: dict[str, ArrayFrames] = {}
    for done, run in enumerate(plan.runs):
        emit(STAGE, done, len(plan.runs), run.name)
        try:
            frames = _run(run, thermal, temperature_K, steps)
        except (AnalysisError, StructureError) as error:
            missing = "was not run as a check" if run.is_check else "is not among the references"
            notes.append(f"{run.name} {missing}: {error}")
            continue
        if run.is_check:
            checks[run.phase] = frames
        else:
            references.setdefault(run.phase, []).append(ThermalReference(frames))
    emit(STAGE, len(plan.runs), len(plan.runs), "")
    result = PhaseReferences(temperature_K, made_by, dict(crystals), references, checks, tuple(notes))
    try:
        model = result.model(plan.chemistry, roles.mobile_cations, CATION_CUTOFF_ANGSTROM)
    except AnalysisError as error:
        return replace(result, notes=(*notes, f"phases of single anions cannot be classified: {error}"))
    left_out = result.left_out_shares(model)
    for name in checks:
        intact = sum(left_out.get(name, {}).get(label, 0.0) for label in (ELECTROLYTE, CHAINS))
        if intact < MIN_FRACTION_INTACT:
            notes.append(
                f"only {100 * intact:.0f} % of the anions of {name} keep their bonds in its run at {temperature_K:g} K: "
                "the potential does not hold this phase together, so its phase labels are unreliable"
            )
    return replace(result, left_out=left_out, notes=tuple(notes))


def _run(run: PlannedRun, thermal: partial[ArrayFrames], temperature_K: float, steps: ReferenceSteps) -> ArrayFrames:
    cell = run.build()
    if run.is_molten:
        cell = _melted(cell, thermal, run.seed, steps.n_melt)
    return thermal(
        cell,
        temperature_K=temperature_K,
        seed=run.seed,
        n_settle=steps.n_settle,
        n_frames=steps.n_frames,
        steps_between=steps.steps_between,
    )


def _melted(packing: Atoms, thermal: partial[ArrayFrames], seed: int, n_melt: int) -> Atoms:
    """Relax and melt a packing."""
    relaxed = packing.copy()
    relaxed.calc = thermal.keywords["calculator"]
    try:
        FIRE(relaxed, logfile=None).run(fmax=RELAXED_EV_PER_ANGSTROM, steps=MAX_RELAX_STEPS)
    except (ValueError, ArithmeticError, RuntimeError) as error:
        raise AnalysisError(f"relaxing {relaxed.get_chemical_formula()} failed: {error}") from error
    relaxed.calc = None
    if not np.isfinite(relaxed.positions).all():
        raise AnalysisError(f"relaxing {relaxed.get_chemical_formula()} failed: positions are not finite")
    hot = thermal(relaxed, temperature_K=MELT_K, seed=seed, n_settle=max(1, n_melt - 1), n_frames=1, steps_between=1)
    return Atoms(hot.numbers, positions=hot.all_positions[-1], cell=packing.cell, pbc=True)
