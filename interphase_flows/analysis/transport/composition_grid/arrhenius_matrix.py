"""Arrhenius fit of Onsager matrices: a line for each ln (kB T L_ii), and one for each correlation.

Correlations C_ij = L_ij / sqrt(L_ii L_jj) are linear in 1 / kB T. Outside the measured temperatures C_ij keeps its value
at the nearest one, and its error grows by the extrapolated change of the line. So L stays symmetric and positive
semidefinite (`positive_matrices`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.composition_grid.arrhenius import (
    MIN_TEMPERATURES,
    SMALLEST_ERROR,
    ArrheniusFit,
    MeasuredAt,
    arrhenius_fit,
    birge_ratio,
)
from interphase_flows.analysis.transport.composition_grid.cell_scatter import (
    covariance_of_cells,
    inverse_covariance,
    largest_variance,
    numbered_cells,
    offsets_of_cells,
    variance_of_cells,
)
from interphase_flows.analysis.transport.positive_matrices import OnsagerParts
from interphase_flows.exceptions import AnalysisError
from interphase_flows.units import KB_EV_PER_K


@dataclass(frozen=True)
class ArrheniusMatrix:
    """Onsager coefficients of one composition at any temperature."""

    species: tuple[str, ...]
    diagonal: tuple[ArrheniusFit, ...]
    """Of L_ii, in the order of `species`."""
    correlation: Mapping[tuple[int, int], "CorrelationLine"]
    """Of C_ij, i < j."""

    def parts_at(self, temperature_K: float, *, widened: bool = True) -> OnsagerParts:
        """Return ln L_ii and C_ij at a temperature, their errors widened as those of `ArrheniusFit.log_at`."""
        n = len(self.species)
        logs = np.array([fit.log_at(temperature_K, widened=widened) for fit in self.diagonal])
        correlation, error = np.eye(n), np.zeros((n, n))
        for (i, j), line in self.correlation.items():
            correlation[[i, j], [j, i]], error[[i, j], [j, i]] = line.at(temperature_K, widened=widened)
        return OnsagerParts(logs[:, 0], logs[:, 1], correlation, error)

    def at(self, temperature_K: float) -> Estimate:
        """Return L_ij at a temperature, (n_species, n_species): symmetric and positive semidefinite."""
        return self.parts_at(temperature_K).estimate(self.diagonal[0].confidence)

    def warnings_at(self, temperature_K: float) -> list[str]:
        """Return warnings about lines that are extrapolated at a temperature."""
        warnings = zip(self.species, (fit.warning_at(temperature_K) for fit in self.diagonal), strict=True)
        return [f"{symbol}: {warning}" for symbol, warning in warnings if warning]


@dataclass(frozen=True)
class CorrelationLine:
    """C_ij as a line in 1 / kB T between two temperatures, constant outside."""

    height: float
    slope_eV: float
    covariance: FloatArray
    """Covariance of height and slope, (2, 2)."""
    covariance_of_cells: FloatArray
    """The same from the scatter of cells, (2, 2); the larger one is used."""
    middle_per_eV: float
    least_per_eV: float
    most_per_eV: float

    def at(self, temperature_K: float, *, widened: bool = True) -> tuple[float, float]:
        """Return C_ij, within -1 to 1, and its standard error, widened as that of `ArrheniusFit.log_at`."""
        inverse = 1.0 / (KB_EV_PER_K * temperature_K)
        inside = float(np.clip(inverse, self.least_per_eV, self.most_per_eV))
        gradient = np.array([1.0, inside - self.middle_per_eV])
        beyond = abs(inverse - inside)
        both = [self.covariance, *([self.covariance_of_cells] if widened else [])]
        variance = largest_variance(gradient, *both)
        variance += beyond**2 * (self.slope_eV**2 + max(each[1, 1] for each in both))
        value = np.clip(self.height + self.slope_eV * gradient[1], -1.0, 1.0)
        return float(value), float(np.sqrt(variance))


def arrhenius_matrix(species: Sequence[str], points: Sequence[MeasuredAt], confidence: float = 0.95) -> ArrheniusMatrix:
    """Fit Onsager matrices against temperature.

    Points are L_ij, (n_species, n_species), in the order of `species`, in a frame without a constraint among the
    species (lattice or Hittorf, without the species at rest). In the barycentric frame sum_i m_i L_ij = 0, which
    separate fits of the coefficients would violate. Their intervals and those of the result have one confidence.
    Raises AnalysisError if an L_ii has too few temperatures, or a C_ij has fewer than three points.
    """
    fits = []
    for i, symbol in enumerate(species):
        try:
            fits.append(arrhenius_fit([element(point, i) for point in points], confidence))
        except AnalysisError as error:
            raise AnalysisError(f"{symbol}: {error}") from error
    lines = {
        (i, j): _correlation_line(points, i, j, f"{species[i]}-{species[j]}", confidence)
        for i, j in combinations(range(len(species)), 2)
    }
    return ArrheniusMatrix(tuple(species), tuple(fits), lines)


def element(point: MeasuredAt, i: int) -> MeasuredAt:
    """Return one L_ii of a run."""
    value = None if point.value is None else point.value[i, i]
    return replace(point, value=value)


def _correlation_line(points: Sequence[MeasuredAt], i: int, j: int, pair: str, confidence: float) -> CorrelationLine:
    """Fit C_ij by weighted least squares; the error of L_ij is used for C_ij and slightly too large."""
    inverse, found, errors, names = [], [], [], []
    for point in points:
        value = point.value
        if value is None or not (value.lower[i, i] > 0 and value.lower[j, j] > 0):
            continue
        scale = np.sqrt(value.value[i, i] * value.value[j, j])
        inverse.append(1.0 / (KB_EV_PER_K * point.temperature_K))
        found.append(value.value[i, j] / scale)
        errors.append(max(value.standard_error[i, j] / scale, SMALLEST_ERROR))
        names.append(point.cell)
    if len(set(inverse)) < MIN_TEMPERATURES:
        raise AnalysisError(
            f"{pair}: {len(set(inverse))} temperatures have a correlation, {MIN_TEMPERATURES} are needed: both L_ii "
            "must be above zero. Hint: run longer, or at more temperatures"
        )
    at, weight = np.array(inverse), 1.0 / np.array(errors) ** 2
    middle = float(at.mean())
    design = np.stack([np.ones(len(at)), at - middle], axis=1)
    cells, y = numbered_cells(names), np.array(found)
    line, residual = _least_squares(design, np.diag(weight), y)
    variance = variance_of_cells(residual, weight, cells)
    line, residual = _least_squares(design, inverse_covariance(weight, cells, variance), y)
    alone = residual - offsets_of_cells(residual, weight, cells, variance)
    scale = birge_ratio(float(np.sum(weight * alone**2)), len(at) - 2 - (int(cells.max()) if variance else 0))
    precise = inverse_covariance(weight / scale**2, cells, variance)
    return CorrelationLine(
        height=float(line[0]),
        slope_eV=float(line[1]),
        covariance=np.asarray(np.linalg.inv(design.T @ precise @ design), dtype=float),
        covariance_of_cells=covariance_of_cells(design, precise, residual, cells, confidence),
        middle_per_eV=middle,
        least_per_eV=float(at.min()),
        most_per_eV=float(at.max()),
    )


def _least_squares(design: FloatArray, inverse: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the line and the residuals of generalised least squares."""
    line = np.asarray(np.linalg.solve(design.T @ inverse @ design, design.T @ inverse @ y), dtype=float)
    return line, y - design @ line
