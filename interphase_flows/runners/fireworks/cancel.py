"""Cancel (DEFUSED) or archive (ARCHIVED) the remaining jobs of a campaign in FireWorks.

FireWorks' own methods rewrite the workflow once per job, and make a job READY before they archive it. Here all jobs
change their state in one write, under the workflow's lock.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from interphase_flows.exceptions import StorageError
from interphase_flows.runners.fireworks.retrying_launchpad import ExpiringLock, RetryingLaunchPad
from interphase_flows.runners.fireworks.worker_identity import WorkerIdentity, worker_of
from interphase_flows.storage.ledger_backend import JsonDocument

KEPT_STATES: Mapping[str, tuple[str, ...]] = {
    # FIZZLED jobs are cancelled as well: otherwise a recovery would rerun them
    "DEFUSED": ("COMPLETED", "DEFUSED", "ARCHIVED"),
    "ARCHIVED": ("ARCHIVED",),
}
"""New state of the jobs -> states of jobs that are left as they are."""

RESERVED_FOR_AT_MOST_S = 10.0
"""A worker takes a job in a few writes outside the lock, the last of which would overwrite the new state. So a RESERVED
job is waited for; if it stays RESERVED for longer, its worker was killed."""

TIMEOUT_S = 120.0
POLL_INTERVAL_S = 0.1


@dataclass(frozen=True)
class RetiredJobs:
    """Number of jobs that were cancelled or archived, and the workers of those that were running."""

    n_jobs: int
    workers: list[WorkerIdentity | None]


def retire_jobs(
    launchpad: RetryingLaunchPad, campaign: str, state: Literal["DEFUSED", "ARCHIVED"]
) -> RetiredJobs:
    """Cancel or archive all remaining jobs of a campaign, including those that running jobs add meanwhile.

    Raises
    ------
    StorageError
        New jobs keep appearing.
    """
    of_campaign = {"metadata.campaign": campaign, "state": {"$ne": "ARCHIVED"}}
    nodes = [workflow["nodes"][0] for workflow in launchpad.workflows.find(of_campaign, {"nodes": 1})]
    start = time.monotonic()
    retired: set[int] = set()
    launches: set[int] = set()
    for node in nodes:
        while (waited_s := time.monotonic() - start) < TIMEOUT_S:
            batch = _retire_batch(launchpad, node, state, waited_s > RESERVED_FOR_AT_MOST_S)
            retired.update(batch)
            launches.update(launch for last_launches in batch.values() for launch in last_launches)
            if not launchpad.fireworks.count_documents(_remaining(launchpad, node, state)):
                break
            time.sleep(POLL_INTERVAL_S)
        else:
            raise StorageError(
                f"campaign {campaign}: FireWorks still has ready or running jobs after {TIMEOUT_S:.0f} s. Hint: try "
                f"again, or see interphase status {campaign}"
            )
    of_running = {"launch_id": {"$in": list(launches)}}
    last = launchpad.launches.find(of_running, {"fworker": 1})
    launchpad.launches.update_many(of_running | {"state": "RUNNING"}, {"$set": {"state": "FIZZLED"}})
    workers = [worker_of(launch) for launch in last]
    return RetiredJobs(len(retired), [each for n, each in enumerate(workers) if each not in workers[:n]])


def _retire_batch(
    launchpad: RetryingLaunchPad, node: int, state: str, with_reserved: bool
) -> dict[int, list[int]]:
    """Retire the jobs that can be retired now; return their ids, with the last launch of those that were running."""
    change = {"state": state, "updated_on": datetime.now(UTC)}
    running = ("RUNNING", "RESERVED") if with_reserved else ("RUNNING",)
    with ExpiringLock(launchpad, node):
        remaining = launchpad.fireworks.find(_remaining(launchpad, node, state), {"fw_id": 1, "state": 1})
        idle = [each["fw_id"] for each in remaining if each["state"] not in ("RUNNING", "RESERVED")]
        # a worker that takes one of them at this moment either came first, or no longer finds it READY
        launchpad.fireworks.update_many(
            {"fw_id": {"$in": idle}, "state": {"$nin": ["RUNNING", "RESERVED"]}}, {"$set": change}
        )
        changed = launchpad.fireworks.find({"fw_id": {"$in": idle}, "state": state}, {"fw_id": 1})
        retired: dict[int, list[int]] = {each["fw_id"]: [] for each in changed}
        fields = {"fw_id": 1, "launches": 1, "archived_launches": 1}
        at_work = {"fw_id": {"$in": [each["fw_id"] for each in remaining]}, "state": {"$in": list(running)}}
        for firework in launchpad.fireworks.find(at_work, fields):
            # as an archived launch, a later report of its worker has no effect
            archived = [*firework.get("archived_launches", []), *firework["launches"]]
            update = {"$set": change | {"launches": [], "archived_launches": archived}}
            launchpad.fireworks.update_one({"fw_id": firework["fw_id"]}, update)
            retired[firework["fw_id"]] = firework["launches"][-1:]
        if retired:
            states = {f"fw_states.{fw_id}": state for fw_id in retired}
            launchpad.workflows.update_one({"nodes": node}, {"$set": change | states})
    return retired


def _remaining(launchpad: RetryingLaunchPad, node: int, state: str) -> JsonDocument:
    """Return a filter for the jobs of a workflow that are not retired yet."""
    nodes = launchpad.workflows.find_one({"nodes": node}, {"nodes": 1})["nodes"]
    return {"fw_id": {"$in": nodes}, "state": {"$nin": list(KEPT_STATES[state])}}
