"""The loop over time steps: step, check, watch, keep frames, save, until something ends it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from interphase_flows.exceptions import DynamicsError
from interphase_flows.md.dynamics import LangevinNVT, kinetic_temperature_K
from interphase_flows.md.segment_state import SegmentState
from interphase_flows.md.uncertainty_monitor import Committee, CommitteeWatch, Observation, StopReason

BROKEN: frozenset[StopReason] = frozenset({"close_contact", "runaway_temperature", "not_finite"})
"""Ends after which the last state must not be continued from; the one before the break is kept instead."""

Progress = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class Plan:
    """How a segment is to run; the fields are those of :func:`~interphase_flows.md.segment.run_segment`."""

    committee: Committee
    dynamics: LangevinNVT
    watch: CommitteeWatch
    last_step: int
    frame_interval_steps: int
    checkpoint_interval_steps: int
    on_progress: Progress | None
    stop_requested: Callable[[], bool] | None


@dataclass(frozen=True)
class Ending:
    """How a segment ended, at which step of the run, and the numbers behind it."""

    stop_reason: StopReason
    stop_step: int
    detail: str


def advance(state: SegmentState, plan: Plan) -> Ending:
    """Step until the end, and say how it came."""
    atoms, watch = state.atoms, plan.watch
    masses = atoms.get_masses()
    integrator = plan.dynamics.integrator(atoms, state.generator)
    forces = atoms.get_forces(md=True)
    while state.step < plan.last_step:
        forces = integrator.step(forces)
        state.step += 1
        temperature_K = kinetic_temperature_K(atoms.arrays["momenta"], masses)
        # Every step, not only when watching: positions made of broken forces can hang a neighbour search.
        if not (np.isfinite(temperature_K) and np.isfinite(forces).all()):
            return Ending("not_finite", state.step, "forces or momenta of the first member are not finite")
        limit_K = watch.temperature_limit_K(plan.dynamics.temperature_K, state.time_fs)
        if temperature_K > limit_K:
            return Ending("runaway_temperature", state.step, f"{temperature_K:.0f} K, limit {limit_K:.0f} K")
        seen = None
        if state.step % watch.interval_steps == 0:
            seen = watch.observe(atoms, plan.committee)
            state.record(seen, temperature_K)
            if seen.stop_reason in BROKEN:
                return Ending(seen.stop_reason, state.step, seen.detail)
        if state.step % plan.frame_interval_steps == 0:
            _add_frame(state, temperature_K, seen)
        if seen is not None:
            _report(state, plan, temperature_K, seen)
            if seen.stop_reason is not None:
                return Ending(seen.stop_reason, state.step, seen.detail)
            if state.step < plan.last_step and plan.stop_requested is not None and plan.stop_requested():
                return Ending("walltime", state.step, "asked to stop; run it again in its folder to go on")
        if state.step % plan.checkpoint_interval_steps == 0 and state.step < plan.last_step:
            state.save()
    return Ending("finished", state.step, "")


def look_at_start(state: SegmentState, plan: Plan, *, is_structure: bool) -> Ending | None:
    """Watch and frame the start of a fresh run; a continued one was watched where it left off.

    Raises
    ------
    DynamicsError
        If its forces are not finite, or atoms overlap.
    """
    if not np.isfinite(state.atoms.get_forces(md=True)).all():
        raise DynamicsError("Forces at the start are not finite: check the structure and the committee.")
    if not is_structure:
        return None
    temperature_K = kinetic_temperature_K(state.atoms.arrays["momenta"], state.atoms.get_masses())
    seen = plan.watch.observe(state.atoms, plan.committee)
    if seen.stop_reason in BROKEN:
        raise DynamicsError(f"The start cannot be run: {seen.detail}. Relax it, or build it with more room.")
    state.record(seen, temperature_K)
    _add_frame(state, temperature_K, seen)
    return None if seen.stop_reason is None else Ending(seen.stop_reason, state.step, seen.detail)


def _report(state: SegmentState, plan: Plan, temperature_K: float, seen: Observation) -> None:
    if plan.on_progress is None:
        return
    info = {
        "step": state.step,
        "time_fs": state.time_fs,
        "temperature_K": temperature_K,
        "uncertainty_eV_per_angstrom": seen.uncertainty_eV_per_angstrom,
    }
    plan.on_progress(state.step - state.first_step, plan.last_step - state.first_step, info)


def _add_frame(state: SegmentState, temperature_K: float, seen: Observation | None) -> None:
    state.trajectory.append(
        state.atoms,
        step=state.step,
        time_fs=state.time_fs,
        temperature_K=temperature_K,
        potential_energy_eV=float(state.atoms.get_potential_energy()),
        force_std_eV_per_angstrom=None if seen is None else seen.force_std_eV_per_angstrom,
    )
