"""Holds: campaigns whose jobs must not start because they are paused, submitted on hold, or cancelled.

A hold is a document in FireWorks' database that every worker reads when it takes a job, not a state of the jobs. So it
also covers jobs that a running job adds, and lost jobs that are reset to READY.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from interphase_flows.runners.fireworks.retrying_launchpad import RetryingLaunchPad
from interphase_flows.storage.ledger_backend import JsonDocument

HoldState = Literal["paused", "on hold", "cancelled"]


@dataclass(frozen=True)
class Hold:
    """Why the jobs of a campaign must not start, and since when (ISO 8601)."""

    state: HoldState
    since: str


def set_hold(launchpad: RetryingLaunchPad, campaign: str, state: HoldState) -> Hold:
    """Hold a campaign; a hold with the same state keeps its start time."""
    before = hold_of(launchpad, campaign)
    if before is not None and before.state == state:
        return before
    hold = Hold(state, datetime.now(UTC).isoformat(timespec="seconds"))
    document = {"state": hold.state, "since": hold.since}
    launchpad.holds.update_one({"_id": campaign}, {"$set": document}, upsert=True)
    return hold


def clear_hold(launchpad: RetryingLaunchPad, campaign: str) -> None:
    """Release the hold of a campaign, if there is one."""
    launchpad.holds.delete_one({"_id": campaign})


def hold_of(launchpad: RetryingLaunchPad, campaign: str) -> Hold | None:
    """Return the hold of a campaign, None if its jobs may start."""
    found = launchpad.holds.find_one({"_id": campaign})
    return None if found is None else Hold(found["state"], found["since"])


def not_held(launchpad: RetryingLaunchPad) -> JsonDocument:
    """Return a MongoDB filter for jobs of campaigns that are not on hold."""
    return {"spec.campaign": {"$nin": [each["_id"] for each in launchpad.holds.find({}, {"_id": 1})]}}
