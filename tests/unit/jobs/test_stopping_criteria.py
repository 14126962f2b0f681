"""Stopping criteria of the active-learning loop."""

from dataclasses import replace

import pytest

from interphase_flows.campaign.schema import LearningSpec
from interphase_flows.jobs.stopping_criteria import Evidence, decide

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
    previous_met_targets=True,
    all_walkers_finished=True,
)


def test_loop_converges_when_both_targets_are_met_twice():
    """Targets are inclusive."""
    outcome = decide(LEARNING, GOOD)
    assert outcome.decision == "converged"
    assert outcome.targets_met


@pytest.mark.parametrize(
    ("change", "targets_met"),
    [
        ({"fraction_above_select": 0.051}, False),
        ({"fresh_force_mae_meV_per_angstrom": 100.1}, False),
        ({"all_walkers_finished": False}, False),
        ({"previous_met_targets": False}, True),
        ({"fraction_above_select": None}, False),
        ({"fresh_force_mae_meV_per_angstrom": None}, False),
        ({"iteration": 0}, True),
    ],
)
def test_loop_continues_if_any_criterion_fails(change, targets_met):
    """A target missed, a walker stopped, targets met for the first time, no audit, or too few iterations."""
    outcome = decide(LEARNING, replace(GOOD, **change))
    assert (outcome.decision, outcome.targets_met) == ("continue", targets_met)


@pytest.mark.parametrize(("change", "key"), [({"iteration": 5}, "max_iterations"), ({"n_labels": 100}, "max_labels")])
def test_exhausted_budget_names_its_key(change, key):
    outcome = decide(LEARNING, replace(GOOD, previous_met_targets=False, **change))
    assert outcome.decision == "budget_exhausted"
    assert key in outcome.reason


def test_convergence_in_the_last_iteration_counts_as_converged():
    assert decide(LEARNING, replace(GOOD, iteration=5, n_labels=100)).decision == "converged"
