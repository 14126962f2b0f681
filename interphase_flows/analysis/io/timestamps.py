"""Times of frames: from step numbers and a time step, from a constant interval, or from the file."""

from pathlib import Path

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.exceptions import AnalysisError

SHORTEST_STEP_FS, LONGEST_STEP_FS = 0.01, 20.0
"""Plausible time steps of molecular dynamics; a step in ps given as fs is outside this range."""
RELATIVE_TOLERANCE = 1e-3


def times_of_steps(steps: IntArray, time_step_fs: float | None, path: Path) -> FloatArray:
    """Return the time of each frame in fs from its step number.

    Raises AnalysisError if the time step is missing or implausible.
    """
    if time_step_fs is None:
        raise AnalysisError(
            f"{path}: the file counts steps and has no time step. Hint: pass time_step_fs (--time-step-fs), in fs; "
            "LAMMPS' metal units count in ps, so that `timestep 0.001` is 1.0 fs."
        )
    if not SHORTEST_STEP_FS <= time_step_fs <= LONGEST_STEP_FS:
        raise AnalysisError(
            f"{path}: time_step_fs = {time_step_fs} is not a time step of molecular dynamics "
            f"({SHORTEST_STEP_FS} to {LONGEST_STEP_FS:g} fs). Hint: give the time of one step in fs, not in ps, and not "
            "the time between two frames."
        )
    return np.asarray(steps * float(time_step_fs), dtype=float)


def times_of_frames(n_frames: int, frame_interval_fs: float | None, path: Path) -> FloatArray:
    """Return the time of each frame in fs from a constant time between frames.

    Raises AnalysisError if the time between frames is missing or not positive.
    """
    if frame_interval_fs is None:
        raise AnalysisError(
            f"{path}: the file contains no times. Hint: pass frame_interval_fs (--frame-interval-fs), the time between "
            "two frames in fs (VASP: POTIM times NBLOCK)."
        )
    if not frame_interval_fs >= SHORTEST_STEP_FS or not np.isfinite(frame_interval_fs):
        raise AnalysisError(
            f"{path}: frame_interval_fs = {frame_interval_fs} is not a time between frames. Hint: give it in fs."
        )
    return np.arange(n_frames, dtype=np.float64) * float(frame_interval_fs)


def check_times(
    time_fs: FloatArray,
    steps: IntArray | None,
    time_step_fs: float | None,
    frame_interval_fs: float | None,
    path: Path,
) -> None:
    """Raise AnalysisError if options of time differ from the times in the file, or it has no steps to compare with."""
    if time_step_fs is not None and steps is None:
        raise AnalysisError(
            f"{path}: time_step_fs = {time_step_fs} does not apply: the file has times but no steps. "
            "Hint: leave time_step_fs (--time-step-fs) out."
        )
    for name, given, intervals in (
        ("time_step_fs", time_step_fs, None if steps is None else np.diff(steps)),
        ("frame_interval_fs", frame_interval_fs, np.ones(len(time_fs) - 1)),
    ):
        if given is None or intervals is None or len(time_fs) < 2:
            continue
        stored = float(np.median(np.diff(time_fs) / np.maximum(intervals, 1)))
        if abs(stored - given) > RELATIVE_TOLERANCE * abs(stored):
            raise AnalysisError(
                f"{path}: {name} = {given:g} contradicts the file, which states {stored:g} fs. "
                f"Hint: leave {name} out, or correct the file."
            )
