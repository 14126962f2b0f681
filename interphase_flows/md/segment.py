"""One segment of molecular dynamics: from a structure or a checkpoint to a checkpoint.

N steps are k + (N - k) steps to the last bit, random numbers, frames and candidates included, whether a kill, the
walltime or the end of a segment comes between. Threads change the order of sums: keep their number fixed.
"""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from interphase_flows.exceptions import DynamicsError, LockedError, StorageError
from interphase_flows.md.candidates import Candidate, CandidateFolder
from interphase_flows.md.checkpoint import Checkpoint, read_checkpoint, read_latest_checkpoint
from interphase_flows.md.dynamics import LangevinNVT, kinetic_temperature_K
from interphase_flows.md.segment_state import SegmentState, named_candidates, segment_identity
from interphase_flows.md.trajectory_writer import pack
from interphase_flows.md.watch import Committee, CommitteeWatch, Observation, StopReason

BROKEN: frozenset[StopReason] = frozenset({"close_contact", "runaway_temperature", "not_finite"})
"""Ends after which the last state must not be continued from; the one before the break is kept instead."""

Progress = Callable[[int, int, dict[str, float]], None]


@dataclass
class SegmentResult:
    """What a segment leaves.

    Parameters
    ----------
    stop_reason, detail
        How it ended, and the numbers behind it.
    first_step, stop_step, n_steps_done
        Steps of the run where it began and ended, and their difference.
    last_good_checkpoint
        What the next segment starts from: the end, or after a broken end the last checkpoint before it.
    final_checkpoint
        The checkpoint of ``stop_step``; None after a broken end.
    trajectory
        Packed frames up to ``last_good_checkpoint`` (the open folder when the walltime cut in).
    n_frames
        Frames in it.
    candidates
        The most uncertain frames, in order of time.
    watch_step, uncertainty_ev_per_angstrom, watch_temperature_K
        (n_watched,): what the watch saw, by step.
    mean_temperature_K, std_temperature_K
        Of the kinetic temperatures the watch saw.
    wall_time_s
        Wall time that led to the end; work lost to kills is not in it.
    atom_steps
        Atoms times steps.
    notes
        What went wrong on the way and was mended, such as a damaged checkpoint passed over.
    """

    stop_reason: StopReason
    detail: str
    first_step: int
    stop_step: int
    n_steps_done: int
    last_good_checkpoint: Path
    final_checkpoint: Path | None
    trajectory: Path
    n_frames: int
    candidates: list[Candidate]
    watch_step: np.ndarray
    uncertainty_ev_per_angstrom: np.ndarray
    watch_temperature_K: np.ndarray
    mean_temperature_K: float
    std_temperature_K: float
    wall_time_s: float
    atom_steps: int
    notes: list[str]


def run_segment(
    start: Atoms | Checkpoint,
    committee: Committee,
    dynamics: LangevinNVT,
    n_steps: int,
    seed: int | None,
    folder: Path,
    watch: CommitteeWatch | None = None,
    frame_interval_steps: int = 50,
    checkpoint_interval_steps: int = 1000,
    on_progress: Progress | None = None,
    *,
    stop_requested: Callable[[], bool] | None = None,
    keep_force_std: bool = False,
) -> SegmentResult:
    """Advance a run by one segment, or take up one that was killed in the same folder.

    Parameters
    ----------
    start
        A structure (momenta are drawn from ``seed``), or the checkpoint an earlier segment left (its momenta and
        random stream go on, and its step counter with them).
    committee
        Potentials; the first drives the dynamics.
    dynamics
        Thermostat and time step.
    n_steps
        Largest number of steps in this segment.
    seed
        Of a fresh run; not used when continuing.
    folder
        Of this segment alone. If it holds a checkpoint of this segment, the segment goes on from it.
    watch
        Uncertainty, contacts and temperature that select frames or end the segment.
    frame_interval_steps, checkpoint_interval_steps
        Steps of the run between frames, and between checkpoints. A fresh run's start is its first frame.
    on_progress
        Called whenever the watch has looked, with steps done, ``n_steps``, and ``step``, ``time_fs``,
        ``temperature_K`` and ``uncertainty_ev_per_angstrom``.
    stop_requested
        Asked at the same times; when it says yes, the segment leaves a checkpoint and returns ("walltime").
    keep_force_std
        Whether frames carry the committee's standard deviation for each atom.

    Raises
    ------
    DynamicsError
        If the folder holds another segment, or the start itself is broken.
    LockedError
        If another process is at work in the folder.
    """
    watch = watch or CommitteeWatch()
    if min(n_steps, frame_interval_steps, checkpoint_interval_steps) < 1:
        raise DynamicsError("n_steps, frame_interval_steps and checkpoint_interval_steps must be at least 1.")
    if seed is None and not isinstance(start, Checkpoint):
        raise DynamicsError("A fresh run draws its momenta from a seed: give one.")
    settings = (dynamics.model_dump(), watch.model_dump(), n_steps, frame_interval_steps, keep_force_std)
    identity = segment_identity(start, seed if isinstance(start, Atoms) else None, *settings)
    with _locked(folder):
        state, notes = _take_up(folder, identity, watch)
        if isinstance(state, Path):
            return _result(folder, state, notes, watch)
        fresh = state is None
        if state is None:
            state = SegmentState.begin(start, dynamics, watch, seed, folder, identity, keep_force_std)
        state.atoms.calc = committee.dynamics_calculator
        ended = None
        if fresh:
            ended = _look_at_start(state, committee, watch, isinstance(start, Atoms))
            state.save()
        last_step = state.first_step + n_steps
        while ended is None:
            ended = _advance(
                state,
                committee,
                dynamics,
                watch,
                last_step,
                frame_interval_steps,
                checkpoint_interval_steps,
                on_progress,
                stop_requested,
            )
        if ended["stop_reason"] in BROKEN:
            path = state.end_at_last_checkpoint(ended)
        else:
            path = state.save(None if ended["stop_reason"] == "walltime" else ended)
        if ended["stop_reason"] == "walltime":
            return _result(folder, path, notes, watch, ended)
        return _result(folder, path, notes, watch)


def _take_up(folder: Path, identity: str, watch: CommitteeWatch) -> tuple[SegmentState | Path | None, list[str]]:
    """Return where this segment stands in its folder: in between, at its end (a path), or not begun (None)."""
    try:
        latest = read_latest_checkpoint(folder)
        if latest is None:
            return None, []
        checkpoint, path, notes = latest
        if checkpoint.metadata.get("segment") != identity:
            raise DynamicsError(
                f"{folder} holds another segment ({checkpoint.metadata.get('segment')}, not {identity}): "
                "give each segment a folder of its own, or the start and settings it began with."
            )
        if checkpoint.metadata["ended"]:
            return path, notes
        return SegmentState.resume(checkpoint, folder, watch), notes
    except StorageError as error:
        # The segment is determined by its start: doing it again gives the same frames.
        return None, [f"started over: {error}"]


def _advance(
    state: SegmentState,
    committee: Committee,
    dynamics: LangevinNVT,
    watch: CommitteeWatch,
    last_step: int,
    frame_interval_steps: int,
    checkpoint_interval_steps: int,
    on_progress: Progress | None,
    stop_requested: Callable[[], bool] | None,
) -> dict[str, Any]:
    """Step until the end, and say how it came."""
    atoms = state.atoms
    masses = atoms.get_masses()
    integrator = dynamics.integrator(atoms, state.generator)
    forces = atoms.get_forces(md=True)
    while state.step < last_step:
        forces = integrator.step(forces)
        state.step += 1
        temperature_K = kinetic_temperature_K(atoms.arrays["momenta"], masses)
        # Every step: positions made of broken forces can hang a neighbour search.
        if not (np.isfinite(temperature_K) and np.isfinite(forces).all()):
            return _ended(state, "not_finite", "forces or momenta of the first member are not finite")
        limit_K = watch.temperature_limit_K(dynamics.temperature_K, state.time_fs)
        if temperature_K > limit_K:
            return _ended(state, "runaway_temperature", f"{temperature_K:.0f} K, limit {limit_K:.0f} K")
        seen: Observation | None = None
        if state.step % watch.interval_steps == 0:
            seen = watch.observe(atoms, committee)
            state.record(seen, temperature_K)
            if seen.stop_reason in BROKEN:
                return _ended(state, seen.stop_reason, seen.detail)
        if state.step % frame_interval_steps == 0:
            _add_frame(state, temperature_K, seen)
        if seen is not None:
            if on_progress is not None:
                info = {
                    "step": state.step,
                    "time_fs": state.time_fs,
                    "temperature_K": temperature_K,
                    "uncertainty_ev_per_angstrom": seen.uncertainty_ev_per_angstrom,
                }
                on_progress(state.step - state.first_step, last_step - state.first_step, info)
            if seen.stop_reason is not None:
                return _ended(state, seen.stop_reason, seen.detail)
            if stop_requested is not None and state.step < last_step and stop_requested():
                return _ended(state, "walltime", "asked to stop; run it again in the same folder to go on")
        if state.step % checkpoint_interval_steps == 0 and state.step < last_step:
            state.save()
    return _ended(state, "finished", "")


def _look_at_start(
    state: SegmentState, committee: Committee, watch: CommitteeWatch, is_structure: bool
) -> dict[str, Any] | None:
    """Watch and frame the start of a fresh run; a continued one was watched where it left off."""
    forces = state.atoms.get_forces(md=True)
    if not np.isfinite(forces).all():
        raise DynamicsError("Forces at the start are not finite: check the structure and the committee.")
    if not is_structure:
        return None
    temperature_K = kinetic_temperature_K(state.atoms.get_momenta(), state.atoms.get_masses())
    seen = watch.observe(state.atoms, committee)
    if seen.stop_reason in BROKEN:
        raise DynamicsError(f"The start cannot be run: {seen.detail}. Relax it, or build it with more room.")
    state.record(seen, temperature_K)
    _add_frame(state, temperature_K, seen)
    return None if seen.stop_reason is None else _ended(state, seen.stop_reason, seen.detail)


def _add_frame(state: SegmentState, temperature_K: float, seen: Observation | None) -> None:
    state.trajectory.append(
        state.atoms,
        step=state.step,
        time_fs=state.time_fs,
        temperature_K=temperature_K,
        potential_energy_eV=float(state.atoms.get_potential_energy()),
        force_std_ev_per_angstrom=None if seen is None else seen.force_std_ev_per_angstrom,
    )


def _ended(state: SegmentState, reason: StopReason, detail: str) -> dict[str, Any]:
    return {"stop_reason": reason, "stop_step": state.step, "detail": detail}
