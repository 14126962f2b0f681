"""Repair FireWorks records left inconsistent by a process killed between two writes.

FireWorks writes a job, its launch and its workflow one after the other. A process that is killed in between leaves a
job that no worker takes, or a completed job whose children wait forever. Each such state is detected from the
documents, verified under the lock of the workflow, and reset to a state from which FireWorks continues.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from interphase_flows.exceptions import InputError
from interphase_flows.runners.fireworks.launchpad import CAMPAIGN_FIELD
from interphase_flows.runners.fireworks.retrying_launchpad import ExpiringLock, RetryingLaunchPad
from interphase_flows.runners.slurm import is_job_id, job_record
from interphase_flows.storage.ledger_backend import JsonDocument

RESERVED_FOR_AT_MOST_S = 60.0
"""A worker takes a job in a few writes; a job that stays RESERVED for longer has lost its worker."""

REPORTED_WITHIN_S = 15.0
"""A worker that has ended a job updates the workflow at once, or as soon as it gets the workflow's lock."""

CLAIMED_FOR_AT_MOST_S = 60.0
"""A recovery reruns a job in a few writes; a launch that stays claimed for longer has lost its recovery."""

RECOVERED = "interphase_recovered"
"""Field of a launch that a recovery has claimed to rerun its job: the time of the claim."""

ENDED = ("COMPLETED", "FIZZLED")
RETIRED = ("ARCHIVED", "DEFUSED")

Inconsistency = Literal["orphan", "unreported", "half recovered", "left waiting"]

MESSAGES: Mapping[Inconsistency, str] = {
    "orphan": "a worker was killed while it added this job; archived, its parent adds it again",
    "unreported": "a worker was killed after this job, before it updated the workflow; the workflow is updated",
    "half recovered": "a recovery was killed while it reset this job; the job is run again",
    "left waiting": "all parents of this job are done; it is ready",
}


@dataclass(frozen=True)
class Recovery:
    """A lost or inconsistent job, the reason, and the action taken."""

    fw_id: int
    name: str
    campaign: str
    reason: str
    message: str
    n_tries: int = 0
    action: Literal["rerun", "give up", "repair"] = "repair"
    hint: str = ""


UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, IndexError, InputError)
"""Errors at documents that lack fields, or have values of other types or names that are not valid."""


def guarded(act: Callable[..., Recovery | None], launch: JsonDocument, *arguments: Any) -> Recovery | None:
    """Call ``act(launch, ...)``; report a job with damaged documents instead, so that it stops no other recovery."""
    try:
        return act(launch, *arguments)
    except UNREADABLE as error:
        return damaged_job(launch.get("fw_id"), error)


def damaged_job(fw_id: Any, error: Exception) -> Recovery:
    """Return the report on a job, or on the first one of a workflow, whose documents cannot be read."""
    message = (
        f"its documents in FireWorks are damaged ({type(error).__name__}: {str(error)[:200]}); it is left. Hint: "
        "cancel the campaign, and submit it again"
    )
    return Recovery(fw_id, "damaged job", "FireWorks", "damaged", message)


def repair_records(launchpad: RetryingLaunchPad, dry_run: bool = False) -> list[Recovery]:
    """Find jobs in states that no process will ever change, and repair them; with ``dry_run`` only report them.

    Idempotent; operations that a living process has in progress are left alone.
    """
    repairs = [*_half_reserved(launchpad, dry_run)]
    for workflow in launchpad.workflows.find({"state": {"$nin": ["ARCHIVED"]}}, {"nodes": 1, "metadata": 1}):
        campaign = (workflow.get("metadata") or {}).get("campaign")
        node = workflow["nodes"][0]
        try:
            if campaign and _inconsistent_jobs(launchpad, node, campaign):
                repairs += _repair_workflow(launchpad, node, campaign, dry_run)
        except UNREADABLE as error:
            repairs.append(damaged_job(node, error))
    return repairs


def _half_reserved(launchpad: RetryingLaunchPad, dry_run: bool) -> Iterator[Recovery]:
    """Reset jobs whose worker was killed after it reserved them and before it recorded a launch."""
    for firework in launchpad.fireworks.find({"state": "RESERVED"}):
        launch_ids = firework.get("launches") or []
        if launch_ids and launchpad.launches.find_one({"launch_id": launch_ids[-1], "state": "RESERVED"}):
            continue  # FireWorks' own reservation, of `qlaunch -r`
        if (datetime.now(UTC) - parse_time(firework["updated_on"])).total_seconds() < RESERVED_FOR_AT_MOST_S:
            continue
        known = {"fw_id": firework["fw_id"], "state": "RESERVED", "updated_on": firework["updated_on"]}
        if dry_run or launchpad.fireworks.update_one(known, {"$set": {"state": "READY"}}).modified_count:
            yield _repair(firework, "a worker was killed while it took this job; it is ready again")


def _inconsistent_jobs(
    launchpad: RetryingLaunchPad, node: int, campaign: str
) -> list[tuple[JsonDocument, Inconsistency]]:
    """Return the jobs of a workflow whose records disagree."""
    workflow = launchpad.workflows.find_one({"nodes": node}, {"nodes": 1, "fw_states": 1, "parent_links": 1})
    nodes = set(workflow["nodes"])
    fields = ("fw_id", "name", "state", "launches", CAMPAIGN_FIELD, "spec._allow_fizzled_parents")
    of_campaign = {CAMPAIGN_FIELD: campaign, "state": {"$nin": list(RETIRED)}}
    fireworks = {each["fw_id"]: each for each in launchpad.fireworks.find(of_campaign, dict.fromkeys(fields, 1))}
    states = {fw_id: each["state"] for fw_id, each in fireworks.items()}
    last = [each["launches"][-1] for each in fireworks.values() if each.get("launches")]
    launch_fields = {"launch_id": 1, "state": 1, "state_history": 1, RECOVERED: 1}
    launches = {
        each["launch_id"]: each for each in launchpad.launches.find({"launch_id": {"$in": last}}, launch_fields)
    }
    found: list[tuple[JsonDocument, Inconsistency]] = []
    for fw_id, firework in fireworks.items():
        launch = launches.get(firework["launches"][-1], {}) if firework.get("launches") else {}
        wrong: Inconsistency | None
        if fw_id not in nodes:
            is_orphan = launchpad.workflows.find_one({"nodes": fw_id}, {"_id": 1}) is None
            wrong = "orphan" if is_orphan else None
        elif firework["state"] == "WAITING":
            wrong = "left waiting" if _may_start(firework, workflow, states) else None
        else:
            wrong = _unreported(firework["state"], workflow["fw_states"].get(str(fw_id)), launch)
        if wrong is not None:
            found.append((firework, wrong))
    return found


def _unreported(
    state: str, state_in_workflow: str | None, launch: JsonDocument
) -> Literal["half recovered", "unreported"] | None:
    """Return how the state of a job disagrees with its workflow or its launch; None if it does not."""
    if state == "RUNNING" and RECOVERED in launch:
        return "half recovered" if time.time() - launch[RECOVERED] > CLAIMED_FOR_AT_MOST_S else None
    is_unreported = (
        (state in ENDED and state_in_workflow != state)
        or (state == "FIZZLED" and launch.get("state") == "COMPLETED")
        or (state == "RUNNING" and launch.get("state") in ENDED and _ended_s_ago(launch) > REPORTED_WITHIN_S)
    )
    return "unreported" if is_unreported else None


def _ended_s_ago(launch: JsonDocument) -> float:
    last = launch["state_history"][-1]
    ended = parse_time(last.get("updated_on") or last["created_on"])
    return (datetime.now(UTC) - ended).total_seconds()


def _may_start(firework: JsonDocument, workflow: JsonDocument, states: Mapping[int, str]) -> bool:
    done = ENDED if firework["spec"].get("_allow_fizzled_parents") else ("COMPLETED",)
    parents = workflow["parent_links"].get(str(firework["fw_id"]), [])
    return all(states.get(parent) in done and workflow["fw_states"].get(str(parent)) in done for parent in parents)


def _repair_workflow(launchpad: RetryingLaunchPad, node: int, campaign: str, dry_run: bool) -> list[Recovery]:
    if dry_run:
        found = _inconsistent_jobs(launchpad, node, campaign)
        return [_repair(each, MESSAGES[wrong]) for each, wrong in found]
    repairs, to_refresh, to_rerun = [], [], []
    # under the lock no other process is between two writes
    with ExpiringLock(launchpad, node):
        for firework, wrong in _inconsistent_jobs(launchpad, node, campaign):
            fw_id = firework["fw_id"]
            if wrong == "orphan":
                launchpad.fireworks.update_one({"fw_id": fw_id}, {"$set": {"state": "ARCHIVED"}})
            elif wrong == "half recovered":
                to_rerun.append(fw_id)
            else:
                if wrong == "unreported":
                    # FireWorks applies the action of a job when its state changes, so reset the state
                    launchpad.fireworks.update_one({"fw_id": fw_id}, {"$set": {"state": "RUNNING"}})
                to_refresh.append(fw_id)
            repairs.append(_repair(firework, MESSAGES[wrong]))
    for fw_id in to_refresh:
        launchpad._refresh_wf(fw_id)
    for fw_id in to_rerun:
        launchpad.rerun_fw(fw_id)
    return repairs


def _repair(firework: JsonDocument, message: str) -> Recovery:
    campaign = firework["spec"].get("campaign", "")
    return Recovery(firework["fw_id"], firework["name"], campaign, "inconsistent", message)


def parse_time(value: datetime | str) -> datetime:
    """Return a time from FireWorks' documents, which store it either as a date or as text."""
    time_of_value = datetime.fromisoformat(value) if isinstance(value, str) else value
    return time_of_value if time_of_value.tzinfo else time_of_value.replace(tzinfo=UTC)


def cancel_lost_reservations(launchpad: RetryingLaunchPad, dry_run: bool = False) -> Iterator[Recovery]:
    """Reset jobs to READY that `qlaunch -r` reserved for a queue job that is gone or ended without running them.

    Workers of this package take a job when they run it; only `qlaunch -r` binds a job to a queue job beforehand.
    """
    fields = {"fw_id": 1, "name": 1, "launches": 1, CAMPAIGN_FIELD: 1}
    for firework in launchpad.fireworks.find({"state": "RESERVED", "launches.0": {"$exists": True}}, fields):
        launch_id = firework["launches"][-1]
        launch = launchpad.launches.find_one({"launch_id": launch_id, "state": "RESERVED"})
        history = launch["state_history"] if launch else []
        job_id = next((state["reservation_id"] for state in history if "reservation_id" in state), None)
        if job_id is None or not is_job_id(str(job_id)):
            continue  # its submission is in progress, or it is no job of Slurm
        record = job_record(str(job_id))
        if record is not None and record.is_alive:
            continue
        if not dry_run:
            launchpad.cancel_reservation(launch_id)
        end = "is unknown to Slurm" if record is None else f"ended as {record.state}"
        yield _repair(firework, f"its queue job {job_id} {end}; it is ready again")
