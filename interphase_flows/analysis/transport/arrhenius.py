"""A coefficient against temperature: L_ii = L0 exp(-E / kB T).

A fit takes estimates with intervals at three temperatures or more, of one cell or of several. Each has its own error
above and below, on the scale of ln L, by its interval. An L_ii that cannot be told from zero has no logarithm; to leave
it out would keep the cold temperatures that noise has lifted, and make E too small. It is compared with the line on
a linear scale instead, and does not count as one of the three.

If the points scatter about the line by more than their errors allow (chi² beyond its 95th percentile), the errors
are scaled up (Birge, Phys. Rev. 40, 207 (1932)) and the fit says so: cells that differ and lines that bend look alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import chi2

from interphase_flows.analysis.frames import FloatArray
from interphase_flows.analysis.transport.intervals import Estimate, normal_quantile, symmetric
from interphase_flows.exceptions import AnalysisError
from interphase_flows.units import KB_EV_PER_K

MIN_TEMPERATURES = 3
IMPROBABLE = 0.05
"""A chi² that is exceeded more rarely widens the errors."""
SMALLEST_ERROR = 1e-6
"""Of ln L and of a correlation: keeps weights finite."""


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
    scale = birge_ratio(chi_square, len(kept) - 2)
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


def birge_ratio(chi_square: float, n_free: int) -> float:
    """Return what errors are multiplied by: 1 unless chi² is improbable with so many degrees of freedom."""
    if n_free < 1 or chi2.sf(chi_square, n_free) >= IMPROBABLE:
        return 1.0
    return float(np.sqrt(chi_square / n_free))
