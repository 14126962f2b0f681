"""How fast a campaign goes: labels per hour, and when the loop should decide next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from interphase_flows.costs.budget import INITIAL, SELECTION
from interphase_flows.schemas.origin import Origin
from interphase_flows.storage.workspace import Workspace

WINDOWS_H = (1.0, 6.0, 24.0)
ENOUGH_LABELS = 10
"""The shortest window with so many labels tells the rate; else the longest."""

ENOUGH_OF_BATCH = 3
"""So many labels of the batch at hand tell its own rate."""


@dataclass(frozen=True)
class Pace:
    """Labels per hour, and the seconds until the next decision of the loop.

    ``labels_per_hour`` is None without a label in the longest window; ``n_labels`` and ``window_h`` say what it is from.
    ``n_labels_open`` are chosen and not labelled yet.  ``next_decision_s`` is None where it cannot be said; ``basis``
    says how it was found, or why it was not.
    """

    labels_per_hour: float | None
    n_labels: int
    window_h: float
    n_labels_open: int
    next_decision_s: float | None
    basis: str


@dataclass(frozen=True)
class Timeline:
    """Times of what a campaign did, oldest first: labels of the loop, all labels, decisions, and the batch at hand.

    ``batch_at`` is when its structures were chosen, None if they are not; ``n_open`` of them have no label.
    """

    started_at: datetime
    labels: Sequence[datetime]
    loop_labels: Sequence[datetime]
    decisions: Sequence[datetime]
    batch_at: datetime | None
    n_open: int
    has_ended: bool


def campaign_pace(workspace: Workspace, started_at: str, stands_still: str | None) -> Pace:
    """Return the pace of a campaign by the times in its ledger.

    Parameters
    ----------
    workspace
        Of the campaign.
    started_at
        When it was started, ISO 8601.
    stands_still
        Why nothing of it goes on, such as ``paused``; None if it goes on.
    """
    return pace_of(_timeline(workspace, started_at), datetime.now(UTC), stands_still)


def pace_of(times: Timeline, now: datetime, stands_still: str | None = None) -> Pace:
    """Return the pace by times, seen from now."""
    n_labels, window_h = _window(times, now)
    rate = n_labels / window_h if n_labels else None
    seconds, basis = (None, stands_still) if stands_still else _next_decision(times, now, rate)
    return Pace(
        labels_per_hour=rate,
        n_labels=n_labels,
        window_h=window_h,
        n_labels_open=times.n_open,
        next_decision_s=seconds,
        basis=basis or "",
    )


def _window(times: Timeline, now: datetime) -> tuple[int, float]:
    """Return how many labels there are in a window of the recent past, and its length in hours."""
    n_labels, window_h = 0, WINDOWS_H[-1]
    for window_h in WINDOWS_H:
        n_labels = sum(now - timedelta(hours=window_h) <= label <= now for label in times.labels)
        if n_labels >= ENOUGH_LABELS:
            break
    age_h = _seconds(times.started_at, now) / 3600
    return n_labels, min(window_h, age_h) if age_h > 0 else window_h


def _next_decision(times: Timeline, now: datetime, rate: float | None) -> tuple[float | None, str]:
    """Return the seconds until the loop decides, or None, and in words what that is from.

    While labels are open: these at their rate, then as long as the last iteration took from its last label to its
    decision.  After them: the rest of that.  Before they are chosen: the rest of the last iteration's whole time.
    """
    if times.has_ended:
        return None, "the loop has ended"
    index = len(times.decisions)
    if times.batch_at is None:
        if index == 0:
            return None, "the first structures are not chosen yet"
        if index == 1:
            return None, f"iteration {index} explores, and no iteration before it did"
        whole_s = _seconds(times.decisions[-2], times.decisions[-1])
        return _rest(
            whole_s, times.decisions[-1], now, f"iteration {index} explores", f"iteration {index - 1}"
        )
    tail_s = _from_last_label(times)
    if times.n_open == 0:
        if tail_s is None or not times.loop_labels:
            return None, f"labels of iteration {index} are done; no training before it to compare with"
        stage = f"labels of iteration {index} are done"
        return _rest(tail_s, times.loop_labels[-1], now, stage, f"training of iteration {index - 1}")
    of_batch = sum(label >= times.batch_at for label in times.loop_labels)
    batch_h = _seconds(times.batch_at, now) / 3600
    if of_batch >= ENOUGH_OF_BATCH and batch_h > 0:
        rate = of_batch / batch_h
    if not rate:
        return None, f"{times.n_open} labels open, and none was done lately"
    labels_s = 3600 * times.n_open / rate
    at_rate = f"{times.n_open} labels open at {rate:.3g} per hour"
    if tail_s is None:
        return None, f"{at_rate}, then the first training, whose length is not known"
    return labels_s + tail_s, f"{at_rate}, then training as in iteration {index - 1}"


def _rest(
    length_s: float, since: datetime, now: datetime, stage: str, compared: str
) -> tuple[float | None, str]:
    left_s = length_s - _seconds(since, now)
    if left_s < 0:
        return None, f"{stage}, longer than {compared} took"
    return left_s, f"{stage}; {compared} took as long"


def _from_last_label(times: Timeline) -> float | None:
    """Return the seconds from the last label of the latest iteration that is over to its decision."""
    if not times.decisions:
        return None
    decided = times.decisions[-1]
    before = [label for label in times.loop_labels if label <= decided]
    return _seconds(before[-1], decided) if before else None


def _seconds(since: datetime, until: datetime) -> float:
    return (until - since).total_seconds()


def _timeline(workspace: Workspace, started_at: str) -> Timeline:
    ledger, own = workspace.ledger, {"campaign": workspace.campaign}
    # a duplicate is refused at no cost, and tells nothing of the rate
    labels = ledger.find(
        "labels", own | {"reason": {"$ne": "duplicate"}}, ["created_at", "origin", "structure_key"]
    )
    iterations = ledger.find("iterations", own, ["created_at", "decision"])
    decisions = [_time(each) for each in iterations]
    batch = _batch_at_hand(workspace, decisions)
    done = {label["structure_key"] for label in ledger.find("labels", own, ["structure_key"])}
    return Timeline(
        started_at=datetime.fromisoformat(started_at),
        labels=[_time(label) for label in labels],
        loop_labels=[_time(label) for label in labels if Origin(label["origin"]).is_in_label_budget],
        decisions=decisions,
        batch_at=None if batch is None else _time(batch),
        n_open=0 if batch is None else sum(entry["key"] not in done for entry in batch["entries"]),
        has_ended=any(each["decision"] != "continue" for each in iterations),
    )


def _batch_at_hand(workspace: Workspace, decisions: Sequence[datetime]) -> Mapping[str, Any] | None:
    """Return the latest set of structures that the loop has chosen to label since its last decision."""
    criteria = {"campaign": workspace.campaign, "name": SELECTION if decisions else INITIAL}
    latest = workspace.ledger.find(
        "structure_sets", criteria, ["created_at", "entries"], sort={"created_at": -1}, limit=1
    )
    if not latest or (decisions and _time(latest[0]) < decisions[-1]):
        return None
    return latest[0]


def _time(document: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(document["created_at"])
