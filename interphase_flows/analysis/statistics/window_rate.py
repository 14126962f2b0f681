"""Mean rates of a series in consecutive windows, with intervals for a noise model that is chosen by its likelihood.

The mean of the series is a continuous, piecewise linear function with a kink at each edge of a window. Its noise is

- ``bounded``: a stationary AR(1) process, as of vibrations and of the definition of a boundary, with uncorrelated noise
  or a weak random walk on top. Without the walk, the error of a slope decreases with the length of the window to the
  power 3/2.
- ``random_walk``: noise that accumulates, as of hopping ions (a local level with drift: Harvey, *Forecasting, structural
  time series models and the Kalman filter* (1989), section 2.3), with uncorrelated noise on top. The error decreases
  with the power 1/2.

The mean is fitted by generalised least squares at a grid of parameters of both models, and the slopes are averaged with
their restricted likelihoods (Harville, J. Am. Stat. Assoc. 72, 320 (1977)) over the parameters of one model. A random
walk in few windows resembles slow bounded noise, so bounded noise must be more likely by a factor of exp(`DECISIVE`):
with the larger likelihood alone, 78 instead of 92 % of the intervals contain the rate of a random walk. A walk below
bounded noise resembles bounded noise; `WEAK_WALK` is its prior probability, without which 48 to 90 % of the intervals
contain the rate. Fewer than `LEAST_POINTS_TO_CHOOSE` points do not distinguish the models: their noise is that of a
random walk, whose intervals are too wide for bounded noise. Points without frames have the variance `MISSING`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.linalg import cholesky_banded, toeplitz
from scipy.linalg.lapack import dtbtrs
from scipy.stats import t as student

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.exceptions import AnalysisError

LEAST_FRAMES = 10
"""Minimum number of frames of a window."""
NO_EVENT = -math.log(0.5 * (1 - CONFIDENCE))
"""Upper bound of the mean of a Poisson count of zero: 3.7 (Garwood, Biometrika 28, 437 (1936))."""
MOST_POINTS = 240
"""Maximum number of points of all windows; consecutive frames of longer series are averaged."""
LARGEST_SHARE_OF_GAPS = 0.02
"""Largest fraction of the time in longer intervals than that of an interpolated series, unless there are few of them."""
MOST_LONG_GAPS = 3
MISSING = 1e6
"""Variance of a missing point, in units of that of the noise."""
LEAST_POINTS_TO_CHOOSE = 80
"""Minimum number of points for a choice of the noise model; fewer do not exclude a random walk."""
DECISIVE = 1.5
"""Minimum difference of log likelihoods by which noise is bounded."""
CORRELATIONS = (0.0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.96, 0.98, 0.99)
"""Correlations of neighbouring points of bounded noise."""
WHITE_PER_BOUNDED = (0.0, 0.5, 2.0)
"""Variances of uncorrelated noise in units of that of the bounded noise."""
WHITE_PER_STEP = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Variances of uncorrelated noise in units of that of a step of the random walk."""
STEP_PER_BOUNDED = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3)
"""Variances of a step of a weak random walk in units of that of the bounded noise."""
WEAK_WALK = 0.5
"""Prior probability of a weak random walk below bounded noise."""
N_DIAGONALS = 3
"""Lower diagonals of the covariance of differenced values: averages of AR(1), white noise and walks become MA(2)."""

NoiseModel = Literal["bounded", "random_walk"]


@dataclass(frozen=True)
class WindowRate:
    """Slope and standard error, in the unit of the series per ps."""

    rate_per_ps: float
    standard_error_per_ps: float
    degrees_of_freedom: int
    noise: NoiseModel
    """Noise model of the error."""

    def interval(self, confidence: float = CONFIDENCE) -> Estimate:
        """Return the slope with its interval by Student's t."""
        quantile = float(student.ppf(0.5 + confidence / 2, self.degrees_of_freedom))
        return Estimate.symmetric(
            self.rate_per_ps, self.standard_error_per_ps, quantile=quantile, confidence=confidence
        )


@dataclass(frozen=True)
class _Noises:
    """Generalised least squares of a piecewise linear mean on n points, for m parameters of the noise models."""

    is_bounded: BoolArray
    """(m,), whether the noise is bounded, perhaps with a weak random walk."""
    is_walk: BoolArray
    """(m,), whether the noise is a random walk with uncorrelated noise."""
    has_walk: BoolArray
    """(m,), whether the noise has any random walk."""
    log_prior: FloatArray
    """(m,), logarithm of the prior probability within a model."""
    correlations: FloatArray
    """(m,), correlations of neighbouring points."""
    factors: FloatArray
    """(m, N_DIAGONALS, n), Cholesky factors of the covariances of differenced values, diagonals in rows."""
    line: FloatArray
    """(n, k), hat functions, whose sums are the mean."""
    difference: FloatArray
    """(n_windows, k), from the values of the mean at the kinks to slopes."""
    inverse: FloatArray
    """(m, k, k), covariance of the values at the kinks."""
    white_line: FloatArray
    """(m, n, k), whitened hat functions."""
    slope_variance: FloatArray
    """(m, n_windows)."""
    log_determinants: FloatArray
    """(m,)."""

    def fit(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the sum of squares of the whitened residuals, (m,), and slopes, (m, n_windows)."""
        start = np.linalg.lstsq(self.line, points)[0]  # squares of residuals lose fewer digits than those of values
        white = _whitened(points - self.line @ start, self.correlations, self.factors)
        projected = np.einsum("mnk,mn->mk", self.white_line, white)
        kinks = np.einsum("mkl,ml->mk", self.inverse, projected)
        squares = (white**2).sum(axis=1) - (projected * kinks).sum(axis=1)
        return squares, (start + kinks) @ self.difference.T


def window_rate(time_ps: FloatArray, values: FloatArray, *, event: float = 0.0) -> WindowRate:
    """Return the mean rate of a series, as `window_rates` does for one window."""
    return window_rates(time_ps, values, (float(time_ps[0]), float(time_ps[-1])), event=event)[0]


def window_rates(
    time_ps: FloatArray, values: FloatArray, edges_ps: Sequence[float], *, event: float = 0.0
) -> list[WindowRate]:
    """Return the mean rates of a series in consecutive windows.

    Parameters
    ----------
    time_ps, values
        Times in ps, increasing, and values, (n_frames,) each; interpolated if uneven, except in gaps.
    edges_ps
        Edges of the windows, (n_windows + 1,), increasing.
    event
        Increment by one event of a series of counts, such as an atom that crosses a plane; 0 for other series. The
        interval of a window without events is that of a Poisson process.

    Raises
    ------
    AnalysisError
        A window has fewer than ten frames.
    """
    even_ps, values, is_missing = _evenly_spaced(time_ps, np.asarray(values, dtype=float))
    slack = 1e-9 * float(np.abs(time_ps).max())
    first = np.searchsorted(even_ps, np.array(edges_ps[:-1]) - slack)
    end = np.searchsorted(even_ps, np.array(edges_ps[1:]) + slack)
    n_frames = [int(np.count_nonzero(~is_missing[a:b])) for a, b in zip(first, end, strict=True)]
    if min(n_frames) < LEAST_FRAMES:
        i = int(np.argmin(n_frames))
        raise _too_few_frames(n_frames[i], edges_ps[i], edges_ps[i + 1], time_ps)
    time, series, missing_frames = (each[first[0] : end[-1]] for each in (even_ps, values, is_missing.astype(float)))
    per_point = -(-len(time) // MOST_POINTS)
    n = len(time) // per_point
    dropped = len(time) - n * per_point  # incomplete groups of frames at the beginning
    interval_ps = float(time[-1] - time[0]) / (len(time) - 1)
    edges: IntArray = np.round((np.array(edges_ps) - time[0]) / interval_ps).astype(np.int64)
    points, missing = (each[dropped:].reshape(n, per_point).mean(axis=1) for each in (series, missing_frames))
    absent = np.flatnonzero(missing > 0.5)
    noises = _noises(n, per_point, tuple((edges - dropped).tolist()), tuple(absent.tolist()))

    degrees = n - len(absent) - len(edges)
    rounding = (1e-12 * float(np.abs(points).max())) ** 2 + 1e-300
    squares, slopes = noises.fit(points)
    variance = np.maximum(squares / degrees, rounding)
    log_likelihood = -0.5 * (degrees * np.log(variance) + noises.log_determinants)
    if n - len(absent) >= LEAST_POINTS_TO_CHOOSE:
        without_walk = log_likelihood[noises.is_bounded & ~noises.has_walk].max()
        bounded = bool(without_walk - log_likelihood[noises.is_walk].max() > DECISIVE)
        model = noises.is_bounded if bounded else noises.is_walk
    else:
        bounded, model = False, noises.has_walk
    weight = np.where(model, log_likelihood + noises.log_prior, -np.inf)
    weight = np.exp(weight - weight.max())
    weight /= weight.sum()
    rates = weight @ slopes
    errors = np.sqrt(weight @ (variance[:, None] * noises.slope_variance + (slopes - rates) ** 2))
    least_errors = NO_EVENT * event / np.diff(edges) / float(student.ppf(0.5 + CONFIDENCE / 2, degrees))
    return [
        WindowRate(rate / interval_ps, error / interval_ps, degrees, "bounded" if bounded else "random_walk")
        for rate, error in zip(rates.tolist(), np.maximum(errors, least_errors).tolist(), strict=True)
    ]


def frame_interval_ps(time_ps: FloatArray) -> float:
    """Return the longest interval between frames, except for gaps: few, or a small part of the time."""
    intervals = np.sort(np.diff(time_ps))
    length = np.cumsum(intervals)
    regular = int(np.searchsorted(length, (1 - LARGEST_SHARE_OF_GAPS) * length[-1]))
    return float(intervals[min(regular, max(len(intervals) - 1 - MOST_LONG_GAPS, LEAST_FRAMES - 2))])


def _evenly_spaced(time_ps: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return a series at even times, interpolated if these are not its own, and whether each frame is missing."""
    even = np.linspace(time_ps[0], time_ps[-1], len(time_ps))
    if len(time_ps) < LEAST_FRAMES or np.abs(time_ps - even).max() <= 0.5 * (even[1] - even[0]):
        return time_ps, values, np.zeros(len(time_ps), dtype=bool)
    interval_ps = frame_interval_ps(time_ps)
    even = np.linspace(time_ps[0], time_ps[-1], int(np.ceil((time_ps[-1] - time_ps[0]) / interval_ps)) + 1)
    after = np.searchsorted(time_ps, even).clip(1, len(time_ps) - 1)
    distance_ps = np.minimum(even - time_ps[after - 1], time_ps[after] - even)
    return even, np.interp(even, time_ps, values), distance_ps > 0.75 * interval_ps


def _too_few_frames(n_frames: int, begin_ps: float, end_ps: float, time_ps: FloatArray) -> AnalysisError:
    longest = int(np.diff(time_ps.clip(begin_ps, end_ps)).argmax())
    before, after = time_ps[longest : longest + 2]
    reason, hint = "", "use longer windows, or write frames more often"
    if after - before > 2.0 * np.median(np.diff(time_ps)):
        reason = f", and none was recorded between {before:g} and {after:g} ps"
        hint = "use longer windows, or analyse the parts of the trajectory before and after this gap"
    least = f"at least {LEAST_FRAMES} are required"
    return AnalysisError(f"a window of {n_frames} frames gives no rate; {least}{reason}. Hint: {hint}")


def _parameters() -> list[tuple[float, float, float, float]]:
    """Return variances of bounded noise, its correlation, variances of uncorrelated noise and of steps of a walk."""
    bounded = [(1.0, c, white, 0.0) for c in CORRELATIONS for white in (WHITE_PER_BOUNDED if c else (0.0,))]
    weak = [(1.0, c, 0.0, step) for c in CORRELATIONS for step in STEP_PER_BOUNDED]
    return bounded + weak + [(0.0, 0.0, white, 1.0) for white in WHITE_PER_STEP]


@lru_cache(maxsize=4)
def _noises(n: int, per_point: int, edges: tuple[int, ...], absent: tuple[int, ...]) -> _Noises:
    """Return the fits to n points of some frames each, with kinks at some frames and some absent points."""
    unknown = np.zeros((n, n))
    unknown[absent, absent] = MISSING
    x = np.arange(n, dtype=float)
    frame = per_point * x + 0.5 * (per_point - 1)
    line = np.stack([np.interp(frame, edges, row) for row in np.eye(len(edges))], axis=1)
    difference = np.diff(np.eye(len(edges)), axis=0) / np.diff(edges)[:, None]
    # covariance of means of the random walk over groups of frames
    walk = np.minimum(x[:, None], x[None, :]) + 1.0 - (1 - per_point**-2) / 6 * np.eye(n)
    parameters = _parameters()
    factors = np.empty((len(parameters), N_DIAGONALS, n))
    correlated = {c: toeplitz(correlations_of_means(c, n, per_point)) for c in CORRELATIONS}
    for i, (bounded, correlation, white, step) in enumerate(parameters):
        covariance = bounded * correlated[correlation] + white * np.eye(n) + step * walk + unknown
        banded = _differenced(_differenced(covariance, correlation).T, correlation)
        bands = [np.pad(np.diagonal(banded, -lag), (0, lag)) for lag in range(N_DIAGONALS)]
        factors[i] = cholesky_banded(np.array(bands), lower=True, check_finite=False)
    size, correlation, white, step = np.array(parameters).T
    is_bounded, has_walk = size > 0, step > 0
    white_line = np.stack([_whitened(hat, correlation, factors) for hat in line.T], axis=-1)
    information = np.einsum("mnk,mnl->mkl", white_line, white_line)
    inverse = np.linalg.inv(information)
    n_white = np.where(correlation > 0, len(WHITE_PER_BOUNDED), 1)
    prior = np.where(has_walk, WEAK_WALK / len(STEP_PER_BOUNDED), (1 - WEAK_WALK) / n_white) / len(CORRELATIONS)
    if n - len(absent) < LEAST_POINTS_TO_CHOOSE:
        has_walk = has_walk & (correlation == 0)
        prior = np.ones_like(prior)
    return _Noises(
        is_bounded=is_bounded,
        is_walk=~is_bounded,
        has_walk=has_walk,
        log_prior=np.log(prior),
        correlations=correlation,
        factors=factors,
        line=line,
        difference=difference,
        inverse=inverse,
        white_line=white_line,
        slope_variance=np.einsum("wk,mkl,wl->mw", difference, inverse, difference),
        log_determinants=2 * np.log(factors[:, 0]).sum(axis=1) + np.linalg.slogdet(information)[1],
    )


def _differenced(values: FloatArray, correlation: float) -> FloatArray:
    """Return values whose covariance is banded: differences of y(i) - c y(i - 1), along the first axis."""
    for factor in (correlation, 1.0):
        values = np.concatenate([values[:1], values[1:] - factor * values[:-1]])
    return values


def _whitened(values: FloatArray, correlations: FloatArray, factors: FloatArray) -> FloatArray:
    """Return values, (n,), as uncorrelated values of unit variance for each noise, (m, n)."""
    by_correlation = {c: _differenced(values, c) for c in np.unique(correlations)}
    white = [dtbtrs(factor, by_correlation[c], uplo="L")[0] for c, factor in zip(correlations, factors, strict=True)]
    return np.array(white).reshape(len(factors), -1)


def correlations_of_means(correlation: float, n: int, per_point: int) -> FloatArray:
    """Return the correlation at every lag, (n,), of means over groups of frames of an AR(1) process.

    The correlation is that of lags of one group: of means at lags from 1 on, it decreases by this factor per lag.
    """
    lags = np.arange(n, dtype=float)
    if correlation == 0:
        return np.asarray(lags == 0, dtype=float)
    of_frames = correlation ** (1 / per_point)
    within = np.arange(1, per_point)
    variance = (per_point + 2 * ((per_point - within) * of_frames**within).sum()) / per_point**2
    between = of_frames * ((1 - correlation) / (1 - of_frames) / per_point) ** 2
    return np.where(lags == 0, 1.0, between / variance * correlation ** (lags - 1))
