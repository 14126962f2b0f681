"""Coefficients against temperature: L_ii = L0 exp(-E / kB T), and whole matrices.

A fit takes estimates with intervals at three temperatures or more, of one cell or of several. Each has its own error
above and below, on the scale of ln L, by its interval. An L_ii that cannot be told from zero has no logarithm; to leave
it out would keep the cold temperatures that noise has lifted, and make E too small. It is compared with the line on
a linear scale instead, and does not count as one of the three.

If the points scatter about the line by more than their errors allow (chi² beyond its 95th percentile), the errors
are scaled up (Birge, Phys. Rev. 40, 207 (1932)) and the fit says so: cells that differ and lines that bend look alike.

A matrix has a line for each ln L_ii and one for each correlation C_ij = L_ij / sqrt(L_ii L_jj) against 1 / kB T.
Outside the measured temperatures C_ij stays what it is at the nearest one, and its error grows by what the line
would have added.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import chi2

from interphase_flows.analysis.frames import FloatArray
from interphase_flows.analysis.transport.intervals import Estimate, normal_quantile, symmetric
from interphase_flows.analysis.transport.positive_matrices import OnsagerParts
from interphase_flows.exceptions import AnalysisError
from interphase_flows.units import KB_EV_PER_K

MIN_TEMPERATURES = 3
IMPROBABLE = 0.05
"""A chi² that is exceeded more rarely widens the errors."""
SMALLEST_ERROR = 1e-6
"""Of ln L and of C: keeps weights finite."""


@dataclass(frozen=True)
class MeasuredAt:
    """What a run at one temperature gave: a number or a matrix of them, or why there is none."""

    temperature_K: float
    value: Estimate | None
    refusal: str = ""


@dataclass(frozen=True)
class ArrheniusFit:
    """A line of ln L against 1 / kB T."""

    log_middle: float
    """ln L at the middle of the fit, L in 1/(eV Å ps)."""
    middle_per_eV: float
    """1 / kB T there: errors of height and slope are independent about it."""
    activation_energy_eV: Estimate
    """Shape ()."""
    covariance: FloatArray
    """Of `log_middle` and the activation energy, (2, 2)."""
    coldest_K: float
    hottest_K: float
    """Of the temperatures that count."""
    n_points: int
    chi_square: float
    error_scale: float
    """What errors were multiplied by, because points scatter more than they allow; 1 where they do not."""
    notes: tuple[str, ...]
    """What was left out or limits only, and why."""
    confidence: float

    @property
    def is_straight(self) -> bool:
        """Whether the points agree with a line within their errors."""
        return self.error_scale == 1.0

    def log_at(self, temperature_K: float) -> tuple[float, float]:
        """Return ln L and its standard error."""
        gradient = np.array([1.0, self.middle_per_eV - 1.0 / (KB_EV_PER_K * temperature_K)])
        energy = float(self.activation_energy_eV.value)
        variance = float(gradient @ self.covariance @ gradient)
        return float(self.log_middle + energy * gradient[1]), float(np.sqrt(variance))

    def at(self, temperature_K: float) -> Estimate:
        """Return L at a temperature, shape (); the interval widens with the distance from those measured."""
        log, error = self.log_at(temperature_K)
        half = normal_quantile(self.confidence) * error
        with np.errstate(over="ignore"):
            value, lower, upper = np.exp([log, log - half, log + half])
        return Estimate(value, value * error, lower, upper)

    def warning_at(self, temperature_K: float) -> str | None:
        """Return what to know before believing `at`, None between the measured temperatures."""
        if self.coldest_K <= temperature_K <= self.hottest_K:
            return None
        inverse, cold, hot = (1.0 / t for t in (temperature_K, self.coldest_K, self.hottest_K))
        outside = max(inverse - cold, hot - inverse) / (cold - hot)
        return (
            f"{temperature_K:g} K is outside the measured {self.coldest_K:g} to {self.hottest_K:g} K, by "
            f"{outside:.2g} times their range in 1/T: extrapolated along a line that bends where a melt becomes a glass"
        )


def arrhenius_fit(points: Sequence[MeasuredAt], confidence: float = 0.95) -> ArrheniusFit:
    """Fit ln L against 1 / kB T.

    Parameters
    ----------
    points
        Positive numbers, shape (), in 1/(eV Å ps), with intervals of the same confidence; several may have the
        same temperature.
    confidence
        Of their intervals and of those of the result.

    Raises
    ------
    AnalysisError
        Fewer than three temperatures have a number that can be told from zero; says what each gave.
    """
    quantile = normal_quantile(confidence)
    kept: list[tuple[float, Estimate]] = []
    notes: list[str] = []
    for point in sorted(points, key=lambda each: each.temperature_K):
        if point.value is None:
            notes.append(f"{point.temperature_K:g} K left out: {point.refusal or 'no number'}")
        elif not point.value.lower > 0 and not np.isfinite(point.value.upper):
            notes.append(f"{point.temperature_K:g} K left out: its interval has neither end")
        else:
            if not point.value.lower > 0:
                notes.append(f"{point.temperature_K:g} K limits only: it cannot be told from zero")
            kept.append((point.temperature_K, point.value))
    counted = sorted({float(temperature) for temperature, value in kept if value.lower > 0})
    if len(counted) < MIN_TEMPERATURES:
        told = f": {'; '.join(notes)}" if notes else ""
        raise AnalysisError(
            f"{len(counted)} temperature{'' if len(counted) == 1 else 's'} with a number above zero cannot carry an "
            f"Arrhenius line, {MIN_TEMPERATURES} or more can{told}. Run longer, or at more temperatures"
        )

    inverse = 1.0 / (KB_EV_PER_K * np.array([temperature for temperature, _ in kept], dtype=float))
    middle = float(inverse.mean())
    deviations = [_Deviation(value, quantile) for _, value in kept]

    def residuals(line: FloatArray) -> FloatArray:
        logs = line[0] - line[1] * (inverse - middle)
        return np.array([each.of(log) for each, log in zip(deviations, logs, strict=True)])

    positive = np.array([value.lower > 0 for _, value in kept])
    logs = np.log([float(value.value) for _, value in kept if value.lower > 0])
    slope, height = np.polyfit(inverse[positive] - middle, logs, 1)
    found = least_squares(residuals, [height, -slope], x_scale=[1.0, 0.1]).x
    fitted = found[0] - found[1] * (inverse - middle)
    weights = np.array([each.weight(log) for each, log in zip(deviations, fitted, strict=True)])
    design = np.stack([np.ones(len(kept)), middle - inverse], axis=1)
    information = design.T @ (weights[:, None] * design)
    chi_square = float(np.sum(residuals(found) ** 2))
    scale = _birge(chi_square, len(kept) - 2)
    covariance = np.linalg.inv(information) * scale**2
    return ArrheniusFit(
        log_middle=float(found[0]),
        middle_per_eV=middle,
        activation_energy_eV=symmetric(np.array(found[1]), np.sqrt(covariance[1, 1]), quantile),
        covariance=covariance,
        coldest_K=counted[0],
        hottest_K=counted[-1],
        n_points=len(kept),
        chi_square=chi_square,
        error_scale=scale,
        notes=tuple(notes),
        confidence=confidence,
    )


class _Deviation:
    """How far a hypothesis is from an estimate, in standard errors: one for each side of the estimate."""

    def __init__(self, estimate: Estimate, quantile: float) -> None:
        self.value = float(estimate.value)
        self.is_positive = bool(estimate.lower > 0)
        if self.is_positive:
            self.log = np.log(self.value)
            above, below = np.log([estimate.upper / self.value, self.value / estimate.lower])
            self.below = max(float(below) / quantile, SMALLEST_ERROR)
            self.above = max(float(above) / quantile, SMALLEST_ERROR)
        else:
            self.above = float(estimate.upper - estimate.value) / quantile
            self.below = float(estimate.standard_error) or self.above

    def of(self, log: float) -> float:
        """Return the deviation of ln L, above the estimate positive; infinite errors count nothing."""
        with np.errstate(over="ignore"):
            apart = log - self.log if self.is_positive else np.exp(min(log, 300.0)) - self.value
        return float(apart / (self.above if apart > 0 else self.below))

    def weight(self, log: float) -> float:
        """Return the inverse variance that the estimate gives ln L near a value of it."""
        mean = 0.5 * (1.0 / self.above + 1.0 / self.below)
        return float((mean if self.is_positive else mean * np.exp(min(log, 300.0))) ** 2)


def _birge(chi_square: float, n_free: int) -> float:
    if n_free < 1 or chi2.sf(chi_square, n_free) >= IMPROBABLE:
        return 1.0
    return float(np.sqrt(chi_square / n_free))


@dataclass(frozen=True)
class ArrheniusMatrix:
    """Onsager coefficients of one composition at any temperature."""

    species: tuple[str, ...]
    diagonal: tuple[ArrheniusFit, ...]
    """Of L_ii, in the order of `species`."""
    correlation: Mapping[tuple[int, int], "CorrelationLine"]
    """Of C_ij, i < j."""

    def parts_at(self, temperature_K: float) -> OnsagerParts:
        """Return ln L_ii and C_ij at a temperature."""
        n = len(self.species)
        logs = np.array([fit.log_at(temperature_K) for fit in self.diagonal])
        correlation, error = np.eye(n), np.zeros((n, n))
        for (i, j), line in self.correlation.items():
            correlation[[i, j], [j, i]], error[[i, j], [j, i]] = line.at(temperature_K)
        return OnsagerParts(logs[:, 0], logs[:, 1], correlation, error)

    def at(self, temperature_K: float) -> Estimate:
        """Return L_ij at a temperature, (n_species, n_species): symmetric and positive semidefinite."""
        return self.parts_at(temperature_K).estimate(self.diagonal[0].confidence)

    def warnings_at(self, temperature_K: float) -> list[str]:
        """Return what to know before believing `at`."""
        told = zip(self.species, (fit.warning_at(temperature_K) for fit in self.diagonal), strict=True)
        return [f"{symbol}: {warning}" for symbol, warning in told if warning]


@dataclass(frozen=True)
class CorrelationLine:
    """C_ij as a line in 1 / kB T between two temperatures, constant outside."""

    height: float
    slope_eV: float
    covariance: FloatArray
    """Of both, (2, 2)."""
    middle_per_eV: float
    least_per_eV: float
    most_per_eV: float

    def at(self, temperature_K: float) -> tuple[float, float]:
        """Return C_ij, within -1 to 1, and its standard error."""
        asked = 1.0 / (KB_EV_PER_K * temperature_K)
        inside = float(np.clip(asked, self.least_per_eV, self.most_per_eV))
        gradient = np.array([1.0, inside - self.middle_per_eV])
        beyond = abs(asked - inside)
        variance = gradient @ self.covariance @ gradient
        variance += beyond**2 * (self.slope_eV**2 + self.covariance[1, 1])
        value = np.clip(self.height + self.slope_eV * gradient[1], -1.0, 1.0)
        return float(value), float(np.sqrt(variance))


def arrhenius_matrix(
    species: Sequence[str], points: Sequence[MeasuredAt], confidence: float = 0.95
) -> ArrheniusMatrix:
    """Fit Onsager matrices against temperature.

    Parameters
    ----------
    species
        Names, in the order of the matrices.
    points
        L_ij, (n_species, n_species), with intervals, in a frame that ties no species to the others (lattice or
        Hittorf, without the species at rest). In the barycentric frame sum_i m_i L_ij = 0, which a fit of each
        coefficient does not keep.
    confidence
        Of their intervals and of those of the result.

    Raises
    ------
    AnalysisError
        An L_ii has too few temperatures, or a C_ij has fewer than three points.
    """
    fits = []
    for i, symbol in enumerate(species):
        try:
            fits.append(arrhenius_fit([element(point, i) for point in points], confidence))
        except AnalysisError as error:
            raise AnalysisError(f"{symbol}: {error}") from error
    lines = {
        (i, j): _correlation_line(points, i, j, f"{species[i]}-{species[j]}")
        for i, j in combinations(range(len(species)), 2)
    }
    return ArrheniusMatrix(tuple(species), tuple(fits), lines)


def element(point: MeasuredAt, i: int) -> MeasuredAt:
    """Return what a run gave of one L_ii."""
    value = None if point.value is None else point.value[i, i]
    return MeasuredAt(point.temperature_K, value, point.refusal)


def _correlation_line(points: Sequence[MeasuredAt], i: int, j: int, pair: str) -> CorrelationLine:
    """Fit C_ij by weighted least squares; the error of L_ij is taken as that of C_ij, which is a little large."""
    inverse, found, errors = [], [], []
    for point in points:
        value = point.value
        if value is None or not (value.lower[i, i] > 0 and value.lower[j, j] > 0):
            continue
        scale = np.sqrt(value.value[i, i] * value.value[j, j])
        inverse.append(1.0 / (KB_EV_PER_K * point.temperature_K))
        found.append(value.value[i, j] / scale)
        errors.append(max(value.standard_error[i, j] / scale, SMALLEST_ERROR))
    if len(set(inverse)) < MIN_TEMPERATURES:
        raise AnalysisError(
            f"{pair}: {len(set(inverse))} temperatures have a correlation, {MIN_TEMPERATURES} are needed: both L_ii "
            "must be above zero. Run longer, or at more temperatures"
        )
    at, weight = np.array(inverse), 1.0 / np.array(errors) ** 2
    middle = float(at.mean())
    design = np.stack([np.ones(len(at)), at - middle], axis=1)
    covariance = np.linalg.inv(design.T @ (weight[:, None] * design))
    line = covariance @ design.T @ (weight * found)
    chi_square = float(np.sum(weight * (found - design @ line) ** 2))
    scale = _birge(chi_square, len(at) - 2)
    return CorrelationLine(
        height=float(line[0]),
        slope_eV=float(line[1]),
        covariance=np.asarray(covariance * scale**2, dtype=float),
        middle_per_eV=middle,
        least_per_eV=float(at.min()),
        most_per_eV=float(at.max()),
    )
