"""Depletion of a side of the interface, which ends growth without passivation.

A reservoir is exhausted from the first time at which the running median of the remaining amount is below a given
fraction (10 % by default) of the initial amount. The median is over 2 % of the series, which removes outliers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import median_filter

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.exceptions import AnalysisError

LEAST_SHARE = 0.1
SHARE_OF_THE_MEDIAN = 0.02
LEAST_MEDIAN_FRAMES = 3


@dataclass(frozen=True)
class Depletion:
    """Reservoir that is exhausted first."""

    reservoir: str
    time_ps: float
    remaining_share: float
    """Fraction of the initial amount that is left at the end of the series."""


def median_frames(n_frames: int) -> int:
    """Return the number of frames of the running median of a series."""
    return max(LEAST_MEDIAN_FRAMES, round(SHARE_OF_THE_MEDIAN * n_frames)) | 1


def require_series(name: str, time_ps: ArrayLike, values: ArrayLike) -> None:
    """Raise AnalysisError unless there is one finite number per frame."""
    if np.shape(values) != np.shape(time_ps):
        raise AnalysisError(f"{name}: {np.shape(values)} values, {np.shape(time_ps)} times; one per frame is required")
    if n_missing := int((~np.isfinite(np.asarray(values, dtype=float))).sum()):
        raise AnalysisError(f"{name}: unknown in {n_missing} of {np.size(values)} frames")


def find_depletion(
    time_ps: FloatArray, reservoirs: Mapping[str, ArrayLike], *, least_share: float = LEAST_SHARE
) -> Depletion | None:
    """Return the first reservoir that is exhausted, or None.

    Parameters
    ----------
    time_ps
        Times in ps, (n_frames,).
    reservoirs
        Remaining amount of each side: unreacted thickness in Å or unreacted atoms, (n_frames,) each.
    least_share
        Fraction of the initial amount below which a reservoir is exhausted.

    Raises
    ------
    AnalysisError
        A series and the times differ in length, or the series is not finite or begins with zero.
    """
    found: list[Depletion] = []
    window = median_frames(len(time_ps))
    for name, remaining in reservoirs.items():
        left = np.asarray(remaining, dtype=float)
        require_series(f"reservoir {name}", time_ps, left)
        smooth = median_filter(left, window, mode="mirror")  # counts the first and the last frame once
        if smooth[0] <= 0:
            raise AnalysisError(f"reservoir {name} is empty in the first frames. Hint: check the series")
        below = np.flatnonzero(smooth < least_share * smooth[0])
        if len(below):
            found.append(Depletion(name, float(time_ps[below[0]]), float(smooth[-1] / smooth[0])))
    return min(found, key=lambda each: each.time_ps, default=None)
