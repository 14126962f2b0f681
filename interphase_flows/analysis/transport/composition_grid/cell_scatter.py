"""Lines through runs of several cells: what cells differ by does not average out over the runs of one cell.

A mixture that is quenched twice is two glasses, and all runs of a cell share its structure. A point of a line is

    y = height + slope x + u_cell + e,

e being the error of the run. The variance of u is that of DerSimonian and Laird, Control. Clin. Trials 7, 177 (1986);
with it the line is the one of generalised least squares. How sure it is, the cells themselves say where there are three
or more: the scatter of their scores makes a covariance that needs neither a model of u nor that slopes of cells be equal
(Liang and Zeger, Biometrika 73, 13 (1986)). It is known as well as there are cells, so it has Student's quantile. The
interval is the wider of that one and the one that errors of runs make.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.statistics.estimate import normal_quantile

LEAST_CELLS = 3
"""From which on their scatter is believed, as of replicas."""
LEAST_WEIGHT = 1e-3
"""Of a cell, of that of the one that says most."""


def numbered_cells(names: Sequence[str | None]) -> IntArray:
    """Return the number of each point's cell, (n_points,); a point without a name is a cell of its own."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(i if n is None else n, len(numbers)) for i, n in enumerate(names)])


def variance_of_cells(residual: FloatArray, weight: FloatArray, cells: IntArray) -> float:
    """Return the variance of u, 0 where cells differ by no more than their runs' errors, or each has one run.

    Parameters
    ----------
    residual
        Of a line without u, (n_points,).
    weight
        Inverse variances of the runs' errors, (n_points,).
    cells
        As of `numbered_cells`.
    """
    telling = telling_cells(weight, cells)
    if telling.sum() < 2 or len(telling) == len(cells):
        return 0.0
    total = np.bincount(cells, weight)[telling]
    mean = np.bincount(cells, weight * residual)[telling] / total
    mean -= (total @ mean) / total.sum()
    free = len(total) - 1
    return max(float(total @ mean**2) - free, 0.0) / float(total.sum() - (total @ total) / total.sum())


def offsets_of_cells(
    residual: FloatArray, weight: FloatArray, cells: IntArray, variance: float
) -> FloatArray:
    """Return the most likely u of each point's cell, (n_points,)."""
    u = variance * np.bincount(cells, weight * residual) / (1.0 + variance * np.bincount(cells, weight))
    return np.asarray(u[cells])


def inverse_covariance(weight: FloatArray, cells: IntArray, variance: float) -> FloatArray:
    """Return the inverse of the covariance of u + e, (n_points, n_points)."""
    same = cells[:, None] == cells
    shared = variance / (1.0 + variance * np.bincount(cells, weight))[cells]
    return np.asarray(np.diag(weight) - np.where(same, shared[:, None] * np.outer(weight, weight), 0.0))


def covariance_of_cells(
    design: FloatArray, inverse: FloatArray, residual: FloatArray, cells: IntArray, confidence: float
) -> FloatArray:
    """Return the covariance of height and slope that the scatter of cells makes, (2, 2).

    It is widened such that the normal quantile gives Student's interval; zero with fewer than three cells of several
    runs.

    Parameters
    ----------
    design
        (n_points, 2).
    inverse
        As of `inverse_covariance`.
    residual
        Of the line without u, (n_points,).
    cells
        As of `numbered_cells`.
    confidence
        Of the intervals.
    """
    n_cells = int(telling_cells(np.diag(inverse), cells).sum())
    if n_cells < LEAST_CELLS or int(cells.max()) + 1 == len(cells):
        return np.zeros((2, 2))
    scores = np.zeros((int(cells.max()) + 1, 2))
    np.add.at(scores, cells, design * (inverse @ residual)[:, None])
    bread = np.linalg.inv(design.T @ inverse @ design)
    wider = student.ppf(0.5 + 0.5 * confidence, n_cells - 1) / normal_quantile(confidence)
    return np.asarray(bread @ scores.T @ scores @ bread * n_cells / (n_cells - 1) * wider**2)


def telling_cells(weight: FloatArray, cells: IntArray) -> BoolArray:
    """Return which cells say anything of a line: one of which all runs only limit it does not."""
    total = np.bincount(cells, weight)
    return np.asarray(total > LEAST_WEIGHT * total.max())


def largest_variance(gradient: FloatArray, *covariances: FloatArray) -> float:
    """Return the larger of the variances along a direction."""
    return max(float(gradient @ each @ gradient) for each in covariances)
