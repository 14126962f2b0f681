"""What a report is told of labels: refusals, corrections, cost, self-consistency cycles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class CorrectionRow:
    """One kind of correction by an error handler."""

    handler: str
    errors: str
    actions: str
    changes_theory: bool
    count: int


@dataclass(frozen=True)
class ScfStatistics:
    """Self-consistency cycles of the labels that say how theirs went."""

    n_labels: int
    n_unconverged: int
    steps_median: float | None = None
    steps_max: int | None = None
    peak_memory_max_gb: float | None = None


@dataclass(frozen=True)
class Labelling:
    """Refusals, corrections, cost and self-consistency cycles of a campaign's labels."""

    n_accepted: int
    rejected: Mapping[str, int]
    corrections: Sequence[CorrectionRow] = ()
    n_corrected: int = 0
    spent_s: float = 0.0
    expected_s: float | None = None
    """By the cost model before it had seen any label."""
    expected_factor: float | None = None
    """By which the expectation may be wrong (one standard deviation)."""
    scf: ScfStatistics | None = None
    examples: Mapping[str, str] = field(default_factory=dict)
    """Reason -> what was said of the first label refused for it."""
