"""Labels per hour and the time until the loop decides, by times alone."""

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
        # few at all: the longest window, cut at the campaign's beginning
        ([1, 2, 3], 4, 3, 4, 3 / 4),
        ([], 4, 0, 4, None),
        # more than a day ago
        ([1, 2], 30, 0, 24, None),
    ],
)
def test_the_rate_is_that_of_the_shortest_window_with_enough_labels(hours, now, n_labels, window_h, rate):
    """Of one, six, or twenty-four hours; and the window is told."""
    pace = pace_of(times(loop_labels=sorted(hours)), at(now))
    assert (pace.n_labels, pace.window_h) == (n_labels, window_h)
    assert pace.labels_per_hour == (None if rate is None else pytest.approx(rate))


def test_open_labels_take_as_long_as_their_rate_says_and_then_the_training_comes():
    """4 of 10 done in 2 h: 6 more in 3 h, then half an hour as after the last label of the iteration before."""
    done = [1.0, *(4.5, 5.0, 5.5, 6.0)]
    pace = pace_of(times(loop_labels=done, decisions=[1.5], batch=4.0, n_open=6), at(6.0))
    assert pace.next_decision_s == pytest.approx(3600 * (3.0 + 0.5))
    assert pace.basis == "6 labels open at 2 per hour, then training as in iteration 0"


def test_after_the_labels_the_rest_of_the_training_is_left():
    """Half an hour in the iteration before, ten minutes of which have gone."""
    pace = pace_of(times(loop_labels=[1.0, 5.0], decisions=[1.5], batch=4.0), at(5.0 + 1 / 6))
    assert pace.next_decision_s == pytest.approx(3600 / 3)
    assert "training of iteration 0 took as long" in pace.basis


def test_before_they_are_chosen_the_rest_of_a_whole_iteration_is_left():
    """The last one took two hours."""
    pace = pace_of(times(loop_labels=[1.0, 3.0], decisions=[1.5, 3.5]), at(4.0))
    assert pace.next_decision_s == pytest.approx(3600 * 1.5)
    assert "iteration 2 explores; iteration 1 took as long" in pace.basis


@pytest.mark.parametrize(
    ("timeline", "now", "basis"),
    [
        (times(), 1, "the first structures are not chosen yet"),
        (times(batch=1, n_open=5), 2, "5 labels open, and none was done lately"),
        (times(loop_labels=[1.1, 1.2, 1.3], batch=1, n_open=5), 2, "then the first training"),
        (times(loop_labels=[1.1], batch=1), 2, "no training before it to compare with"),
        (times(loop_labels=[1], decisions=[1.5]), 2, "iteration 1 explores, and no iteration before it did"),
        (times(loop_labels=[1, 5], decisions=[1.5], batch=4), 9, "longer than training of iteration 0 took"),
        (times(loop_labels=[1], decisions=[1.5], has_ended=True), 2, "the loop has ended"),
    ],
)
def test_what_cannot_be_said_is_unknown_with_the_reason(timeline, now, basis):
    """Rather than a number from nowhere."""
    pace = pace_of(timeline, at(now))
    assert pace.next_decision_s is None
    assert basis in pace.basis


def test_labels_of_phases_are_in_the_rate_and_not_in_the_loop():
    """They are done beside it."""
    pace = pace_of(
        times(loop_labels=[1.0], others=[1.1, 1.2, 1.4], decisions=[1.5], batch=2, n_open=1), at(3)
    )
    assert pace.n_labels == 4
    assert pace.next_decision_s == pytest.approx(3600 * (3 / 4 + 0.5))


def test_a_status_has_the_pace_of_its_campaign(settings, started, add):
    """By the times of its own documents; none once there is a result."""
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
