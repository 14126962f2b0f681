"""Jobs of a campaign that nobody shall run: DEFUSED in FireWorks if cancelled, ARCHIVED if of an earlier submission.

FireWorks' own way writes the workflow anew for every job, and puts jobs among the ready before it archives them; here
all are written at once, under the workflow's lock.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from interphase_flows.exceptions import StorageError

if TYPE_CHECKING:
    from fireworks.core.launchpad import LaunchPad

STAYS: Mapping[str, tuple[str, ...]] = {
    # a failed job as well, which a recovery would run again
    "DEFUSED": ("COMPLETED", "DEFUSED", "ARCHIVED"),
    "ARCHIVED": ("ARCHIVED",),
}
"""States of jobs that are put away -> states that a job keeps."""

TAKEN_WITHIN_S = 10.0
"""Taking a job is a few writes outside the lock: a job that is being taken is waited for, since the last of them would
overwrite its state.  One that takes longer was left by a worker that was killed."""

PUT_AWAY_WITHIN_S = 120.0
BETWEEN_LOOKS_S = 0.1


@dataclass(frozen=True)
class PutAway:
    """How many jobs were put away, and what is known of the workers of those that were running."""

    n_jobs: int
    workers: list[dict[str, Any]]


def put_away(launchpad: "LaunchPad", campaign: str, state: Literal["DEFUSED", "ARCHIVED"]) -> PutAway:
    """Put the jobs of a campaign away, and those that running ones make meanwhile.

    Parameters
    ----------
    launchpad
        FireWorks' database.
    campaign
        Its name.
    state
        What they become.

    Raises
    ------
    StorageError
        New jobs keep coming.
    """
    of_campaign = {"metadata.campaign": campaign, "state": {"$ne": "ARCHIVED"}}
    nodes = [workflow["nodes"][0] for workflow in launchpad.workflows.find(of_campaign, {"nodes": 1})]
    began = time.monotonic()
    done: set[int] = set()
    launches: set[int] = set()
    for node in nodes:
        while (waited_s := time.monotonic() - began) < PUT_AWAY_WITHIN_S:
            is_late = waited_s > TAKEN_WITHIN_S
            found = _put_away_at_once(launchpad, node, state, is_late)
            done.update(found)
            launches.update(launch for its_launches in found.values() for launch in its_launches)
            if not _n_left(launchpad, node, state):
                break
            time.sleep(BETWEEN_LOOKS_S)
        else:
            raise StorageError(
                f"campaign {campaign}: after {PUT_AWAY_WITHIN_S:.0f} s there are still jobs that FireWorks calls "
                f"ready or running; try again, or see interphase status {campaign}"
            )
    of_running = {"launch_id": {"$in": list(launches)}}
    last = launchpad.launches.find(of_running, {"fworker": 1})
    launchpad.launches.update_many(of_running | {"state": "RUNNING"}, {"$set": {"state": "FIZZLED"}})
    workers = [(launch.get("fworker") or {}).get("env") or {} for launch in last]
    return PutAway(len(done), [each for n, each in enumerate(workers) if each not in workers[:n]])


def _put_away_at_once(launchpad: "LaunchPad", node: int, state: str, is_late: bool) -> dict[int, list[int]]:
    """Put away what can be now; return the jobs, with the last launch of those that were running."""
    from fireworks.core.launchpad import WFLock

    now = {"state": state, "updated_on": datetime.now(UTC)}
    running = ("RUNNING", "RESERVED") if is_late else ("RUNNING",)
    with WFLock(launchpad, node):
        left = launchpad.fireworks.find(_left(launchpad, node, state), {"fw_id": 1, "state": 1})
        quiet = [each["fw_id"] for each in left if each["state"] not in ("RUNNING", "RESERVED")]
        # whoever takes one of them at this moment was first, or finds it gone
        launchpad.fireworks.update_many(
            {"fw_id": {"$in": quiet}, "state": {"$nin": ["RUNNING", "RESERVED"]}}, {"$set": now}
        )
        kept = launchpad.fireworks.find({"fw_id": {"$in": quiet}, "state": state}, {"fw_id": 1})
        done: dict[int, list[int]] = {each["fw_id"]: [] for each in kept}
        fields = {"fw_id": 1, "launches": 1, "archived_launches": 1}
        at_work = {"fw_id": {"$in": [each["fw_id"] for each in left]}, "state": {"$in": list(running)}}
        for firework in launchpad.fireworks.find(at_work, fields):
            # what its worker reports later is of a launch of the past
            of_the_past = [*firework.get("archived_launches", []), *firework["launches"]]
            launchpad.fireworks.update_one(
                {"fw_id": firework["fw_id"]},
                {"$set": now | {"launches": [], "archived_launches": of_the_past}},
            )
            done[firework["fw_id"]] = firework["launches"][-1:]
        if done:
            states = {f"fw_states.{fw_id}": state for fw_id in done}
            launchpad.workflows.update_one({"nodes": node}, {"$set": now | states})
    return done


def _left(launchpad: "LaunchPad", node: int, state: str) -> dict[str, Any]:
    """Return a filter of the jobs of a workflow that are not put away."""
    nodes = launchpad.workflows.find_one({"nodes": node}, {"nodes": 1})["nodes"]
    return {"fw_id": {"$in": nodes}, "state": {"$nin": list(STAYS[state])}}


def _n_left(launchpad: "LaunchPad", node: int, state: str) -> int:
    return int(launchpad.fireworks.count_documents(_left(launchpad, node, state)))
