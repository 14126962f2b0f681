"""How many independent samples a correlated series is worth."""

import numpy as np
from scipy.signal import correlate

from interphase_flows.analysis.frames import FloatArray

N_CORRECTIONS = 5
LARGEST_SHARE_FITTED_AWAY = 0.5


def statistical_inefficiency(noise: FloatArray, n_fitted: int = 1) -> float:
    """Return g, the number of frames that are worth one independent sample, at least 1.

    g = 1 + 2 sum over lags of the autocorrelation, summed as long as pairs of neighbouring lags are positive
    and do not rise: the initial monotone sequence of Geyer, Statist. Sci. 7, 473 (1992). A fit of `n_fitted`
    parameters lowers the covariance at every lag by the same n_fitted g sigma² / n, which is put back.
    """
    noise = np.asarray(noise, dtype=float) - np.mean(noise)
    n = len(noise)
    covariance = correlate(noise, noise, method="fft")[n - 1 :] / n
    if n < 4 or covariance[0] <= 1e-300:
        return 1.0
    raw = covariance / covariance[0]
    g = 1.0
    for _ in range(N_CORRECTIONS):
        lost = min(n_fitted * g / n, LARGEST_SHARE_FITTED_AWAY)
        correlation = raw * (1 - lost) + lost
        pairs = correlation[: n // 2 * 2].reshape(-1, 2).sum(axis=1)
        negative = np.flatnonzero(pairs <= 2 * lost)
        positive = np.minimum.accumulate(pairs[: negative[0] if len(negative) else len(pairs)])
        g = max(1.0, float(2 * positive.sum() - 1.0))
    return g
