"""Times of frames: from step numbers and a time step, from a constant interval, or from the file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.exceptions import AnalysisError

SHORTEST_STEP_FS, LONGEST_STEP_FS = 0.01, 20.0
"""Plausible time steps of molecular dynamics; a step in ps given as fs is outside this range."""
LONGEST_TIME_FS = 1e12
"""One millisecond; longer times are damaged numbers."""
RELATIVE_TOLERANCE = 1e-3
FS_PER_UNKNOWN_UNIT = {"fs": 1.0, "ps": 1000.0, "ns": 1e6, "ASE's unit": 10.180505}
"""Units that a time without a unit may have."""


class TimeOptions(Protocol):
    """Options of time; see `open_trajectory`."""

    @property
    def time_step_fs(self) -> float | None:
        """Time of one step in fs."""

    @property
    def frame_interval_fs(self) -> float | None:
        """Time between two frames in fs."""


def times_of_steps(steps: FloatArray | IntArray, time_step_fs: float | None, path: Path) -> FloatArray:
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
    steps: FloatArray | IntArray | None,
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


def check_increasing(time_fs: FloatArray, path: Path) -> None:
    """Raise AnalysisError unless times are finite and increase."""
    if not np.isfinite(time_fs).all() or np.abs(time_fs).max(initial=0.0) > LONGEST_TIME_FS:
        frame = int(np.argmax(~(np.abs(time_fs) <= LONGEST_TIME_FS)))
        raise AnalysisError(
            f"{path}: frame {frame}: the time {time_fs[frame]:g} fs is not a time of molecular dynamics: the number is "
            "damaged. Hint: correct or remove this frame."
        )
    if (np.diff(time_fs) <= 0).any():
        frame = int(np.flatnonzero(np.diff(time_fs) <= 0)[0]) + 1
        raise AnalysisError(
            f"{path}: frame {frame}: the time does not increase, from {time_fs[frame - 1]:g} to {time_fs[frame]:g} fs. "
            "Hint: split the file there, or remove repeated frames."
        )


def check_unitless_times(
    unitless: Sequence[float | None], time_fs: FloatArray, steps: FloatArray | None, path: Path
) -> None:
    """Compare the times of frames with times in the file whose unit is unknown.

    They must be proportional to each other, with the factor of a usual unit, unless they only repeat the step numbers or
    count frames. Raises AnalysisError otherwise: the time
    step changes in the run, or an option is wrong.
    """
    known = [k for k, value in enumerate(unitless) if value is not None]
    stated = np.array([value for value in unitless if value is not None])
    if len(known) < 2 or np.ptp(stated) == 0:
        return
    derived = np.asarray(time_fs, dtype=float)[known]
    rounding = 1e-5 * np.abs(stated).max()
    spans = np.diff(stated), np.diff(derived)
    total = (stated[-1] - stated[0]) / (derived[-1] - derived[0])
    tolerance = 0.01 * np.abs(total) * spans[1] + 2 * rounding
    if (np.abs(spans[0] - total * spans[1]) > tolerance).any():
        by = "steps times a constant" if steps is not None else "the number of intervals times a constant"
        raise AnalysisError(
            f"{path}: the times in the file are not {by}: the time step changes during the run (LAMMPS: fix "
            "dt/reset), or frames are missing, and the unit of these times is not stated. Hint: add the unit: for "
            "LAMMPS, ITEM: UNITS (dump_modify units yes); for extended XYZ, write time_fs or time_ps."
        )
    counters = np.diff(np.asarray(steps, dtype=float)[known]) if steps is not None else np.ones(len(spans[0]))
    if np.array_equal(spans[0], counters):
        return
    allowed = 2 * rounding / (derived[-1] - derived[0]) + RELATIVE_TOLERANCE * abs(total)
    if all(abs(total - 1.0 / factor) > allowed for factor in FS_PER_UNKNOWN_UNIT.values()):
        per_frame = float(np.median(spans[0]))
        raise AnalysisError(
            f"{path}: the file states {per_frame:g} (in an unknown unit) as the time between two frames, the options "
            f"{float(np.median(spans[1])):g} fs, which agree in none of {', '.join(FS_PER_UNKNOWN_UNIT)}. Hint: correct "
            "the time step or the time between frames, or the times in the file."
        )
