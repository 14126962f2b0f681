"""Rates of a quantity in windows, over one or several replicas."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from interphase_flows.analysis.array_types import FloatArray
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
    n_points: int
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
        degrees = self.n_replicas - 1 if self.between else self.n_points - 2
        return float(student.ppf(0.5 + confidence / 2, degrees))

    def differs_from_zero(self) -> bool:
        """Return whether the rate differs from zero significantly, given the noise within the replicas."""
        return abs(self.rate) > float(student.ppf(0.5 + PEAK_CONFIDENCE / 2, self.n_points - 2)) * self.within


def replica_rates(
    replicas: Sequence[InterphaseHistory], name: str, spans_ps: Sequence[tuple[float, float]]
) -> list[ReplicaRate]:
    """Return the mean rates of a quantity between pairs of times in ps, in which its noise obeys one model per replica.

    Raises
    ------
    AnalysisError
        There are fewer than ten frames.
    """
    rates = []
    for each in replicas:
        time: FloatArray = np.asarray(each.time_ps, dtype=float)
        slack = 1e-9 * float(time[-1])
        windows = [(time >= begin - slack) & (time <= end + slack) for begin, end in spans_ps]
        series = each.quantities[name]
        rates.append(window_rates([(time[inside], series[inside]) for inside in windows], event=each.event_of(name)))
    return [_over_replicas(of_span) for of_span in zip(*rates, strict=True)]


def _over_replicas(rates: Sequence[WindowRate]) -> ReplicaRate:
    values = np.array([rate.rate_per_ps for rate in rates])
    n = len(rates)
    return ReplicaRate(
        rate=float(values.mean()),
        within=math.sqrt(sum(rate.standard_error_per_ps**2 for rate in rates)) / n,
        between=float(values.std(ddof=1) / math.sqrt(n)) if n >= LEAST_REPLICAS else 0.0,
        n_points=rates[0].n_points,
        n_replicas=n,
        noise=rates[0].noise,
    )
