"""When each frame was: steps times a time step, or what the file says."""

from pathlib import Path

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.exceptions import AnalysisError

SHORTEST_STEP_FS, LONGEST_STEP_FS = 0.01, 20.0
"""Between these a step of molecular dynamics is believed: a step in ps given as fs is not."""
RELATIVE_TOLERANCE = 1e-3


def times_of_steps(steps: IntArray, time_step_fs: float | None, path: Path) -> FloatArray:
    """Return the time of each frame in fs from the number of its step.

    Raises
    ------
    AnalysisError
        The time step is missing, or none of molecular dynamics.
    """
    if time_step_fs is None:
        raise AnalysisError(
            f"{path} counts steps and does not say how long one is; pass time_step_fs, in fs (LAMMPS' metal units "
            "count in ps: timestep 0.001 is time_step_fs=1.0)"
        )
    if not SHORTEST_STEP_FS <= time_step_fs <= LONGEST_STEP_FS:
        raise AnalysisError(
            f"{path}: time_step_fs = {time_step_fs} is no step of molecular dynamics; give the time of one step in "
            "fs, not in ps, and not the time between two frames"
        )
    return np.asarray(steps * float(time_step_fs), dtype=float)


def times_of_frames(n_frames: int, frame_interval_fs: float | None, path: Path) -> FloatArray:
    """Return the time of each frame in fs from a constant time between frames.

    Raises
    ------
    AnalysisError
        The time between frames is missing or not positive.
    """
    if frame_interval_fs is None:
        raise AnalysisError(
            f"{path} does not say when its frames were; pass frame_interval_fs, the time between two frames in fs "
            "(VASP: POTIM times NBLOCK)"
        )
    if not frame_interval_fs >= SHORTEST_STEP_FS or not np.isfinite(frame_interval_fs):
        raise AnalysisError(
            f"{path}: frame_interval_fs = {frame_interval_fs} is no time between frames; give it in fs"
        )
    return np.arange(n_frames, dtype=np.float64) * float(frame_interval_fs)


def increasing(steps: list[float], new: float, *, path: Path, frame: int, word: str) -> bool:
    """Return whether a frame is new: False for one that repeats the step of the last, as restarts write.

    Raises
    ------
    AnalysisError
        Time goes back.
    """
    if not steps or new > steps[-1]:
        return True
    if new == steps[-1]:
        return False
    raise AnalysisError(
        f"{path}: {word} goes back from {steps[-1]:g} to {new:g} at frame {frame}: two runs in one file, or one that "
        "was repeated from an older restart; split the file there and leave out what is there twice"
    )


def agrees_with_file(
    time_fs: FloatArray,
    steps: IntArray | None,
    *,
    time_step_fs: float | None,
    frame_interval_fs: float | None,
    path: Path,
) -> None:
    """Compare what the caller says of time with what the file says.

    Raises
    ------
    AnalysisError
        They differ, or the file cannot be asked.
    """
    if time_step_fs is not None and steps is None:
        raise AnalysisError(
            f"{path} has times and no steps, so time_step_fs = {time_step_fs} says nothing; leave it out"
        )
    for name, said, units in (
        ("time_step_fs", time_step_fs, None if steps is None else np.diff(steps)),
        ("frame_interval_fs", frame_interval_fs, np.ones(len(time_fs) - 1)),
    ):
        if said is None or units is None or len(time_fs) < 2:
            continue
        found = float(np.median(np.diff(time_fs) / np.maximum(units, 1)))
        if abs(found - said) > RELATIVE_TOLERANCE * abs(found):
            raise AnalysisError(
                f"{path} itself says {found:g} fs where {name} = {said:g}; leave {name} out, or mend the file"
            )
