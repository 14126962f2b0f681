"""Arrhenius fit of one coefficient: kB T L_ii = L0 exp(-E / kB T).

For atoms that move independently, kB T L_ii = c_i D_i, and D_i follows Arrhenius' law. A linear fit of ln L would give
an activation energy that is too small by kB T (0.07 eV at 800 K), and a value at 300 K that is twice too high.

A fit takes estimates with intervals at three temperatures or more, of one cell or of several. Each has separate errors
above and below, on the scale of ln L, from its interval. An L_ii that is not distinct from zero has no logarithm.
Excluding it would keep only cold runs with an upward fluctuation and make E too small. It is compared with the line on
a linear scale instead, and does not count as one of the three temperatures.

Runs of one cell share its structure; the interval contains the scatter between cells (`cell_scatter`). If points
scatter about their lines by more than their errors allow (chi² beyond its 95th percentile), the errors are scaled up
(Birge, Phys. Rev. 40, 207 (1932)) and the fit records the factor.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import chi2

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.results import without_hint
from interphase_flows.analysis.statistics.estimate import Estimate, normal_quantile
from interphase_flows.analysis.transport.composition_grid.cell_scatter import (
    LEAST_CELLS,
    covariance_of_cells,
    informative_cells,
    inverse_covariance,
    largest_variance,
    numbered_cells,
    offsets_of_cells,
    variance_of_cells,
)
from interphase_flows.analysis.transport.positive_matrices import MOST_LOG
from interphase_flows.exceptions import AnalysisError
from interphase_flows.units import KB_EV_PER_K

MIN_TEMPERATURES = 3
IMPROBABLE = 0.05
"""Probability of a chi² below which errors are scaled up."""
SMALLEST_ERROR = 1e-6
"""Smallest error of ln L and of a correlation, which keeps weights finite."""


@dataclass(frozen=True)
class MeasuredAt:
    """Coefficient or matrix of coefficients at one temperature, or why it is unavailable."""

    temperature_K: float
    value: Estimate | None
    reason: str = ""
    cell: str | None = None
    """Name of the cell, because runs of one cell are not independent; None for a separate cell."""


@dataclass(frozen=True)
class ArrheniusFit:
    """A line of ln (kB T L) against 1 / kB T."""

    log_middle: float
    """ln (kB T L) at the middle of the fit, kB T L in 1/(Å ps)."""
    middle_per_eV: float
    """1 / kB T there, about which errors of height and slope are independent."""
    activation_energy_eV: Estimate
    covariance: FloatArray
    """Of `log_middle` and the activation energy, (2, 2), from the errors of the runs and the variance between cells."""
    covariance_of_cells: FloatArray
    """The same from the scatter of cells alone, with Student's quantile, (2, 2); the larger one is used."""
    coldest_K: float
    hottest_K: float
    """Range of the temperatures that count."""
    n_points: int
    chi_square: float
    error_scale: float
    """Factor on the errors where points scatter by more than these allow; 1 otherwise."""
    notes: tuple[str, ...]
    """Points that are left out or only limit the line, and why."""
    confidence: float

    def log_at(self, temperature_K: float, *, widened: bool = True) -> tuple[float, float]:
        """Return ln L and its standard error, widened for the interval that the scatter of few cells requires."""
        gradient = np.array([1.0, self.middle_per_eV - 1.0 / (KB_EV_PER_K * temperature_K)])
        energy = float(self.activation_energy_eV.value)
        variance = largest_variance(gradient, self.covariance, *([self.covariance_of_cells] if widened else []))
        log = self.log_middle + energy * gradient[1] - np.log(KB_EV_PER_K * temperature_K)
        return float(log), float(np.sqrt(variance))

    def at(self, temperature_K: float) -> Estimate:
        """Return L at a temperature, shape (); the interval widens with the distance from the measured ones."""
        log, error = self.log_at(temperature_K)
        half = normal_quantile(self.confidence) * error
        with np.errstate(over="ignore"):
            value, lower, upper = np.exp([log, log - half, log + half])
        return Estimate(value, lower, upper, self.confidence, standard_error=value * error)

    def warning_at(self, temperature_K: float) -> str | None:
        """Return a warning if a temperature is extrapolated, None between the measured temperatures."""
        if self.coldest_K <= temperature_K <= self.hottest_K:
            return None
        inverse, cold, hot = (1.0 / t for t in (temperature_K, self.coldest_K, self.hottest_K))
        outside = max(inverse - cold, hot - inverse) / (cold - hot)
        return (
            f"{temperature_K:g} K is outside the measured {self.coldest_K:g} to {self.hottest_K:g} K, by "
            f"{outside:.2g} times their range in 1/T; the extrapolated line ignores the bend at the glass transition"
        )


def arrhenius_fit(points: Sequence[MeasuredAt], confidence: float = 0.95) -> ArrheniusFit:
    """Fit ln (kB T L) against 1 / kB T.

    Points are positive numbers, shape (), in 1/(eV Å ps), with intervals of the confidence that those of the result
    have; several may have the same temperature. Raises AnalysisError if fewer than three temperatures have a
    coefficient distinct from zero; the message lists each of them.
    """
    quantile = normal_quantile(confidence)
    kept: list[MeasuredAt] = []
    values: list[Estimate] = []
    notes: list[str] = []
    for point in sorted(points, key=lambda each: each.temperature_K):
        if point.value is None:
            reason = without_hint(point.reason) or "no coefficient"
            notes.append(f"{point.temperature_K:g} K left out: {reason}")
        elif not point.value.lower > 0 and not np.isfinite(point.value.upper):
            notes.append(f"{point.temperature_K:g} K left out: its interval has no bounds")
        else:
            if not point.value.lower > 0:
                notes.append(
                    f"{point.temperature_K:g} K gives only an upper limit: the coefficient is not distinct from zero"
                )
            kept.append(point)
            values.append(point.value.scaled(KB_EV_PER_K * point.temperature_K))
    counted = sorted({float(p.temperature_K) for p, value in zip(kept, values, strict=True) if value.lower > 0})
    if len(counted) < MIN_TEMPERATURES:
        details = f": {'; '.join(notes)}" if notes else ""
        raise AnalysisError(
            f"an Arrhenius fit needs {MIN_TEMPERATURES} temperatures with a coefficient above zero, there "
            f"{'is' if len(counted) == 1 else 'are'} {len(counted)}{details}. Hint: run longer, or at more temperatures"
        )

    inverse = 1.0 / (KB_EV_PER_K * np.array([point.temperature_K for point in kept], dtype=float))
    middle = float(inverse.mean())
    design = np.stack([np.ones(len(kept)), middle - inverse], axis=1)
    fit = _Fit.of(design, numbered_cells([point.cell for point in kept]), values, quantile)
    start = np.linalg.lstsq(design[fit.is_positive], np.log(fit.value[fit.is_positive]), rcond=None)[0]
    line = fit.line(start, 0.0)
    variance = variance_of_cells(*fit.residuals_and_weights(line), fit.cells)
    if variance:
        line = fit.line(line, variance)
    residual, weight = fit.residuals_and_weights(line)
    n_cells = int(informative_cells(weight, fit.cells).sum())
    if variance:
        few = "; two cells do not determine this scatter: intervals are too narrow" if n_cells < LEAST_CELLS else ""
        notes.append(f"cells differ by {100 * np.sqrt(variance):.0f} % beyond the errors of their runs{few}")
    alone = residual - offsets_of_cells(residual, weight, fit.cells, variance)
    chi_square = float(np.sum(weight * alone**2))
    scale = birge_ratio(chi_square, len(kept) - 2 - (n_cells - 1 if variance else 0))
    precise = inverse_covariance(weight / scale**2, fit.cells, variance)
    covariance = np.asarray(np.linalg.inv(design.T @ precise @ design), dtype=float)
    of_cells = covariance_of_cells(design, precise, residual, fit.cells, confidence)
    error = np.sqrt(max(covariance[1, 1], of_cells[1, 1]))
    return ArrheniusFit(
        log_middle=float(line[0]),
        middle_per_eV=middle,
        activation_energy_eV=Estimate.symmetric(np.array(line[1]), error, confidence=confidence),
        covariance=covariance,
        covariance_of_cells=of_cells,
        coldest_K=counted[0],
        hottest_K=counted[-1],
        n_points=len(kept),
        chi_square=chi_square,
        error_scale=scale,
        notes=tuple(notes),
        confidence=confidence,
    )


@dataclass(frozen=True)
class _Fit:
    """A line through points with different errors above and below."""

    design: FloatArray
    cells: IntArray
    value: FloatArray
    is_positive: BoolArray
    """Whether the interval is above zero, where errors are those of ln L; elsewhere those of L."""
    below: FloatArray
    above: FloatArray

    @classmethod
    def of(cls, design: FloatArray, cells: IntArray, estimates: Sequence[Estimate], quantile: float) -> "_Fit":
        """Take errors from the intervals of estimates."""
        value, lower, upper, error = (
            np.array([float(getattr(each, name)) for each in estimates])
            for name in ("value", "lower", "upper", "standard_error")
        )
        is_positive = lower > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            below = np.maximum(np.log(value / lower) / quantile, SMALLEST_ERROR)
            above = np.maximum(np.log(upper / value) / quantile, SMALLEST_ERROR)
        linear = (upper - value) / quantile
        below = np.where(is_positive, below, np.where(error != 0, error, linear))
        return cls(design, cells, value, is_positive, below, np.where(is_positive, above, linear))

    def line(self, start: FloatArray, variance_of_cells: float) -> FloatArray:
        """Return height and energy; with a variance between cells, each cell has an offset with that prior variance."""
        n_cells = int(self.cells.max()) + 1 if variance_of_cells else 0
        spread = np.sqrt(variance_of_cells)

        def residuals(parameters: FloatArray) -> FloatArray:
            logs, offsets = self.design @ parameters[:2], parameters[2:]
            if not n_cells:
                return self._deviations(logs)
            return np.concatenate([self._deviations(logs + spread * offsets[self.cells]), offsets])

        scales = [1.0, 0.1, *[1.0] * n_cells]
        return np.asarray(least_squares(residuals, [*start, *[0.0] * n_cells], x_scale=scales).x[:2])

    def residuals_and_weights(self, line: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the residual of ln L of each point, and its inverse variance."""
        logs = self.design @ line
        weight = 0.5 * (1.0 / self.above + 1.0 / self.below)
        weight = np.where(self.is_positive, weight, weight * np.exp(np.minimum(logs, MOST_LOG))) ** 2
        known = weight > 0
        residual = np.zeros(len(logs))
        np.divide(-self._deviations(logs), np.sqrt(weight), out=residual, where=known)
        return residual, weight

    def _deviations(self, logs: FloatArray) -> FloatArray:
        """Return deviations of ln L in standard errors, positive above the estimates; infinite errors give zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            of_logs = logs - np.log(self.value)
        apart = np.where(self.is_positive, of_logs, np.exp(np.minimum(logs, MOST_LOG)) - self.value)
        return np.asarray(apart / np.where(apart > 0, self.above, self.below))


def birge_ratio(chi_square: float, n_free: int) -> float:
    """Return the factor on errors: 1 unless chi² is improbable for its degrees of freedom."""
    if n_free < 1 or chi2.sf(chi_square, n_free) >= IMPROBABLE:
        return 1.0
    return float(np.sqrt(chi_square / n_free))
