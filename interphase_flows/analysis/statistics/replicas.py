"""Averages over replicas: independent runs that differ in their seed. One replica has no interval."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.exceptions import AnalysisError

LEAST_REPLICAS = 3
"""Minimum number of replicas for an error from their spread."""


def mean_over_replicas(values: Sequence[ArrayLike]) -> Estimate:
    """Return the mean of a quantity over replicas, with its interval by Student's t.

    Time series along the first axis are cut to the shortest.

    Parameters
    ----------
    values
        One number or array per replica, of equal shapes except along the first axis.

    Raises
    ------
    AnalysisError
        There is no replica, or the shapes do not match.
    """
    arrays = [np.asarray(value, dtype=float) for value in values]
    if not arrays:
        raise AnalysisError("no replica to average over")
    if len({array.shape[1:] for array in arrays}) > 1 or len({array.ndim for array in arrays}) > 1:
        raise AnalysisError(
            f"replicas of different shapes {[array.shape for array in arrays]}. Hint: analyse all with the same settings"
        )
    if arrays[0].ndim:
        shortest = min(len(array) for array in arrays)
        arrays = [array[:shortest] for array in arrays]
    stacked = np.stack(arrays)
    n = len(stacked)
    mean = stacked.mean(axis=0)[()]
    if n < 2:
        return Estimate(mean, *(np.full(np.shape(mean), np.nan)[()],) * 2, n_independent=n)
    error = stacked.std(axis=0, ddof=1)[()] / np.sqrt(n)
    half = float(student.ppf(0.5 + CONFIDENCE / 2, n - 1)) * error
    return Estimate(mean, mean - half, mean + half, n_independent=n, standard_error=error)


def between_replicas(values: ArrayLike) -> Estimate:
    """Return the mean of a number over replicas, (n_replicas,), with its interval by Student's t."""
    found = mean_over_replicas(list(np.asarray(values, dtype=float)))
    value, lower, upper, error = (float(x) for x in (found.value, found.lower, found.upper, found.standard_error))
    return Estimate(value, lower, upper, n_independent=found.n_independent, standard_error=error)
