"""Scatter between cells, which does not average out over the runs of one cell.

Two quenches of a mixture give different glasses, and all runs of a cell have the same structure. A point of a line is

    y = height + slope x + u_cell + e,

with e the error of the run. The variance of u is estimated by the method of DerSimonian and Laird, Control. Clin.
Trials 7, 177 (1986); with it the line is that of generalised least squares. With three cells or more, its covariance
also follows from the scatter of the scores of the cells, which needs neither a model of u nor equal slopes of the cells
(Liang and Zeger, Biometrika 73, 13 (1986)). The precision of that covariance depends on the number of cells, so it gets
Student's quantile. The interval is the wider one of this and the one from the errors of the runs.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.statistics.estimate import normal_quantile

LEAST_CELLS = 3
"""Number of cells from which on their scatter is used."""
LEAST_WEIGHT = 1e-3
"""Smallest weight of an informative cell, relative to the largest weight."""


def numbered_cells(names: Sequence[str | None]) -> IntArray:
    """Return the index of the cell of each point, (n_points,); a point without a name is a separate cell."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(i if n is None else n, len(numbers)) for i, n in enumerate(names)])


def variance_of_cells(residual: FloatArray, weight: FloatArray, cells: IntArray) -> float:
    """Return the variance of u; 0 if cells differ by no more than the errors of their runs, or each has one run.

    Residuals are those of a line without u, (n_points,), weights the inverse variances of the errors of the runs.
    """
    informative = informative_cells(weight, cells)
    if informative.sum() < 2 or len(informative) == len(cells):
        return 0.0
    total = np.bincount(cells, weight)[informative]
    mean = np.bincount(cells, weight * residual)[informative] / total
    mean -= (total @ mean) / total.sum()
    free = len(total) - 1
    return max(float(total @ mean**2) - free, 0.0) / float(total.sum() - (total @ total) / total.sum())


def offsets_of_cells(residual: FloatArray, weight: FloatArray, cells: IntArray, variance: float) -> FloatArray:
    """Return the most likely u of the cell of each point, (n_points,)."""
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
    """Return the covariance of height and slope from the scatter of cells, (2, 2), of a design, (n_points, 2).

    It is scaled so that the normal quantile gives Student's interval; zero with fewer than three cells or single runs.
    `inverse` is the `inverse_covariance`, residuals are those of the line without u, (n_points,).
    """
    n_cells = int(informative_cells(np.diag(inverse), cells).sum())
    if n_cells < LEAST_CELLS or int(cells.max()) + 1 == len(cells):
        return np.zeros((2, 2))
    scores = np.zeros((int(cells.max()) + 1, 2))
    np.add.at(scores, cells, design * (inverse @ residual)[:, None])
    bread = np.linalg.inv(design.T @ inverse @ design)
    wider = student.ppf(0.5 + 0.5 * confidence, n_cells - 1) / normal_quantile(confidence)
    return np.asarray(bread @ scores.T @ scores @ bread * n_cells / (n_cells - 1) * wider**2)


def informative_cells(weight: FloatArray, cells: IntArray) -> BoolArray:
    """Return which cells determine a line; a cell whose runs are all upper limits does not."""
    total = np.bincount(cells, weight)
    return np.asarray(total > LEAST_WEIGHT * total.max())


def largest_variance(gradient: FloatArray, *covariances: FloatArray) -> float:
    """Return the larger of the variances along a direction."""
    return max(float(gradient @ each @ gradient) for each in covariances)
