"""Labels per hour, and the estimated time of the next decision of the loop."""

from datetime import UTC, datetime, timedelta

import pytest

from interphase_flows.commands.status import campaign_status
from interphase_flows.costs.throughput import Timeline, pace_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def times(loop_labels=(), decisions=(), batch=None, n_open=0, others=(), has_ended=False) -> Timeline:
    return Timeline(
        started_at=START,
        labels=sorted(at(hour) for hour in (*loop_labels, *others)),
        loop_labels=[at(hour) for hour in loop_labels],
        decisions=[at(hour) for hour in decisions],
        batch_at=None if batch is None else at(batch),
        n_open=n_open,
        has_ended=has_ended,
    )


@pytest.mark.parametrize(
    ("hours", "now", "n_labels", "window_h", "rate"),
    [
        # twelve in the last hour
        ([9 + i / 12 for i in range(1, 13)], 10, 12, 1, 12),
        # two in the last hour, eleven in the last six
        ([9.2, 9.8, *(5 + i / 3 for i in range(9))], 10, 11, 6, 11 / 6),
        # few labels: the longest window, cut at the start of the campaign
        ([1, 2, 3], 4, 3, 4, 3 / 4),
        ([], 4, 0, 4, None),
        # more than a day ago
        ([1, 2], 30, 0, 24, None),
    ],
)
def test_rate_is_taken_from_the_shortest_window_with_enough_labels(hours, now, n_labels, window_h, rate):
    pace = pace_of(times(loop_labels=sorted(hours)), at(now))
    assert (pace.n_labels, pace.window_h) == (n_labels, window_h)
    assert pace.labels_per_hour == (None if rate is None else pytest.approx(rate))


def test_next_decision_adds_open_labels_at_their_rate_and_the_training_time():
    """4 of 10 finished in 2 h, so 6 more take 3 h; the previous training took half an hour."""
    done = [1.0, *(4.5, 5.0, 5.5, 6.0)]
    pace = pace_of(times(loop_labels=done, decisions=[1.5], batch=4.0, n_open=6), at(6.0))
    assert pace.next_decision_s == pytest.approx(3600 * (3.0 + 0.5))
    assert pace.basis == "6 labels open at 2 per hour, then training as in iteration 0"


def test_after_the_last_label_the_rest_of_the_training_time_remains():
    """The previous training took half an hour, of which ten minutes have passed."""
    pace = pace_of(times(loop_labels=[1.0, 5.0], decisions=[1.5], batch=4.0), at(5.0 + 1 / 6))
    assert pace.next_decision_s == pytest.approx(3600 / 3)
    assert "estimated from training of iteration 0" in pace.basis


def test_before_the_selection_the_rest_of_the_iteration_time_remains():
    """The previous iteration took two hours."""
    pace = pace_of(times(loop_labels=[1.0, 3.0], decisions=[1.5, 3.5]), at(4.0))
    assert pace.next_decision_s == pytest.approx(3600 * 1.5)
    assert "iteration 2 explores; estimated from iteration 1" in pace.basis


@pytest.mark.parametrize(
    ("timeline", "now", "basis"),
    [
        (times(), 1, "the initial structures are not selected yet"),
        (times(batch=1, n_open=5), 2, "5 labels open, none finished recently"),
        (times(loop_labels=[1.1, 1.2, 1.3], batch=1, n_open=5), 2, "then the first training"),
        (times(loop_labels=[1.1], batch=1), 2, "duration of the first training is unknown"),
        (times(loop_labels=[1], decisions=[1.5]), 2, "iteration 1 is the first to explore"),
        (times(loop_labels=[1, 5], decisions=[1.5], batch=4), 9, "for longer than training of iteration 0"),
        (times(loop_labels=[1], decisions=[1.5], has_ended=True), 2, "the loop has ended"),
    ],
)
def test_next_decision_is_none_with_a_reason_if_it_cannot_be_estimated(timeline, now, basis):
    pace = pace_of(timeline, at(now))
    assert pace.next_decision_s is None
    assert basis in pace.basis


def test_labels_of_phases_count_for_the_rate_but_not_for_the_loop():
    pace = pace_of(times(loop_labels=[1.0], others=[1.1, 1.2, 1.4], decisions=[1.5], batch=2, n_open=1), at(3))
    assert pace.n_labels == 4
    assert pace.next_decision_s == pytest.approx(3600 * (3 / 4 + 0.5))


def test_status_contains_the_pace_until_there_is_a_result(settings, started, add):
    structures = {"name": "selection", "entries": [{"key": "a", "formula": "Li2"}]}
    started.ledger.put("structure_sets", "set", structures)
    label = {"structure_key": "b", "origin": "explore/0", "status": "accepted", "reason": None}
    started.ledger.put("labels", "label", label)
    started.ledger.put("labels", "twin", label | {"reason": "duplicate", "structure_key": "c"})
    add.foreign("labels", "theirs", label)
    pace = campaign_status(settings, "unit").pace
    assert (pace.n_labels, pace.n_labels_open) == (1, 1)
    started.close()
    stopped = campaign_status(settings, "unit").pace
    assert (stopped.next_decision_s, stopped.basis) == (None, "the campaign is interrupted")
    add.result("i0", "i1")
    assert campaign_status(settings, "unit").pace is None
