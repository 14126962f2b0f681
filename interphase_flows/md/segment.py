"""Run one restartable segment of molecular dynamics, from a structure or a checkpoint to a checkpoint.

N steps equal k + (N - k) steps bitwise, including random numbers, frames and candidates, whether a kill, the walltime
or the end of a segment comes between. The number of threads must not change, because it changes the order of sums.
"""

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from interphase_flows.exceptions import DynamicsError, StorageError
from interphase_flows.md.candidates import Candidate, CandidateFolder
from interphase_flows.md.checkpoint import (
    Checkpoint,
    EndRecord,
    checkpoint_paths,
    read_checkpoint,
    read_latest_checkpoint,
)
from interphase_flows.md.dynamics import LangevinDynamics
from interphase_flows.md.integration_loop import (
    BROKEN,
    Progress,
    SegmentPlan,
    advance,
    evaluate_start,
    last_stresses_GPa,
)
from interphase_flows.md.run_limits import RunLimits
from interphase_flows.md.segment_state import SegmentState, segment_identity
from interphase_flows.md.start_relaxation import StartRelaxation, relax_start
from interphase_flows.md.trajectory_writer import check_frames, pack
from interphase_flows.md.uncertainty_monitor import Committee, UncertaintyMonitor
from interphase_flows.runtime.file_locks import exclusive_folder
from interphase_flows.schemas.segment import StartRelaxationDoc, StopReason

__all__ = ["BROKEN", "Progress", "SegmentResult", "recorded_evaluation", "run_segment"]

EAGER = "eager"
"""Evaluation of potentials without a compiled graph."""


@dataclass
class SegmentResult:
    """Result of a segment; steps are counted from the start of the run."""

    stop_reason: StopReason
    detail: str
    """The numbers behind the decision to stop."""
    first_step: int
    stop_step: int
    n_steps_done: int
    last_good_checkpoint: Path
    """Start of the next segment: the end, or after a failure the last checkpoint before it."""
    final_checkpoint: Path | None
    """Checkpoint of ``stop_step``; None after a failure."""
    trajectory: Path
    """Packed frames up to ``last_good_checkpoint``; the folder of frames if the walltime was reached."""
    n_frames: int
    candidates: list[Candidate]
    """Most uncertain frames, in order of time."""
    evaluation_step: np.ndarray
    """Steps of the evaluations of the committee, (n_evaluations,), as their uncertainties and temperatures."""
    uncertainty_eV_per_angstrom: np.ndarray
    evaluation_temperature_K: np.ndarray
    volume_angstrom3: np.ndarray
    """Volumes of the cell at the evaluations, as the normal stress; empty at constant volume."""
    normal_stress_GPa: np.ndarray
    """Stress along z with its kinetic part, tension positive."""
    start_relaxation: StartRelaxationDoc | None
    wall_time_s: float
    """Without work lost to kills."""
    evaluation: str
    """How forces were computed, see `run_segment`."""
    notes: list[str]
    """Problems that were recovered from, such as a damaged checkpoint."""


def run_segment(
    start: Atoms | Checkpoint,
    committee: Committee,
    dynamics: LangevinDynamics,
    n_steps: int,
    seed: int | None,
    folder: Path,
    monitor: UncertaintyMonitor | None = None,
    frame_interval_steps: int = 50,
    checkpoint_interval_steps: int = 1000,
    on_progress: Progress | None = None,
    *,
    relaxation: StartRelaxation | None = None,
    limits: RunLimits | None = None,
    equilibration_fs: float = 0.0,
    stop_requested: Callable[[], bool] | None = None,
    keep_force_std: bool = False,
    evaluation: str = EAGER,
) -> SegmentResult:
    """Advance a run by one segment, or resume one that was interrupted in the same folder.

    Parameters
    ----------
    start
        A structure, whose momenta are drawn with ``seed``, or the checkpoint of an earlier segment, whose momenta,
        random stream and step counter continue.
    committee
        Potentials; the first one drives the dynamics.
    n_steps
        Largest number of steps in this segment.
    folder
        Folder of this segment alone. If it has a checkpoint of this segment, the segment continues from it.
    frame_interval_steps, checkpoint_interval_steps
        Steps between frames and between checkpoints. The start of a new run is its first frame.
    on_progress
        Called after each evaluation with steps done, ``n_steps``, and a dictionary of ``step``, ``time_fs``,
        ``temperature_K`` and ``uncertainty_eV_per_angstrom``.
    relaxation
        Limits of the relaxation of a structure before the first step; the start of a continued run is never relaxed.
    limits, equilibration_fs
        Limits that end a broken run, checked at stored frames with an evaluation; the normal stress counts after
        ``equilibration_fs`` of the run.
    stop_requested
        Called after each evaluation; if it returns True, the segment writes a checkpoint and ends ("walltime").
    keep_force_std
        Whether to store the standard deviation of the committee for each atom of each frame.
    evaluation
        How the committee computes forces, eagerly or by a compiled graph; forces differ by rounding. A segment that was
        interrupted under another evaluation restarts.

    Raises
    ------
    DynamicsError
        If the start is not valid.
    InputError
        If the folder belongs to another segment.
    LockedError
        If another process uses the folder.
    """
    monitor = monitor or UncertaintyMonitor()
    if min(n_steps, frame_interval_steps, checkpoint_interval_steps) < 1:
        raise DynamicsError("n_steps, frame_interval_steps and checkpoint_interval_steps must be at least 1")
    if seed is None and not isinstance(start, Checkpoint):
        raise DynamicsError("a new run needs a seed for its momenta")
    settings = [dynamics.settings, monitor.model_dump(), n_steps, frame_interval_steps, keep_force_std]
    if relaxation is not None and isinstance(start, Atoms):
        settings.append(relaxation.model_dump())
    if limits is not None:
        settings.append([limits.model_dump(), equilibration_fs])
    identity = segment_identity(start, seed if isinstance(start, Atoms) else None, *settings)
    with exclusive_folder(folder, "segment.lock", wait=False):
        state, notes = _resume(folder, identity, monitor, evaluation)
        if isinstance(state, SegmentResult):
            return state
        fresh = state is None
        if state is None:
            state = SegmentState.begin(start, dynamics, monitor, seed, folder, identity, keep_force_std, evaluation)
        state.atoms.calc = committee.dynamics_calculator
        if fresh and relaxation is not None and isinstance(start, Atoms):
            state.metadata["start_relaxation"] = relax_start(state.atoms, relaxation).model_dump()
        if fresh and limits is not None and "reference" not in state.metadata:
            state.metadata["reference"] = limits.reference(state.atoms).model_dump()
        if fresh and limits is not None and isinstance(start, Checkpoint):
            first_step = equilibration_fs / dynamics.timestep_fs
            state.metadata["earlier_stresses_GPa"] = last_stresses_GPa(start.metadata, start.records, first_step)
        plan = SegmentPlan(
            committee,
            dynamics,
            monitor,
            state.first_step + n_steps,
            frame_interval_steps,
            checkpoint_interval_steps,
            on_progress,
            stop_requested,
            limits,
            equilibration_fs,
        )
        ending = evaluate_start(state, plan, is_structure=isinstance(start, Atoms)) if fresh else None
        if ending is None:
            if fresh:
                state.save()
            ending = advance(state, plan)
        if ending["stop_reason"] in BROKEN:
            return _result(state.end_at_last_checkpoint(ending), notes)
        if ending["stop_reason"] == "walltime":
            return _result(state.save(), notes, ending)
        return _result(state.save(ending), notes)


def recorded_evaluation(folder: Path) -> str | None:
    """Return how the forces of an interrupted segment were computed; None if there is no intact checkpoint."""
    for path in checkpoint_paths(folder):
        with contextlib.suppress(StorageError):
            return read_checkpoint(path).metadata.get("evaluation", EAGER)
    return None


def _resume(
    folder: Path, identity: str, monitor: UncertaintyMonitor, evaluation: str
) -> tuple[SegmentState | SegmentResult | None, list[str]]:
    """Return the state of an interrupted segment, the result of an ended one, or None for a new one."""
    try:
        latest = read_latest_checkpoint(folder, identity)
        if latest is None:
            return None, []
        checkpoint, path, notes = latest
        if checkpoint.metadata["ended"]:
            return _result(path, notes), notes
        before = checkpoint.metadata.get("evaluation", EAGER)
        if before != evaluation:
            return None, [*notes, f"restarted: it began with {before} potentials, and continues with {evaluation} ones"]
        return SegmentState.resume(checkpoint, folder, monitor), notes
    except StorageError as error:
        # a segment is determined by its start, so running it again gives the same frames
        return None, [f"restarted: {error}"]


def _result(path: Path, notes: list[str], interruption: EndRecord | None = None) -> SegmentResult:
    """Return the result from the last checkpoint; pack the trajectory of an ended segment."""
    folder, checkpoint = path.parent, read_checkpoint(path)
    ending = interruption or checkpoint.metadata["ended"]
    assert ending is not None
    trajectory = folder / "trajectory"
    if interruption is None:
        packed = folder / "trajectory.zarr.zip"
        if not packed.exists():
            pack(trajectory, packed)
        check_frames(packed, checkpoint.n_frames, checkpoint.metadata.get("trajectory_sha256"))
        shutil.rmtree(trajectory, ignore_errors=True)
        trajectory = packed
    candidates = {int(step): value for step, value in checkpoint.metadata["candidates"].items()}
    first_step = int(checkpoint.metadata["first_step"])
    relaxed = checkpoint.metadata.get("start_relaxation")
    return SegmentResult(
        stop_reason=ending["stop_reason"],
        detail=ending["detail"],
        first_step=first_step,
        stop_step=ending["stop_step"],
        n_steps_done=ending["stop_step"] - first_step,
        last_good_checkpoint=path,
        final_checkpoint=None if ending["stop_reason"] in BROKEN else path,
        trajectory=trajectory,
        n_frames=checkpoint.n_frames,
        candidates=CandidateFolder(folder / "candidates", len(candidates), 1, candidates).load(),
        evaluation_step=checkpoint.records["step"],
        uncertainty_eV_per_angstrom=checkpoint.records["uncertainty_eV_per_angstrom"],
        evaluation_temperature_K=checkpoint.records["temperature_K"],
        volume_angstrom3=checkpoint.records.get("volume_angstrom3", np.empty(0)),
        normal_stress_GPa=checkpoint.records.get("normal_stress_GPa", np.empty(0)),
        start_relaxation=None if relaxed is None else StartRelaxationDoc(**relaxed),
        wall_time_s=float(checkpoint.metadata["wall_time_s"]),
        evaluation=checkpoint.metadata.get("evaluation", EAGER),
        notes=notes,
    )
