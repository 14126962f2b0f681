"""Results: growth laws of interphases, in one trajectory and over replicas."""

from interphase_flows.analysis.growth.kinetics import GrowthKinetics
from interphase_flows.analysis.growth.replicas import AverageKinetics
from interphase_flows.analysis.results import Result, Unavailable


class GrowthResult(Result):
    """Growth of the thickness of each interphase."""

    sides: dict[str, GrowthKinetics | Unavailable]
    """By interface."""


class GrowthAverage(Result):
    """Growth of the thickness of each interphase over all replicas."""

    sides: dict[str, AverageKinetics | Unavailable]
    """By interface."""
    notes: list[str]
