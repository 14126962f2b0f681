"""Onsager matrices as ln L_ii and correlations, which can be fitted and interpolated without losing positivity.

    L_ij = C_ij sqrt(L_ii L_jj),    C_ii = 1

L is symmetric and positive semidefinite exactly if C is. A mean of ln L_ii keeps L_ii positive, and a mean of correlation
matrices with positive weights is a correlation matrix; where linear extrapolation leaves that set, the nearest one is
taken. L_ij may have either sign and therefore has no logarithm.
"""

from dataclasses import dataclass

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.statistics.estimate import Estimate

MOST_LOG = 300.0
"""Limit of |ln L_ii|: errors that are extrapolated far may overflow."""
N_SAMPLES = 2000
"""Samples of the Monte Carlo that turns errors of the parts into intervals of L_ij."""


@dataclass(frozen=True)
class OnsagerParts:
    """ln L_ii, (n_species,), and C_ij, (n_species, n_species), with their standard errors, normal and independent."""

    log_diagonal: FloatArray
    """L_ii in 1/(eV Å ps)."""
    log_error: FloatArray
    correlation: FloatArray
    correlation_error: FloatArray
    """Zero on the diagonal."""

    @property
    def matrix(self) -> FloatArray:
        """L_ij, (n_species, n_species), symmetric and positive semidefinite."""
        return combined(self.log_diagonal, nearest_correlation(self.correlation))

    def drawn(self, frame: FloatArray | None = None, n_samples: int = N_SAMPLES, seed: int = 0) -> FloatArray:
        """Return matrices drawn from the errors of the parts, (n_samples, n_species, n_species).

        `frame`, (n_species of the result, n_species), is T of L' = T L T^T, for another reference frame.
        """
        random = np.random.default_rng(seed)
        n = len(self.log_diagonal)
        logs = self.log_diagonal + self.log_error * random.standard_normal((n_samples, n))
        noise = np.triu(random.standard_normal((n_samples, n, n)), 1)
        noise += noise.swapaxes(1, 2)
        drawn = combined(logs, nearest_correlation(self.correlation + self.correlation_error * noise))
        return drawn if frame is None else np.asarray(frame @ drawn @ frame.T)

    def estimate(self, confidence: float, frame: FloatArray | None = None) -> Estimate:
        """Return L_ij with intervals by Monte Carlo over the errors of the parts; `frame` as in `drawn`."""
        value = self.matrix if frame is None else frame @ self.matrix @ frame.T
        return estimate_of(value, self.drawn(frame), confidence)


def estimate_of(value: FloatArray, drawn: FloatArray, confidence: float) -> Estimate:
    """Return a quantity with the central interval of its samples, (n_samples, ...), extended to the value itself."""
    tail = 50.0 * (1.0 - confidence)
    lower, upper = np.percentile(drawn, [tail, 100.0 - tail], axis=0)
    lower, upper = np.minimum(lower, value), np.maximum(upper, value)
    return Estimate(value, lower, upper, confidence)


def combined(log_diagonal: FloatArray, correlation: FloatArray) -> FloatArray:
    """Return L_ij of ln L_ii, (..., n_species), and C_ij, (..., n_species, n_species)."""
    root = np.exp(0.5 * np.clip(log_diagonal, -MOST_LOG, MOST_LOG))
    return np.asarray(correlation * root[..., :, None] * root[..., None, :])


def nearest_correlation(matrix: FloatArray) -> FloatArray:
    """Return a correlation matrix near a symmetric matrix, (..., n, n); a correlation matrix is returned unchanged.

    Negative eigenvalues become zero, then rows and columns are scaled to a unit diagonal (Rebonato and Jäckel, J.
    Risk 2, 17 (1999)).
    """
    values, vectors = np.linalg.eigh(matrix)
    if (values >= 0.0).all():
        return np.asarray(matrix)
    kept = (vectors * np.maximum(values, 0.0)[..., None, :]) @ vectors.swapaxes(-1, -2)
    root = np.sqrt(np.diagonal(kept, axis1=-2, axis2=-1))
    kept = kept / (root[..., :, None] * root[..., None, :])
    return np.asarray(0.5 * (kept + kept.swapaxes(-1, -2)))
