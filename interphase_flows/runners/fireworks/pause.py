"""Campaigns of which no job may start: paused, submitted on hold, or cancelled.

A hold is a note in FireWorks' database that every worker reads at the moment it takes a job.  It is no state of the
jobs themselves: a job of a held campaign may still run and make new ones, and a lost one may be put back among the
ready; these are held as well.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from fireworks.core.launchpad import LaunchPad

    from interphase_flows.runners.fireworks.retrying_launchpad import PatientCollection

HOLDS = "interphase_holds"
"""The collection, which the LaunchPad has as an attribute beside FireWorks' own."""

HoldState = Literal["paused", "on hold", "cancelled"]


@dataclass(frozen=True)
class Hold:
    """Why no job of a campaign may start, and since when (ISO 8601)."""

    state: HoldState
    since: str


def set_hold(launchpad: "LaunchPad", campaign: str, state: HoldState) -> Hold:
    """Let no job of a campaign start from now on; one that is held in the same way stays so since it was."""
    before = hold_of(launchpad, campaign)
    if before is not None and before.state == state:
        return before
    hold = Hold(state, datetime.now(UTC).isoformat(timespec="seconds"))
    note = {"state": hold.state, "since": hold.since}
    _holds(launchpad).update_one({"_id": campaign}, {"$set": note}, upsert=True)
    return hold


def clear_hold(launchpad: "LaunchPad", campaign: str) -> None:
    """Let the jobs of a campaign start."""
    _holds(launchpad).delete_one({"_id": campaign})


def hold_of(launchpad: "LaunchPad", campaign: str) -> Hold | None:
    """Return the hold of a campaign, None if its jobs may start."""
    found = _holds(launchpad).find_one({"_id": campaign})
    return None if found is None else Hold(found["state"], found["since"])


def not_held(launchpad: "LaunchPad") -> dict[str, Any]:
    """Return a filter of FireWorks' jobs: those that may start as far as holds go."""
    return {"spec.campaign": {"$nin": [each["_id"] for each in _holds(launchpad).find({}, {"_id": 1})]}}


def _holds(launchpad: "LaunchPad") -> "PatientCollection":
    holds: PatientCollection = getattr(launchpad, HOLDS)
    return holds
