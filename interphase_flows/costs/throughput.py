"""Throughput of a campaign: labels per hour, and the expected time of the loop's next decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from interphase_flows.campaign.schema import Campaign
from interphase_flows.costs.budget import INITIAL, SELECTION
from interphase_flows.costs.history import without_pretraining
from interphase_flows.schemas.label import COMPUTED
from interphase_flows.schemas.origin import Origin
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.workspace import Workspace

WINDOWS_H = (1.0, 6.0, 24.0)
MIN_LABELS_OF_WINDOW = 10
"""The rate is taken from the shortest window with this number of labels, else from the longest."""

MIN_LABELS_OF_BATCH = 3
"""Minimum number of labels of the current batch from which its rate is computed."""


@dataclass(frozen=True)
class Pace:
    """Labels per hour, and the seconds until the next decision of the active-learning loop.

    ``labels_per_hour`` is the rate of the last ``n_labels`` in ``window_h`` hours, None without a label in the longest
    window. ``n_labels_open`` structures of the current batch have no label yet. ``next_decision_s`` is None if it
    cannot be estimated; ``basis`` describes the estimate, or the reason why there is none.
    """

    labels_per_hour: float | None
    n_labels: int
    window_h: float
    n_labels_open: int
    next_decision_s: float | None
    basis: str


@dataclass(frozen=True)
class Timeline:
    """Times of all labels, labels of the loop and decisions, oldest first, and of the current batch.

    ``batch_at`` is the time at which the structures of the batch were selected, None before; ``n_open`` of them have no
    label.
    """

    started_at: datetime
    labels: Sequence[datetime]
    loop_labels: Sequence[datetime]
    decisions: Sequence[datetime]
    batch_at: datetime | None
    n_open: int
    has_ended: bool


def campaign_pace(workspace: Workspace, campaign: Campaign, started_at: str, stopped_because: str | None) -> Pace:
    """Return the pace of a campaign from the times in its ledger.

    ``started_at`` is in ISO 8601; ``stopped_because`` is why the campaign makes no progress, such as ``paused``, or
    None.
    """
    return pace_of(_timeline(workspace, campaign, started_at), datetime.now(UTC), stopped_because)


def pace_of(times: Timeline, now: datetime, stopped_because: str | None = None) -> Pace:
    """Return the pace at the time ``now``."""
    n_labels, window_h = _window(times, now)
    rate = n_labels / window_h if n_labels else None
    seconds, basis = (None, stopped_because) if stopped_because else _next_decision(times, now, rate)
    return Pace(
        labels_per_hour=rate,
        n_labels=n_labels,
        window_h=window_h,
        n_labels_open=times.n_open,
        next_decision_s=seconds,
        basis=basis or "",
    )


def _window(times: Timeline, now: datetime) -> tuple[int, float]:
    """Return the number of labels in a window of the recent past, and its length in hours."""
    n_labels, window_h = 0, WINDOWS_H[-1]
    for window_h in WINDOWS_H:
        n_labels = sum(now - timedelta(hours=window_h) <= label <= now for label in times.labels)
        if n_labels >= MIN_LABELS_OF_WINDOW:
            break
    age_h = _seconds(times.started_at, now) / 3600
    return n_labels, min(window_h, age_h) if age_h > 0 else window_h


def _next_decision(times: Timeline, now: datetime, rate: float | None) -> tuple[float | None, str]:
    """Return the seconds until the loop decides, or None, and a description of the estimate.

    While labels are open: their number over the rate, plus the time of the previous iteration from its last label to
    its decision. After the last label: the remainder of that time. Before the batch is selected: the remainder of the
    total time of the previous iteration.
    """
    if times.has_ended:
        return None, "the loop has ended"
    index = len(times.decisions)
    if times.batch_at is None:
        if index == 0:
            return None, "the initial structures are not selected yet"
        if index == 1:
            return None, f"iteration {index} is the first to explore"
        total_s = _seconds(times.decisions[-2], times.decisions[-1])
        return _rest(total_s, times.decisions[-1], now, f"iteration {index} explores", f"iteration {index - 1}")
    tail_s = _from_last_label(times)
    if times.n_open == 0:
        if tail_s is None or not times.loop_labels:
            return (
                None,
                f"labels of iteration {index} are finished; the duration of the first training is unknown",
            )
        stage = f"labels of iteration {index} are finished"
        return _rest(tail_s, times.loop_labels[-1], now, stage, f"training of iteration {index - 1}")
    of_batch = sum(label >= times.batch_at for label in times.loop_labels)
    batch_h = _seconds(times.batch_at, now) / 3600
    if of_batch >= MIN_LABELS_OF_BATCH and batch_h > 0:
        rate = of_batch / batch_h
    if not rate:
        return None, f"{times.n_open} labels open, none finished recently"
    labels_s = 3600 * times.n_open / rate
    at_rate = f"{times.n_open} labels open at {rate:.3g} per hour"
    if tail_s is None:
        return None, f"{at_rate}, then the first training of unknown duration"
    return labels_s + tail_s, f"{at_rate}, then training as in iteration {index - 1}"


def _rest(length_s: float, since: datetime, now: datetime, stage: str, compared: str) -> tuple[float | None, str]:
    left_s = length_s - _seconds(since, now)
    if left_s < 0:
        return None, f"{stage}, for longer than {compared}"
    return left_s, f"{stage}; estimated from {compared}"


def _from_last_label(times: Timeline) -> float | None:
    """Return the seconds from the last label of the latest finished iteration to its decision."""
    if not times.decisions:
        return None
    decided = times.decisions[-1]
    before = [label for label in times.loop_labels if label <= decided]
    return _seconds(before[-1], decided) if before else None


def _seconds(since: datetime, until: datetime) -> float:
    return (until - since).total_seconds()


def _timeline(workspace: Workspace, campaign: Campaign, started_at: str) -> Timeline:
    ledger, own = workspace.ledger, workspace.own
    # imported labels and duplicates have no cost and do not count for the rate
    by_reference = own | COMPUTED | without_pretraining(campaign, workspace.settings)
    labels = ledger.find(
        "labels", by_reference | {"reason": {"$ne": "duplicate"}}, ["created_at", "origin", "campaign"]
    )
    iterations = ledger.find("iterations", own, ["created_at", "decision"])
    decisions = [_time(each) for each in iterations]
    batch = _current_batch(workspace, decisions)
    done = {label["structure_key"] for label in ledger.find("labels", by_reference, ["structure_key"])}
    return Timeline(
        started_at=datetime.fromisoformat(started_at),
        labels=[_time(label) for label in labels if label["campaign"] == workspace.campaign],
        loop_labels=[_time(label) for label in labels if Origin(label["origin"]).is_in_label_budget],
        decisions=decisions,
        batch_at=None if batch is None else _time(batch),
        n_open=0 if batch is None else sum(entry["key"] not in done for entry in batch["entries"]),
        has_ended=any(each["decision"] != "continue" for each in iterations),
    )


def _current_batch(workspace: Workspace, decisions: Sequence[datetime]) -> JsonDocument | None:
    """Return the latest structure set that the loop has selected for labelling since its last decision."""
    criteria = workspace.own | {"name": SELECTION if decisions else INITIAL}
    latest = workspace.ledger.find(
        "structure_sets", criteria, ["created_at", "entries"], sort={"created_at": -1}, limit=1
    )
    if not latest or (decisions and _time(latest[0]) < decisions[-1]):
        return None
    return latest[0]


def _time(document: JsonDocument) -> datetime:
    return datetime.fromisoformat(document["created_at"])
