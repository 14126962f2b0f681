"""When the loop ends."""

from dataclasses import replace

import pytest

from interphase_flows.campaign.schema import LearningSpec
from interphase_flows.datasets.convergence import Evidence, decide

LEARNING = LearningSpec(
    min_iterations=1,
    max_iterations=5,
    max_labels=100,
    target_force_mae_meV_per_angstrom=100.0,
    target_fraction_above_select=0.05,
)
GOOD = Evidence(
    iteration=3,
    n_labels=50,
    fraction_above_select=0.05,
    fresh_force_mae_meV_per_angstrom=100.0,
    was_good_before=True,
    all_walkers_finished=True,
)


def test_converged_means_both_targets_met_twice_in_a_row():
    """A target that is just met is met."""
    verdict = decide(LEARNING, GOOD)
    assert verdict.decision == "converged"
    assert verdict.targets_met


@pytest.mark.parametrize(
    ("change", "targets_met"),
    [
        ({"fraction_above_select": 0.051}, False),
        ({"fresh_force_mae_meV_per_angstrom": 100.1}, False),
        ({"all_walkers_finished": False}, False),
        ({"was_good_before": False}, True),
        ({"fraction_above_select": None}, False),
        ({"fresh_force_mae_meV_per_angstrom": None}, False),
        ({"iteration": 0}, True),
    ],
)
def test_anything_short_of_that_goes_on(change, targets_met):
    """One target missed, a walker stopped, only once, nothing audited, or too early."""
    verdict = decide(LEARNING, replace(GOOD, **change))
    assert (verdict.decision, verdict.targets_met) == ("continue", targets_met)


@pytest.mark.parametrize(
    ("change", "word"), [({"iteration": 5}, "max_iterations"), ({"n_labels": 100}, "max_labels")]
)
def test_running_out_is_not_converging_and_says_of_what(change, word):
    """The reason names the key of the campaign file."""
    verdict = decide(LEARNING, replace(GOOD, was_good_before=False, **change))
    assert verdict.decision == "budget_exhausted"
    assert word in verdict.reason


def test_converging_on_the_last_of_the_budget_is_converging():
    """Success is told as success."""
    assert decide(LEARNING, replace(GOOD, iteration=5, n_labels=100)).decision == "converged"
