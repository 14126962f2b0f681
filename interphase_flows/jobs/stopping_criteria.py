"""Stopping criteria of the active-learning loop: convergence and budget."""

from dataclasses import dataclass
from typing import Literal

from interphase_flows.campaign.schema import LearningSpec


@dataclass(frozen=True)
class Evidence:
    """Results of one iteration on audit dynamics, which are not used for training; iteration 0 has no exploration.

    ``n_labels`` are those of the dataset that the campaign has computed, without imported ones.
    The fraction of audit frames above the selection level is None without audit frames, and the mean absolute force
    error is None without fresh audit labels.
    """

    iteration: int
    n_labels: int
    fraction_above_select: float | None
    fresh_force_mae_meV_per_angstrom: float | None
    previous_met_targets: bool
    all_walkers_finished: bool


@dataclass(frozen=True)
class LoopDecision:
    """Decision on the loop, with its reason; ``targets_met`` is an input of the next iteration."""

    decision: Literal["continue", "converged", "budget_exhausted"]
    reason: str
    targets_met: bool


def decide(learning: LearningSpec, evidence: Evidence) -> LoopDecision:
    """Decide whether the loop continues, is converged, or has exhausted its budget.

    Converged means that both targets are met on new trajectories in two consecutive iterations.
    """
    fraction, error = evidence.fraction_above_select, evidence.fresh_force_mae_meV_per_angstrom
    if fraction is None or error is None:
        meets_targets, summary = False, "no new trajectory was audited yet"
    else:
        meets_targets = (
            fraction <= learning.target_fraction_above_select
            and error <= learning.target_force_mae_meV_per_angstrom
            and evidence.all_walkers_finished
        )
        summary = (
            f"in new trajectories, {fraction:.0%} of the frames are above the selection level (target "
            f"{learning.target_fraction_above_select:.0%}) and the force error is {error:.0f} meV/Å (target "
            f"{learning.target_force_mae_meV_per_angstrom:.0f})"
        )
        if not evidence.all_walkers_finished:
            summary += "; an audit walker did not finish"
    if meets_targets and evidence.previous_met_targets and evidence.iteration >= learning.min_iterations:
        return LoopDecision("converged", f"{summary}, in two consecutive iterations", True)
    if evidence.iteration >= learning.max_iterations:
        return LoopDecision(
            "budget_exhausted",
            f"{summary}; learning.max_iterations = {learning.max_iterations} is reached",
            meets_targets,
        )
    if evidence.n_labels >= learning.max_labels:
        return LoopDecision(
            "budget_exhausted",
            f"{summary}; learning.max_labels = {learning.max_labels} is reached",
            meets_targets,
        )
    return LoopDecision("continue", f"{summary}{'; targets met' if meets_targets else ''}", meets_targets)
