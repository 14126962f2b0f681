"""Labels of stored frames: steps and times. Repeated frames are left out, gaps reported, contradictions rejected."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.io.timestamps import (
    TimeOptions,
    check_times,
    check_unitless_times,
    times_of_frames,
    times_of_steps,
)
from interphase_flows.exceptions import AnalysisError

SAME_FRAME_ANGSTROM = 2e-3
"""Two frames of the same step are equal if no atom differs by more: writers round to 1e-4 of a cell of 10 Å."""
GAP = 1.5
"""A gap is longer than this number of usual intervals."""
REGULAR = 0.8
"""Fraction of equal intervals above which longer ones are gaps, rather than a logarithmic spacing."""
MOST_SINGLE_REPORTS = 3


@dataclass
class FrameLabels:
    """Steps and times that a file states for its frames, one entry per stored frame; None if a frame has none."""

    step_name: str = "step"
    time_name: str = "time_fs"
    restarts: bool = False
    """Whether a continued run counts from its first number again, as VASP does."""
    steps: list[float | None] = field(default_factory=list)
    times_fs: list[float | None] = field(default_factory=list)
    unitless_times: list[float | None] = field(default_factory=list)
    """Times in a unit that the file does not state."""

    def add(self, step: float | None = None, time_fs: float | None = None, unitless_time: float | None = None) -> None:
        """Add the labels of the next frame."""
        self.steps.append(step)
        self.times_fs.append(time_fs)
        self.unitless_times.append(unitless_time)


class SelectedFrames(NamedTuple):
    """Stored frames without repeated ones, and their times in fs."""

    stored: list[int]
    time_fs: FloatArray


@dataclass
class _Selection:
    stored: list[int]
    values: list[float]
    repeated: list[int] = field(default_factory=list)
    continued: list[int] = field(default_factory=list)


def select_frames(
    labels: FrameLabels,
    options: TimeOptions,
    *,
    path: Path,
    displacement_angstrom: Callable[[int, int], float],
    is_identical: Callable[[int, int], bool],
    repairs: list[str],
) -> SelectedFrames:
    """Return the frames of a file without repeated ones, with their times.

    A frame is repeated if it has the step or time of the one before and the same positions, or, without steps and times,
    if it is identical to it. `repairs` is extended.

    Raises
    ------
    AnalysisError
        Steps or times decrease, stay equal although atoms move, contradict each other or the options, or are missing.
    """
    n_stored = len(labels.steps)
    steps = _complete(labels.steps, labels.step_name, path)
    times_fs = _complete(labels.times_fs, labels.time_name, path)
    if times_fs is not None:
        chosen = _select_by_value(times_fs, labels.time_name, False, path, displacement_angstrom)
    elif steps is not None:
        chosen = _select_by_value(steps, labels.step_name, labels.restarts, path, displacement_angstrom)
    else:
        chosen = _Selection([0], [0.0])
        for frame in range(1, n_stored):
            _keep_or_repeat(chosen, frame, is_identical(chosen.stored[-1], frame), float(frame))
    kept = chosen.stored
    step_numbers = None if steps is None else np.array([steps[frame] for frame in kept])
    if times_fs is not None:
        time_fs = np.array(chosen.values)
        check_times(time_fs, step_numbers, options.time_step_fs, options.frame_interval_fs, path)
    elif steps is not None and (options.time_step_fs is not None or options.frame_interval_fs is None):
        if labels.restarts:
            times_of_frames(len(kept), None, path)  # raises: steps of VASP are counted, but have no length
        time_fs = times_of_steps(np.array(chosen.values), options.time_step_fs, path)
        check_times(time_fs, None, None, options.frame_interval_fs, path)
    elif steps is not None:
        values = np.array(chosen.values)
        interval = float(times_of_frames(2, options.frame_interval_fs, path)[1])
        time_fs = interval * (values - values[0]) / _usual_interval(values)
    else:
        if options.time_step_fs is not None:
            raise AnalysisError(
                f"{path}: time_step_fs = {options.time_step_fs} does not apply: the file has no steps. Hint: pass "
                "frame_interval_fs (--frame-interval-fs) instead."
            )
        time_fs = times_of_frames(len(kept), options.frame_interval_fs, path)
    unitless = [labels.unitless_times[frame] for frame in kept]
    check_unitless_times(unitless, time_fs, step_numbers, path)
    _report(chosen, labels, time_fs, repairs, has_labels=times_fs is not None or steps is not None)
    return SelectedFrames(kept, time_fs)


def _complete(values: list[float | None], name: str, path: Path) -> list[float] | None:
    """Return a label of all frames, None if no frame has it; raise AnalysisError if only some have it."""
    found = [value for value in values if value is not None]
    if not found:
        return None
    if len(found) < len(values):
        missing = values.index(None)
        raise AnalysisError(
            f"{path}: frame {missing} has no {name}, {len(found)} of {len(values)} frames have one. Hint: write it into "
            "every frame, or remove it."
        )
    return found


def _keep_or_repeat(chosen: _Selection, frame: int, is_repeated: bool, value: float) -> None:
    if is_repeated:
        chosen.repeated.append(frame)
    else:
        chosen.stored.append(frame)
        chosen.values.append(value)


def _select_by_value(
    values: list[float], name: str, restarts: bool, path: Path, displacement_angstrom: Callable[[int, int], float]
) -> _Selection:
    """Keep frames of increasing steps or times, and leave out repeated ones."""
    chosen = _Selection([0], [values[0]])
    first = values[0]
    offset = 0.0
    for frame in range(1, len(values)):
        last, value = chosen.values[-1], values[frame] + offset
        if value < last and restarts and _is_first_number(values[frame], first, chosen.values):
            repeats = displacement_angstrom(chosen.stored[-1], frame) <= SAME_FRAME_ANGSTROM
            offset = last + (0.0 if repeats else _usual_interval(np.array(chosen.values))) - values[frame]
            value = values[frame] + offset
            chosen.continued.append(frame)
        if value < last:
            raise AnalysisError(
                f"{path}: frame {frame}: {name} decreases from {last:g} to {value:g}: two runs in one file, files "
                "joined in another order than that of their steps, or a restart from an earlier step. Hint: join "
                "files of one run in the order of their steps (or pass their folder); split two runs; remove the "
                "frames before a restart that it wrote again."
            )
        if value == last:
            moved = displacement_angstrom(chosen.stored[-1], frame)
            if moved > SAME_FRAME_ANGSTROM:
                raise AnalysisError(
                    f"{path}: frames {chosen.stored[-1]} and {frame} have the same {name}, {value:g}, but atoms move "
                    f"by up to {moved:.3g} Å between them, so their times are unknown. Hint: write the frames with "
                    "their steps or times, or without any."
                )
        _keep_or_repeat(chosen, frame, value == last, value)
    return chosen


def _is_first_number(value: float, first: float, increasing: Sequence[float]) -> bool:
    """Return whether a run begins with a number: 1, or the interval between its configurations (NBLOCK)."""
    return value == min(first, 1) or value == first <= _usual_interval(np.array(increasing))


def _usual_interval(values: FloatArray) -> float:
    """Return the most frequent difference of increasing values, 1 for a single value."""
    if len(values) < 2:
        return 1.0
    return float(Counter(np.round(np.diff(values), 9).tolist()).most_common(1)[0][0])


def _report(chosen: _Selection, labels: FrameLabels, time_fs: FloatArray, repairs: list[str], has_labels: bool) -> None:
    name = labels.time_name if any(time is not None for time in labels.times_fs) else labels.step_name
    repairs += [
        f"the {name} starts again at frame {frame}: read as the continuation of the run" for frame in chosen.continued
    ]
    messages = [
        f"a repeated frame after frame {frame - 1} was left out" + ("" if has_labels else " (identical positions)")
        for frame in chosen.repeated
    ]
    if len(messages) > MOST_SINGLE_REPORTS:
        messages = [f"{len(messages)} repeated frames were left out, the first after frame {chosen.repeated[0] - 1}"]
    repairs += messages
    intervals = np.diff(time_fs)
    if not has_labels or len(intervals) < 3:
        return
    usual = _usual_interval(time_fs)
    if np.mean(np.abs(intervals - usual) <= 1e-6 * usual) < REGULAR:
        return
    gaps = np.flatnonzero(intervals > GAP * usual)
    if len(gaps):
        first = int(gaps[0])
        others = "" if len(gaps) == 1 else f", and {len(gaps) - 1} more"
        repairs.append(
            f"frames are missing: a gap of {intervals[first] / usual:g} intervals ({usual:g} fs) after frame "
            f"{chosen.stored[first]}{others}; times are those of the {name}"
        )


def labels_of(keys: Mapping[str, Any], frame: int, path: Path) -> dict[str, float | None]:
    """Return the step and times among the keys of a frame, as arguments of `FrameLabels.add`.

    Raises AnalysisError if one of them is not a number.
    """
    found: dict[str, float | None] = {}
    lower = {str(key).lower(): key for key in keys}
    for name, factor, target in (
        ("time_fs", 1.0, "time_fs"),
        ("time_ps", 1000.0, "time_fs"),
        ("time", 1.0, "unitless_time"),
        ("timestep", 1.0, "step"),
        ("step", 1.0, "step"),
        ("md_step", 1.0, "step"),
    ):
        if name not in lower or target in found:
            continue
        key = lower[name]
        try:
            value = factor * float(keys[key])
        except (TypeError, ValueError) as error:
            raise AnalysisError(f"{path}: frame {frame}: {key}={str(keys[key])[:40]} is not a number") from error
        if not np.isfinite(value):
            raise AnalysisError(f"{path}: frame {frame}: {key}={value} is not finite")
        found[target] = value
    return found
