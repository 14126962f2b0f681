"""Rates of a quantity in windows, over one or several replicas."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from interphase_flows.analysis.passivation.history import InterphaseHistory
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.analysis.statistics.replicas import LEAST_REPLICAS
from interphase_flows.analysis.statistics.window_rate import NoiseModel, WindowRate, window_rates

PEAK_CONFIDENCE = 0.999
"""Confidence with which an initial peak must differ from zero."""


@dataclass(frozen=True)
class ReplicaRate:
    """A rate over replicas."""

    rate: float
    within: float
    """Standard error from the noise within the replicas."""
    between: float
    """Standard error from the spread of three or more replicas; 0 for fewer."""
    degrees_of_freedom: int
    """Of the noise within the first replica."""
    n_replicas: int
    noise: NoiseModel
    """Noise model of the error within the first replica."""

    @property
    def standard_error(self) -> float:
        """Standard error of the rate."""
        return self.between or self.within

    def half(self, confidence: float = CONFIDENCE) -> float:
        """Return half the width of the interval."""
        return self._quantile(confidence) * self.standard_error

    def interval(self, confidence: float = CONFIDENCE) -> Estimate:
        """Return the rate with its interval."""
        quantile = self._quantile(confidence)
        return Estimate.symmetric(self.rate, self.standard_error, quantile=quantile, confidence=confidence)

    def _quantile(self, confidence: float) -> float:
        degrees = self.n_replicas - 1 if self.between else self.degrees_of_freedom
        return float(student.ppf(0.5 + confidence / 2, degrees))

    def peak_interval(self) -> Estimate:
        """Return the rate with its interval of `PEAK_CONFIDENCE`, given the noise within the replicas."""
        quantile = float(student.ppf(0.5 + PEAK_CONFIDENCE / 2, self.degrees_of_freedom))
        return Estimate.symmetric(self.rate, self.within, quantile=quantile, confidence=PEAK_CONFIDENCE)

    def differs_from_zero(self) -> bool:
        """Return whether the rate differs from zero with `PEAK_CONFIDENCE`."""
        interval = self.peak_interval()
        return bool(interval.lower > 0 or interval.upper < 0)


def replica_rates(replicas: Sequence[InterphaseHistory], name: str, edges_ps: Sequence[float]) -> list[ReplicaRate]:
    """Return the mean rates of a quantity in consecutive windows, whose edges are in ps.

    Raises
    ------
    AnalysisError
        A window has fewer than ten frames.
    """
    rates = [
        window_rates(np.asarray(each.time_ps, dtype=float), each.quantities[name], edges_ps, event=each.event_of(name))
        for each in replicas
    ]
    return [_over_replicas(of_window) for of_window in zip(*rates, strict=True)]


def _over_replicas(rates: Sequence[WindowRate]) -> ReplicaRate:
    values = np.array([rate.rate_per_ps for rate in rates])
    n = len(rates)
    return ReplicaRate(
        rate=float(values.mean()),
        within=math.sqrt(sum(rate.standard_error_per_ps**2 for rate in rates)) / n,
        between=float(values.std(ddof=1) / math.sqrt(n)) if n >= LEAST_REPLICAS else 0.0,
        degrees_of_freedom=rates[0].degrees_of_freedom,
        n_replicas=n,
        noise=rates[0].noise,
    )
