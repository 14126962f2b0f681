"""Results: counts of anions, and the reactions between them."""

from pydantic import Field

from interphase_flows.analysis.results import Result
from interphase_flows.analysis.speciation.reaction_graph import Transition
from interphase_flows.analysis.statistics.estimate import Estimate


class AnionsResult(Result):
    """Anions at the start and at the end of a trajectory, each a mean over a tenth of the frames, by label."""

    labels: list[str]
    n_frames: int
    start: dict[str, float]
    """Number of anions."""
    end: dict[str, float]
    centre_share_start: dict[str, float]
    """Fraction of the network formers in anions of the label."""
    centre_share_end: dict[str, float]


class Lifetime(Result):
    """Lifetime of a label of an atom."""

    median_ps: Estimate
    n_stretches: int
    n_ended: int


class ReactionsResult(Result):
    """Reaction graph of the atoms of one role: events, rates with intervals, lifetimes."""

    least_frames: int
    """Consecutive frames that a label must hold to count."""
    transitions: list[Transition]
    at_risk_atom_ps: dict[str, float]
    """By label: time spent under it, summed over atoms."""
    lifetimes: dict[str, Lifetime] = Field(default_factory=dict)
    """By label; of single trajectories only."""


class AnionsAverage(Result):
    """Anions over replicas, by label."""

    start: dict[str, Estimate]
    end: dict[str, Estimate]
    centre_share_start: dict[str, Estimate]
    centre_share_end: dict[str, Estimate]
