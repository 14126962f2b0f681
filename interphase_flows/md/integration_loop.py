"""Integration loop of a segment: step, check, evaluate the committee, store frames and checkpoints."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interphase_flows.exceptions import DynamicsError
from interphase_flows.md.checkpoint import EndRecord, SegmentMetadata
from interphase_flows.md.dynamics import LangevinDynamics, kinetic_temperature_K
from interphase_flows.md.run_limits import STRESS_WINDOW, RunLimits, RunReference
from interphase_flows.md.segment_state import SegmentState
from interphase_flows.md.uncertainty_monitor import Committee, Observation, UncertaintyMonitor
from interphase_flows.schemas.segment import StopReason

BROKEN: frozenset[StopReason] = frozenset({"close_contact", "runaway_temperature", "not_finite"})
"""Stop reasons after which the run continues from the last checkpoint instead of the last state."""

Progress = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class SegmentPlan:
    """Settings of a segment, as in :func:`~interphase_flows.md.segment.run_segment`."""

    committee: Committee
    dynamics: LangevinDynamics
    monitor: UncertaintyMonitor
    last_step: int
    frame_interval_steps: int
    checkpoint_interval_steps: int
    on_progress: Progress | None
    stop_requested: Callable[[], bool] | None
    limits: RunLimits | None = None
    equilibration_fs: float = 0.0


def advance(state: SegmentState, plan: SegmentPlan) -> EndRecord:
    """Integrate until the last step or a stop reason."""
    atoms, monitor = state.atoms, plan.monitor
    masses = atoms.get_masses()
    integrator = plan.dynamics.integrator(atoms, state.generator)
    forces = atoms.get_forces(md=True)
    while state.step < plan.last_step:
        bath_K = plan.dynamics.bath_K(state.time_fs)
        plan.dynamics.set_bath(integrator, state.time_fs)
        forces = integrator.step(forces)
        state.step += 1
        temperature_K = kinetic_temperature_K(atoms.arrays["momenta"], masses)
        # checked in every step, because positions that are not finite can hang a neighbour search
        if not (np.isfinite(temperature_K) and np.isfinite(forces).all()):
            return state.end("not_finite", "forces or momenta of the first member are not finite")
        limit_K = monitor.temperature_limit_K(bath_K, state.time_fs)
        if temperature_K > limit_K:
            return state.end("runaway_temperature", f"{temperature_K:.0f} K, limit {limit_K:.0f} K")
        observation = None
        if state.step % monitor.interval_steps == 0:
            observation = monitor.observe(atoms, plan.committee)
            state.record(observation, temperature_K, plan.dynamics.cell_observables(atoms))
            if observation.stop_reason in BROKEN:
                return state.end(observation.stop_reason, observation.detail)
        if state.step % plan.frame_interval_steps == 0:
            _add_frame(state, temperature_K, observation)
        if observation is not None:
            _report(state, plan, temperature_K, observation)
            if observation.stop_reason is not None:
                return state.end(observation.stop_reason, observation.detail)
            if state.step % plan.frame_interval_steps == 0 and (violation := _violation(state, plan)):
                return state.end(*violation)
            if state.step < plan.last_step and plan.stop_requested is not None and plan.stop_requested():
                return state.end("walltime", "stop requested; a call in the same folder continues")
        if state.step % plan.checkpoint_interval_steps == 0 and state.step < plan.last_step:
            state.save()
    return state.end("finished", "")


def evaluate_start(state: SegmentState, plan: SegmentPlan, *, is_structure: bool) -> EndRecord | None:
    """Evaluate and store the first frame of a run; a continued run was evaluated at the end of its last segment.

    Raises DynamicsError if the forces are not finite, or atoms overlap.
    """
    if not np.isfinite(state.atoms.get_forces(md=True)).all():
        raise DynamicsError("the forces at the start are not finite. Hint: check the structure and the committee")
    if not is_structure:
        return None
    temperature_K = kinetic_temperature_K(state.atoms.arrays["momenta"], state.atoms.get_masses())
    observation = plan.monitor.observe(state.atoms, plan.committee)
    if observation.stop_reason in BROKEN:
        raise DynamicsError(f"invalid start: {observation.detail}. Hint: relax it, or build it with larger distances")
    state.record(observation, temperature_K, plan.dynamics.cell_observables(state.atoms))
    _add_frame(state, temperature_K, observation)
    return None if observation.stop_reason is None else state.end(observation.stop_reason, observation.detail)


def _violation(state: SegmentState, plan: SegmentPlan) -> tuple[StopReason, str] | None:
    """Return the limit that a frame violates, with its numbers, or None."""
    if plan.limits is None:
        return None
    reference = plan.limits.followed(state.atoms, RunReference(**state.metadata["reference"]))
    state.metadata["reference"] = reference.model_dump()
    first_step = plan.equilibration_fs / plan.dynamics.timestep_fs
    stresses_GPa = last_stresses_GPa(state.metadata, state.records, first_step)
    return plan.limits.violation(state.atoms, reference, stresses_GPa, plan.dynamics.target_pressure_GPa)


def last_stresses_GPa(
    metadata: SegmentMetadata, records: Mapping[str, Sequence[float] | np.ndarray], first_step: float
) -> list[float]:
    """Return the normal stresses of the last `STRESS_WINDOW` evaluations of a run from a step on, of all segments."""
    of_segment = [
        float(stress)
        for step, stress in zip(records["step"], records.get("normal_stress_GPa", ()), strict=False)
        if step >= first_step
    ]
    return [*metadata.get("earlier_stresses_GPa", []), *of_segment][-STRESS_WINDOW:]


def _report(state: SegmentState, plan: SegmentPlan, temperature_K: float, observation: Observation) -> None:
    if plan.on_progress is None:
        return
    info = {
        "step": state.step,
        "time_fs": state.time_fs,
        "temperature_K": temperature_K,
        "uncertainty_eV_per_angstrom": observation.uncertainty_eV_per_angstrom,
    }
    plan.on_progress(state.step - state.first_step, plan.last_step - state.first_step, info)


def _add_frame(state: SegmentState, temperature_K: float, observation: Observation | None) -> None:
    state.trajectory.append(
        state.atoms,
        step=state.step,
        time_fs=state.time_fs,
        temperature_K=temperature_K,
        potential_energy_eV=float(state.atoms.get_potential_energy()),
        force_std_eV_per_angstrom=None if observation is None else observation.force_std_eV_per_angstrom,
    )
