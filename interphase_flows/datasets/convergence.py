"""When a loop has learned enough, and when it has merely run out."""

from dataclasses import dataclass
from typing import Literal, Protocol


class LoopTargets(Protocol):
    """Targets and budget of the loop, as a campaign file sets them."""

    @property
    def min_iterations(self) -> int:
        """Iterations before which the loop is never called converged."""
        ...

    @property
    def max_iterations(self) -> int:
        """Budget of iterations."""
        ...

    @property
    def max_labels(self) -> int:
        """Budget of labels."""
        ...

    @property
    def target_force_mae_meV_per_angstrom(self) -> float:
        """Largest error on the labelled random sample, in meV/Å."""
        ...

    @property
    def target_fraction_above_select(self) -> float:
        """Largest fraction of frames above the selection level."""
        ...


@dataclass(frozen=True)
class Evidence:
    """What one iteration showed, on dynamics that trained no member.

    Parameters
    ----------
    iteration
        Its number; 0 is the initial committee, which has explored nothing.
    n_labels
        Labels in the data set.
    fraction_above_select
        Of the audit walkers' frames, None if there were none.
    fresh_force_mae_meV_per_angstrom
        Error on the labelled random sample of those frames, None if there is none.
    was_good_before
        Whether the iteration before was below both targets.
    all_walkers_finished
        Whether every audit walker reached its last step.
    """

    iteration: int
    n_labels: int
    fraction_above_select: float | None
    fresh_force_mae_meV_per_angstrom: float | None
    was_good_before: bool
    all_walkers_finished: bool


@dataclass(frozen=True)
class Verdict:
    """A decision and its reason in words; ``targets_met`` is what the next iteration asks of this one."""

    decision: Literal["continue", "converged", "budget_exhausted"]
    reason: str
    targets_met: bool


def decide(learning: LoopTargets, evidence: Evidence) -> Verdict:
    """Converged: both targets met on fresh dynamics, twice in a row.  Out of budget is another outcome."""
    fraction, error = evidence.fraction_above_select, evidence.fresh_force_mae_meV_per_angstrom
    if fraction is None or error is None:
        good, found = False, "no fresh dynamics were audited yet"
    else:
        good = (
            fraction <= learning.target_fraction_above_select
            and error <= learning.target_force_mae_meV_per_angstrom
            and evidence.all_walkers_finished
        )
        found = (
            f"on fresh dynamics {fraction:.0%} of frames above the selection level (target "
            f"{learning.target_fraction_above_select:.0%}) and a force error of {error:.0f} meV/Å (target "
            f"{learning.target_force_mae_meV_per_angstrom:.0f})"
        )
        if not evidence.all_walkers_finished:
            found += "; an audit walker was stopped"
    if good and evidence.was_good_before and evidence.iteration >= learning.min_iterations:
        return Verdict("converged", f"{found}, twice in a row", good)
    if evidence.iteration >= learning.max_iterations:
        return Verdict(
            "budget_exhausted",
            f"{found}; learning.max_iterations = {learning.max_iterations} is reached",
            good,
        )
    if evidence.n_labels >= learning.max_labels:
        return Verdict(
            "budget_exhausted", f"{found}; learning.max_labels = {learning.max_labels} is reached", good
        )
    return Verdict("continue", f"{found}{', once' if good else ''}", good)
