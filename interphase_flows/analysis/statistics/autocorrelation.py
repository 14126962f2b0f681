"""Statistical inefficiency of correlated series: the number of frames per independent sample."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from interphase_flows.analysis.array_types import FloatArray

N_CORRECTIONS = 2
"""More corrections amplify correlations that are long by chance."""
LARGEST_SHARE_FITTED_AWAY = 0.5


def statistical_inefficiency(noise: FloatArray, n_fitted: int = 1) -> float:
    """Return g of one series, at least 1; see `statistical_inefficiencies`."""
    return float(statistical_inefficiencies(np.asarray(noise, dtype=float)[:, None], n_fitted)[0])


def statistical_inefficiencies(noise: FloatArray, n_fitted: int = 1) -> FloatArray:
    """Return the statistical inefficiency g of every column, at least 1.

    g = 1 + 2 sum over lags of the autocorrelation, by the initial monotone sequence of Geyer, Statist. Sci. 7, 473
    (1992): pairs of neighbouring lags are summed while they are positive and do not increase. A fit of `n_fitted`
    parameters lowers the covariance at every lag by n_fitted g sigma² / n, which is corrected.

    Parameters
    ----------
    noise
        (n_frames, n_series).
    n_fitted
        Number of parameters that were fitted to each series.
    """
    noise = np.asarray(noise, dtype=float) - np.mean(noise, axis=0)
    n = len(noise)
    if n < 4:
        return np.ones(noise.shape[1])
    spectrum = rfft(noise, next_fast_len(2 * n, real=True), axis=0)
    covariance = irfft(np.abs(spectrum) ** 2, next_fast_len(2 * n, real=True), axis=0)[:n] / n
    varies = covariance[0] > 1e-300
    raw = covariance / np.where(varies, covariance[0], 1.0)
    g = np.ones(noise.shape[1])
    for _ in range(N_CORRECTIONS):
        lost = np.minimum(n_fitted * g / n, LARGEST_SHARE_FITTED_AWAY)
        correlation = raw * (1 - lost) + lost
        pairs = correlation[: n // 2 * 2].reshape(n // 2, 2, -1).sum(axis=1)
        ended = np.logical_or.accumulate(pairs <= 2 * lost, axis=0)
        positive = np.where(ended, 0.0, np.minimum.accumulate(pairs, axis=0))
        g = np.maximum(1.0, 2 * positive.sum(axis=0) - 1.0)
    return np.where(varies, g, 1.0)
