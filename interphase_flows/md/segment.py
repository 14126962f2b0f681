"""One segment of molecular dynamics: from a structure or a checkpoint to a checkpoint.

N steps are k + (N - k) steps to the last bit, random numbers, frames and candidates included, whether a kill,
the walltime or the end of a segment comes between. Threads change the order of sums: keep their number fixed.
"""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from interphase_flows.exceptions import DynamicsError, StorageError
from interphase_flows.md.candidates import Candidate, CandidateFolder
from interphase_flows.md.checkpoint import Checkpoint, read_checkpoint, read_latest_checkpoint
from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.integration_loop import BROKEN, Ending, Plan, Progress, advance, look_at_start
from interphase_flows.md.segment_state import SegmentState, named_candidates, segment_identity
from interphase_flows.md.trajectory_writer import pack
from interphase_flows.md.uncertainty_monitor import Committee, CommitteeWatch, StopReason
from interphase_flows.runtime.file_locks import exclusive_folder

__all__ = ["BROKEN", "Progress", "SegmentResult", "run_segment"]


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
    watch_step, uncertainty_eV_per_angstrom, watch_temperature_K
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
    uncertainty_eV_per_angstrom: np.ndarray
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
        A structure (momenta are drawn from ``seed``), or the checkpoint an earlier segment left (its
        momenta, random stream and step counter go on).
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
        ``temperature_K`` and ``uncertainty_eV_per_angstrom``.
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
    with exclusive_folder(folder, "segment.lock", wait=False):
        state, notes = _take_up(folder, identity, watch)
        if isinstance(state, Path):
            return _result(state, notes)
        fresh = state is None
        if state is None:
            state = SegmentState.begin(start, dynamics, watch, seed, folder, identity, keep_force_std)
        state.atoms.calc = committee.dynamics_calculator
        plan = Plan(
            committee,
            dynamics,
            watch,
            state.first_step + n_steps,
            frame_interval_steps,
            checkpoint_interval_steps,
            on_progress,
            stop_requested,
        )
        ending = look_at_start(state, plan, is_structure=isinstance(start, Atoms)) if fresh else None
        if ending is None:
            if fresh:
                state.save()
            ending = advance(state, plan)
        if ending.stop_reason in BROKEN:
            return _result(state.end_at_last_checkpoint(asdict(ending)), notes)
        if ending.stop_reason == "walltime":
            return _result(state.save(), notes, ending)
        return _result(state.save(asdict(ending)), notes)


def _take_up(
    folder: Path, identity: str, watch: CommitteeWatch
) -> tuple[SegmentState | Path | None, list[str]]:
    """Return where this segment stands in its folder: in between, ended (a path), or not begun (None)."""
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


def _result(path: Path, notes: list[str], interruption: Ending | None = None) -> SegmentResult:
    """Put together what a segment left, from its last checkpoint; pack the trajectory if it has ended."""
    folder, checkpoint = path.parent, read_checkpoint(path)
    ending = interruption or Ending(**checkpoint.metadata["ended"])
    trajectory = folder / "trajectory"
    if interruption is None:
        packed = folder / "trajectory.zarr.zip"
        if not packed.exists():
            pack(trajectory, packed)
        shutil.rmtree(trajectory, ignore_errors=True)
        trajectory = packed
    named = named_candidates(checkpoint)
    temperatures_K = checkpoint.records["temperature_K"]
    watched = len(temperatures_K) > 0
    first_step = int(checkpoint.metadata["first_step"])
    n_steps_done = ending.stop_step - first_step
    return SegmentResult(
        stop_reason=ending.stop_reason,
        detail=ending.detail,
        first_step=first_step,
        stop_step=ending.stop_step,
        n_steps_done=n_steps_done,
        last_good_checkpoint=path,
        final_checkpoint=None if ending.stop_reason in BROKEN else path,
        trajectory=trajectory,
        n_frames=checkpoint.n_frames,
        candidates=CandidateFolder(folder / "candidates", len(named), 1, named).load(),
        watch_step=checkpoint.records["step"],
        uncertainty_eV_per_angstrom=checkpoint.records["uncertainty_eV_per_angstrom"],
        watch_temperature_K=temperatures_K,
        mean_temperature_K=float(temperatures_K.mean()) if watched else np.nan,
        std_temperature_K=float(temperatures_K.std()) if watched else np.nan,
        wall_time_s=float(checkpoint.metadata["wall_time_s"]),
        atom_steps=n_steps_done * len(checkpoint.numbers),
        notes=notes,
    )
