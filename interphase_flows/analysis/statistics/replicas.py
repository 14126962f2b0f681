"""What replicas agree on: mean, standard error and range of the same quantity in several runs.

Frames of one run are correlated, so their scatter is no error; runs that differ by their seed are
independent. One run therefore has a mean and no error at all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class ReplicaBand:
    """One quantity over replicas; the arrays have the quantity's own shape."""

    mean: FloatArray
    standard_error: FloatArray
    """Sample standard deviation / sqrt(n); nan for one replica, which has no interval."""
    minimum: FloatArray
    maximum: FloatArray
    n_replicas: int


def over_replicas(values: Sequence[ArrayLike]) -> ReplicaBand:
    """Reduce the same quantity of several replicas.

    Time series may differ in length (a replica may have stopped early); along their first axis they are cut
    to the shortest, so that every point averages over the same replicas.

    Parameters
    ----------
    values
        One number or array per replica, the same shape but for the length of the first axis.

    Raises
    ------
    AnalysisError
        There is no replica, or the shapes do not match.
    """
    arrays = [np.asarray(value, dtype=float) for value in values]
    if not arrays:
        raise AnalysisError("no replica to average over; pass the values of at least one finished run")
    if len({array.shape[1:] for array in arrays}) > 1 or len({array.ndim for array in arrays}) > 1:
        raise AnalysisError(
            f"replicas of different shapes {[array.shape for array in arrays]}; analyse all with the same "
            "settings"
        )
    if arrays[0].ndim:
        shortest = min(len(array) for array in arrays)
        arrays = [array[:shortest] for array in arrays]
    stacked = np.stack(arrays)
    n = len(stacked)
    mean = stacked.mean(axis=0)
    error = stacked.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full_like(mean, np.nan)
    return ReplicaBand(mean, np.asarray(error), stacked.min(axis=0), stacked.max(axis=0), n)


LEAST_REPLICAS = 3


def between_replicas(values: ArrayLike) -> Estimate:
    """Return the mean of a number over replicas with its interval by Student's t, (n_replicas,)."""
    numbers = np.asarray(values, dtype=float)
    n = len(numbers)
    mean = float(numbers.mean())
    if n < 2:
        return Estimate(mean, math.nan, math.nan)
    half = float(student.ppf(0.5 + CONFIDENCE / 2, n - 1) * numbers.std(ddof=1) / math.sqrt(n))
    return Estimate(mean, mean - half, mean + half)
