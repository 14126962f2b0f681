"""What is tried again after a failed calculation is a table."""

import pytest

from interphase_flows.reference.retry_policy import GPAW_POLICY, Action, correction, next_action


def test_nothing_that_is_tried_by_default_changes_the_level_of_theory():
    """Only how the same ground state is looked for."""
    assert not any(action.changes_theory for actions in GPAW_POLICY.values() for action in actions)


@pytest.mark.parametrize("reason", GPAW_POLICY)
def test_failures_are_answered_in_order_until_the_table_is_used_up(reason):
    """One action after the other, then none."""
    actions = GPAW_POLICY[reason]
    assert [next_action(GPAW_POLICY, reason, n) for n in range(len(actions) + 1)] == [*actions, None]


def test_a_reason_nobody_thought_of_is_given_up_at_once():
    """Trying again blindly costs hours."""
    assert next_action(GPAW_POLICY, "sunspots", 0) is None


def test_a_correction_says_what_was_done_why_and_whether_it_still_is_the_same_theory():
    """As documents record it."""
    record = correction("Handler", "scf_not_converged", Action("less smearing", changes_theory=True))
    assert (record.errors, record.actions, record.changes_theory) == (
        ["scf_not_converged"],
        ["less smearing"],
        True,
    )
