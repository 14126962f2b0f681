"""Results of the analysis of one interface trajectory."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.passivation.history import InterphaseHistory
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings
from interphase_flows.analysis.results import Result, Unavailable

R = TypeVar("R", bound=Result)

LEAST_LENGTH = 0.9
"""Length of a run that is averaged with others, relative to the longest one of its temperature."""


class TrajectorySummary(Result):
    """Size and length of the analysed trajectory."""

    n_frames: int
    n_atoms: int
    elements: list[str]
    length_ps: float
    temperature_K: float | None = None
    """Temperature for which transport was evaluated; None in documents of earlier versions."""


@dataclass(frozen=True)
class InterfaceAnalysis:
    """Results of the analysis of one trajectory."""

    trajectory: TrajectorySummary
    settings: InterfaceAnalysisSettings
    parts: Mapping[str, Result | Unavailable]
    """Result of every requested part, or why it is unavailable."""
    arrays: Mapping[str, FloatArray]
    """Series and maps by name, ``side.quantity`` or ``part.quantity``."""
    histories: Mapping[str, InterphaseHistory]
    """History of each interface, for the verdict over replicas."""

    def result(self, name: str, kind: type[R]) -> R | Unavailable:
        """Return the result of a requested part; raise TypeError if it is of another type."""
        found = self.parts[name]
        if not isinstance(found, kind | Unavailable):
            raise TypeError(f"the part {name} has a {type(found).__name__}, not a {kind.__name__}")
        return found


def runs_to_average(trajectories: Mapping[str, TrajectorySummary], temperature_K: float) -> list[str]:
    """Return the runs that are replicas of each other, which have one temperature and one length.

    They are those at ``temperature_K``; if there is none, those at the most common temperature, the lowest of equally
    common ones. A run shorter than `LEAST_LENGTH` of the longest of them, such as one that broke, is left out: its end
    is another time, and series of all runs would be cut to its length. Other runs are measured one by one.

    Parameters
    ----------
    trajectories
        Summary of each run; those without a temperature have that of the analysis.
    temperature_K
        Temperature of the analysis.
    """
    known_K = {
        run: temperature_K if each.temperature_K is None else each.temperature_K for run, each in trajectories.items()
    }
    counts = Counter(known_K.values())
    chosen_K = min(counts, key=lambda each: (each != temperature_K, -counts[each], each), default=temperature_K)
    lengths_ps = {run: trajectories[run].length_ps for run, each in known_K.items() if each == chosen_K}
    least_ps = LEAST_LENGTH * max(lengths_ps.values(), default=0.0)
    return [run for run, length_ps in lengths_ps.items() if length_ps >= least_ps]
