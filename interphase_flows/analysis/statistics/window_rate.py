"""Mean rate of a series in a window, with an interval for bounded noise and random walks.

Thicknesses and cumulative crossings have bounded noise (vibrations, the definition of a boundary) and noise that
accumulates like a random walk (hopping ions). The error of a slope decreases with the length of the window to the
power 3/2 for the first and 1/2 for the second. A line is fitted by generalised least squares for a random walk plus
white noise (a local level with drift: Harvey, *Forecasting, structural time series models and the Kalman filter*
(1989), section 2.3), at several ratios of the two. The slopes are averaged with the restricted likelihood of each
ratio (Harville, J. Am. Stat. Assoc. 72, 320 (1977)). Correlated bounded noise resembles a random walk in part, which
makes its interval too wide, not too narrow.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.linalg import cho_solve, cholesky
from scipy.stats import t as student

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.exceptions import AnalysisError

LEAST_FRAMES = 10
NO_EVENT = -math.log(0.5 * (1 - CONFIDENCE))
"""Upper bound of the mean of a Poisson count of zero: 3.7 (Garwood, Biometrika 28, 437 (1936))."""
MOST_POINTS = 60
"""Maximum number of points; consecutive frames of longer windows are averaged."""
WHITE_NOISE = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""Variances of the white noise in units of that of a step of the random walk."""


@dataclass(frozen=True)
class WindowRate:
    """Slope and standard error, in the unit of the series per ps."""

    rate_per_ps: float
    standard_error_per_ps: float
    n_points: int

    def interval(self, confidence: float = CONFIDENCE) -> Estimate:
        """Return the slope with its interval by Student's t."""
        quantile = float(student.ppf(0.5 + confidence / 2, self.n_points - 2))
        return Estimate.symmetric(
            self.rate_per_ps, self.standard_error_per_ps, quantile=quantile, confidence=confidence
        )


@dataclass(frozen=True)
class _Noise:
    """Matrices of generalised least squares for a random walk with white noise of one ratio on n points."""

    weights: FloatArray
    """(n, n), inverse covariance."""
    design: FloatArray
    """(2, n), from values to intercept and slope."""
    slope_variance: float
    log_determinants: float


def window_rate(time_ps: FloatArray, values: FloatArray, *, event: float = 0.0) -> WindowRate:
    """Return the mean rate of a series.

    Parameters
    ----------
    time_ps
        Evenly spaced, (n_frames,), ps.
    values
        (n_frames,).
    event
        Increment by one event of a series of counts, such as an atom that crosses a plane; 0 for other series. The
        interval of a window without events is that of a Poisson process.

    Raises
    ------
    AnalysisError
        There are fewer than ten frames.
    """
    if len(time_ps) < LEAST_FRAMES:
        raise AnalysisError(
            f"a window of {len(time_ps)} frames gives no rate; at least {LEAST_FRAMES} are required. Hint: use longer "
            "windows, or write frames more often"
        )
    per_point = -(-len(time_ps) // MOST_POINTS)
    n = len(time_ps) // per_point
    # incomplete groups of frames are dropped at the beginning of the window
    points = np.asarray(values, dtype=float)[-n * per_point :].reshape(n, per_point).mean(axis=1)
    step_ps = float(time_ps[-1] - time_ps[0]) / (len(time_ps) - 1) * per_point
    rounding = (1e-12 * float(np.abs(points).max())) ** 2 + 1e-300
    noises = _noises(n, per_point)
    log_weight, slope, variance = (np.empty(len(noises)) for _ in range(3))
    x = np.arange(n, dtype=float)
    for i, noise in enumerate(noises):
        intercept, slope[i] = noise.design @ points
        residuals = points - intercept - slope[i] * x
        spread = max(float(residuals @ noise.weights @ residuals) / (n - 2), rounding)
        variance[i] = spread * noise.slope_variance
        log_weight[i] = -0.5 * ((n - 2) * math.log(spread) + noise.log_determinants)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    rate = float(weight @ slope)
    variance += (slope - rate) ** 2
    error = math.sqrt(float(weight @ variance)) / step_ps
    least_error = NO_EVENT * event / (step_ps * n) / float(student.ppf(0.5 + CONFIDENCE / 2, n - 2))
    return WindowRate(rate / step_ps, max(error, least_error), n)


@lru_cache(maxsize=32)
def _noises(n: int, per_point: int) -> tuple[_Noise, ...]:
    x = np.arange(n, dtype=float)
    line = np.stack([np.ones(n), x], axis=1)
    # covariance of means of the random walk over groups of frames
    walk = np.minimum(x[:, None], x[None, :]) + 1.0 - (1 - per_point**-2) / 6 * np.eye(n)
    prepared = []
    for white in WHITE_NOISE:
        factor = cholesky(walk + white * np.eye(n), lower=True)
        weights = cho_solve((factor, True), np.eye(n))
        information = line.T @ weights @ line
        inverse = np.linalg.inv(information)
        prepared.append(
            _Noise(
                weights=weights,
                design=inverse @ line.T @ weights,
                slope_variance=float(inverse[1, 1]),
                log_determinants=float(2 * np.log(np.diag(factor)).sum() + np.linalg.slogdet(information)[1]),
            )
        )
    return tuple(prepared)
