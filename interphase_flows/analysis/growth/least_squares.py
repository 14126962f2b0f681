"""Least squares for growth laws: grid search over the shape parameters, then refinement.

The grid search, with closed-form amplitudes, finds the global minimum. SciPy refines a single series. The resampled
series of a bootstrap are refined together by damped Gauss-Newton steps (Marquardt, J. SIAM 11, 431 (1963)).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.laws.law import Law
from interphase_flows.exceptions import AnalysisError

N_STEPS = 12
"""Number of damped steps in the fits of the bootstrap, which start near their minima."""
FIRST_DAMPING = 1e-3
CONVERGED = 1e-6
"""Relative gain of a step below which a series is converged; far below its error of about 1 / n."""
RELATIVE_DIFFERENCE = 1e-6
"""Relative step of a parameter in numerical derivatives."""


class LawFit(NamedTuple):
    """The best curve of one law."""

    law: Law
    parameters: FloatArray
    """(p,)"""
    residuals: FloatArray
    """Data minus curve, (n_frames,)."""

    @property
    def squares(self) -> float:
        """Sum of the squared residuals."""
        return float(self.residuals @ self.residuals)


def search(law: Law, time_ps: FloatArray, series: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the best parameters on the law's grid, (B, p), and their sums of squares, (B,), for series (B, n).

    The squares are infinite where no shape of the grid gives parameters that the law allows.
    """
    shapes, q, r = _grid(type(law), time_ps.tobytes())
    n_shapes, n_frames, n_columns = q.shape
    flat = q.transpose(0, 2, 1).reshape(n_shapes * n_columns, n_frames)
    projected = (flat @ series.T).reshape(n_shapes, n_columns, len(series))
    squares = (series**2).sum(axis=1) - (projected**2).sum(axis=1)
    amplitudes = np.asarray(np.linalg.solve(r, projected), dtype=float).transpose(0, 2, 1)
    parameters = law.parameters(amplitudes, shapes[:, None, :])
    lower, upper = law.bounds(time_ps)
    fits = law.allowed(parameters) & ((parameters >= lower) & (parameters <= upper)).all(axis=-1)
    squares = np.where(fits, squares, np.inf)
    best = squares.argmin(axis=0)
    rows = np.arange(len(series))
    return parameters[best, rows], squares[best, rows]


@lru_cache(maxsize=8)
def _grid(law: type[Law], time_ps: bytes) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a law's shapes and the QR of their columns: the same for every replica and resample."""
    times = np.frombuffer(time_ps)
    shapes = law().shapes(times)
    return shapes, *np.linalg.qr(law().columns(times, shapes))


def fit_law(law: Law, time_ps: FloatArray, series: FloatArray) -> LawFit | None:
    """Fit one series, (n,); return None if no fit satisfies the constraints of the law.

    Raises
    ------
    AnalysisError
        There are not more frames than parameters.
    """
    names = law.parameter_names("y")
    if len(series) <= len(names):
        raise AnalysisError(
            f"{len(series)} frames are too few for the law '{law.name}', which has {len(names)} parameters. "
            "Hint: use more frames or a longer trajectory"
        )
    start, squares = search(law, time_ps, series[None])
    if not np.isfinite(squares[0]):
        return None
    lower, upper = law.bounds(time_ps)
    best = least_squares(
        lambda trial: series - law.curve(time_ps, trial),
        np.clip(start[0], lower, upper),
        bounds=(lower, upper),
        x_scale="jac",
    ).x
    at_start = series - law.curve(time_ps, start[0])
    at_best = series - law.curve(time_ps, best)
    if not law.allowed(best) or at_best @ at_best > at_start @ at_start:
        best, at_best = start[0], at_start
    return LawFit(law, best, at_best)


def fit_many(law: Law, time_ps: FloatArray, series: FloatArray, near: FloatArray) -> FloatArray:
    """Fit many series, (B, n), and return their parameters, (B, p).

    Each starts from `near`, (p,), or from the best point of the grid, whichever is closer to it.
    """
    start, squares = search(law, time_ps, series)
    from_near = ((series - law.curve(time_ps, near)) ** 2).sum(axis=1)
    start = np.where((squares < from_near)[:, None], start, near)
    return _descend(law, time_ps, series, start)


def _descend(law: Law, time_ps: FloatArray, series: FloatArray, start: FloatArray) -> FloatArray:
    """Return the parameters at the minima, (B, p)."""
    lower, upper = law.bounds(time_ps)
    parameters = start.copy()
    damping = np.full(len(series), FIRST_DAMPING)
    difference = RELATIVE_DIFFERENCE * np.maximum(np.abs(start).mean(axis=0), 1e-12)
    n_parameters = start.shape[1]
    active = np.arange(len(series))
    for _ in range(N_STEPS):
        here = parameters[active]
        fitted = law.curve(time_ps, here)
        residuals = series[active] - fitted
        squares = (residuals**2).sum(axis=1)
        slopes = np.empty((len(active), n_parameters, len(time_ps)))
        for i in range(n_parameters):
            moved = here.copy()
            moved[:, i] += difference[i]
            slopes[:, i] = (law.curve(time_ps, moved) - fitted) / difference[i]
        normal = slopes @ slopes.transpose(0, 2, 1)
        gradient = (slopes @ residuals[..., None])[..., 0]
        scale = np.sqrt(np.maximum(np.einsum("bii->bi", normal), 1e-300))
        matrix = normal / (scale[:, :, None] * scale[:, None, :])
        matrix = matrix + (damping[active, None, None] + 1e-12) * np.eye(n_parameters)
        step = np.linalg.solve(matrix, (gradient / scale)[..., None])[..., 0] / scale
        trial = np.clip(here + step, lower, upper)
        trial_squares = ((series[active] - law.curve(time_ps, trial)) ** 2).sum(axis=1)
        better = trial_squares < squares
        parameters[active[better]] = trial[better]
        damping[active] *= np.where(better, 0.1, 10.0)
        gain = (squares - trial_squares) / np.maximum(squares, 1e-300)
        active = active[np.abs(gain) > CONVERGED]
        if not len(active):
            break
    return parameters
