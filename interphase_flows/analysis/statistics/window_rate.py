"""Mean rates of a series in windows, with intervals for a noise model that is chosen by its likelihood.

Two noise models, each with uncorrelated noise on top:

- ``bounded``: a stationary AR(1) process, as of vibrations and of the definition of a boundary. The error of a slope
  decreases with the length of the window to the power 3/2.
- ``random_walk``: noise that accumulates, as of hopping ions (a local level with drift: Harvey, *Forecasting, structural
  time series models and the Kalman filter* (1989), section 2.3). The error decreases with the power 1/2.

A line is fitted to each window by generalised least squares at several parameters of both models. The model with the
larger restricted likelihood (Harville, J. Am. Stat. Assoc. 72, 320 (1977)), multiplied over all windows of one call, is
chosen; both have two parameters. The slopes at its parameters are averaged with their likelihoods. A random walk in one
window resembles slow bounded noise, so bounded noise must be more likely by a factor of exp(`DECISIVE`): with the larger
likelihood alone, 95 % intervals contain the rate of a random walk in 65 to 80 % of the windows only. Fewer than
`LEAST_POINTS_TO_CHOOSE` points do not distinguish the models: their noise is that of a random walk, whose intervals are
too wide for bounded noise. A random walk far below bounded noise cannot be detected, and the interval of bounded noise
does not include it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.linalg import toeplitz
from scipy.stats import t as student

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.exceptions import AnalysisError

LEAST_FRAMES = 10
NO_EVENT = -math.log(0.5 * (1 - CONFIDENCE))
"""Upper bound of the mean of a Poisson count of zero: 3.7 (Garwood, Biometrika 28, 437 (1936))."""
MOST_POINTS = 120
"""Maximum number of points; consecutive frames of longer windows are averaged."""
LEAST_POINTS_TO_CHOOSE = 80
"""Minimum number of points of a window for a choice of the noise model; fewer do not exclude a random walk."""
DECISIVE = 1.5
"""Minimum difference of log likelihoods by which noise is bounded."""
CORRELATIONS = (0.0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.96)
"""Correlations of neighbouring points of bounded noise."""
WHITE_PER_BOUNDED = (0.0, 0.5, 2.0)
"""Variances of uncorrelated noise in units of that of the bounded noise."""
WHITE_PER_STEP = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""Variances of uncorrelated noise in units of that of a step of the random walk."""

NoiseModel = Literal["bounded", "random_walk"]


@dataclass(frozen=True)
class WindowRate:
    """Slope and standard error, in the unit of the series per ps."""

    rate_per_ps: float
    standard_error_per_ps: float
    n_points: int
    noise: NoiseModel
    """Noise model of the error."""

    def interval(self, confidence: float = CONFIDENCE) -> Estimate:
        """Return the slope with its interval by Student's t."""
        quantile = float(student.ppf(0.5 + confidence / 2, self.n_points - 2))
        return Estimate.symmetric(
            self.rate_per_ps, self.standard_error_per_ps, quantile=quantile, confidence=confidence
        )


@dataclass(frozen=True)
class _Noises:
    """Matrices of generalised least squares of a line on n points, for every parameter of the noise models."""

    is_bounded: BoolArray
    """(m,), whether the noise is bounded."""
    whitening: FloatArray
    """(m, n, n), from residuals to uncorrelated ones of unit variance."""
    design: FloatArray
    """(m, 2, n), from values to intercept and slope."""
    slope_variance: FloatArray
    """(m,)."""
    log_determinants: FloatArray
    """(m,)."""


def window_rate(time_ps: FloatArray, values: FloatArray, *, event: float = 0.0) -> WindowRate:
    """Return the mean rate of a series in one window, as `window_rates` does."""
    return window_rates([(time_ps, values)], event=event)[0]


def window_rates(windows: Sequence[tuple[FloatArray, FloatArray]], *, event: float = 0.0) -> list[WindowRate]:
    """Return the mean rates of a series in windows whose noise obeys one model.

    Parameters
    ----------
    windows
        Times in ps, evenly spaced, and values, (n_frames,) each.
    event
        Increment by one event of a series of counts, such as an atom that crosses a plane; 0 for other series. The
        interval of a window without events is that of a Poisson process.

    Raises
    ------
    AnalysisError
        A window has fewer than ten frames.
    """
    shortest = min(len(time_ps) for time_ps, _ in windows)
    if shortest < LEAST_FRAMES:
        raise AnalysisError(
            f"a window of {shortest} frames gives no rate; at least {LEAST_FRAMES} are required. Hint: use longer "
            "windows, or write frames more often"
        )
    per_point = -(-max(len(time_ps) for time_ps, _ in windows) // MOST_POINTS)
    fits = [_fit(values, len(time_ps) // per_point, per_point) for time_ps, values in windows]
    log_likelihood = np.sum([fit[2] for fit in fits], axis=0)
    is_bounded = _noises(shortest // per_point, per_point).is_bounded
    evidence = float(log_likelihood[is_bounded].max() - log_likelihood[~is_bounded].max())
    bounded = shortest // per_point >= LEAST_POINTS_TO_CHOOSE and evidence > DECISIVE
    log_likelihood = np.where(is_bounded == bounded, log_likelihood, -np.inf)
    weight = np.exp(log_likelihood - log_likelihood.max())
    weight /= weight.sum()
    rates = []
    for (time_ps, _), (slope, variance, _) in zip(windows, fits, strict=True):
        n = len(time_ps) // per_point
        step_ps = float(time_ps[-1] - time_ps[0]) / (len(time_ps) - 1) * per_point
        rate = float(weight @ slope)
        error = math.sqrt(float(weight @ (variance + (slope - rate) ** 2))) / step_ps
        least_error = NO_EVENT * event / (step_ps * n) / float(student.ppf(0.5 + CONFIDENCE / 2, n - 2))
        rates.append(WindowRate(rate / step_ps, max(error, least_error), n, "bounded" if bounded else "random_walk"))
    return rates


def _fit(values: FloatArray, n: int, per_point: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return slope per point, its variance and the log likelihood for every parameter of the noise models."""
    # incomplete groups of frames are dropped at the beginning of the window
    points = np.asarray(values, dtype=float)[-n * per_point :].reshape(n, per_point).mean(axis=1)
    rounding = (1e-12 * float(np.abs(points).max())) ** 2 + 1e-300
    noises = _noises(n, per_point)
    intercept, slope = (noises.design @ points).T
    residuals = points - intercept[:, None] - slope[:, None] * np.arange(n)
    whitened = np.einsum("mij,mj->mi", noises.whitening, residuals, optimize=True)
    spread = np.maximum((whitened**2).sum(axis=1) / (n - 2), rounding)
    log_likelihood = -0.5 * ((n - 2) * np.log(spread) + noises.log_determinants)
    return slope, spread * noises.slope_variance, log_likelihood


@lru_cache(maxsize=16)
def _noises(n: int, per_point: int) -> _Noises:
    x = np.arange(n, dtype=float)
    line = np.stack([np.ones(n), x], axis=1)
    bounded = [
        toeplitz(correlation**x) + white * np.eye(n)
        for correlation in CORRELATIONS
        for white in (WHITE_PER_BOUNDED if correlation else WHITE_PER_BOUNDED[:1])
    ]
    # covariance of means of the random walk over groups of frames
    walk = np.minimum(x[:, None], x[None, :]) + 1.0 - (1 - per_point**-2) / 6 * np.eye(n)
    covariances = np.array(bounded + [walk + white * np.eye(n) for white in WHITE_PER_STEP])
    factor = np.linalg.cholesky(covariances)
    whitening = np.linalg.inv(factor)
    white_line = whitening @ line
    information = white_line.swapaxes(1, 2) @ white_line
    inverse = np.linalg.inv(information)
    log_determinant = 2 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    return _Noises(
        is_bounded=np.arange(len(covariances)) < len(bounded),
        whitening=whitening,
        design=inverse @ white_line.swapaxes(1, 2) @ whitening,
        slope_variance=np.asarray(inverse[:, 1, 1], dtype=float),
        log_determinants=log_determinant + np.linalg.slogdet(information)[1],
    )
