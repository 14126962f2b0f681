"""FireWorks' own books, mended where a kill came between two of its writes.

FireWorks writes a job, its launch and its workflow one after the other.  A process that is killed in between leaves a
job that nobody will ever take, or one that is done and whose followers wait for ever.  Each such state is known by its
documents alone, is looked at again under the workflow's lock, and is led back to where FireWorks' own code goes on.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from interphase_flows.runners.fireworks.launchpad import CAMPAIGN_FIELD

if TYPE_CHECKING:
    from fireworks.core.launchpad import LaunchPad

RESERVED_FOR_S = 60.0
"""Taking a job is a few writes; one that is being taken for so long is not."""

TOLD_WITHIN_S = 15.0
"""A worker that has ended a job tells those that wait for it at once, or when it gets the workflow's lock."""

CLAIMED_FOR_S = 60.0
"""Running a job again is a few writes; one that was claimed for so long, and does not run, was left by its recovery."""

RECOVERED = "interphase_recovered"
"""Of a launch whose job is to be run again: since when."""

ENDED = ("COMPLETED", "FIZZLED")
OUT_OF_USE = ("ARCHIVED", "DEFUSED")


@dataclass(frozen=True)
class Mended:
    """A job whose books were mended, and what was found."""

    fw_id: int
    name: str
    campaign: str
    told: str


def mend_books(launchpad: "LaunchPad", dry_run: bool = False) -> list[Mended]:
    """Look for jobs in states that no process will ever leave, and lead them out.

    Done twice, it does nothing the second time; what a living process has under way is left to it.

    Parameters
    ----------
    launchpad
        FireWorks' database.
    dry_run
        Only tell.
    """
    mended = [*_half_taken(launchpad, dry_run)]
    for workflow in launchpad.workflows.find({"state": {"$nin": ["ARCHIVED"]}}, {"nodes": 1, "metadata": 1}):
        campaign = (workflow.get("metadata") or {}).get("campaign")
        if campaign and _inconsistent(launchpad, workflow["nodes"][0], campaign):
            mended += _mend_workflow(launchpad, workflow["nodes"][0], campaign, dry_run)
    return mended


def _half_taken(launchpad: "LaunchPad", dry_run: bool) -> Iterator[Mended]:
    """A worker was killed after it had marked a job as its own, and before it said who it is."""
    for firework in launchpad.fireworks.find({"state": "RESERVED"}):
        launch_ids = firework.get("launches") or []
        if launch_ids and launchpad.launches.find_one({"launch_id": launch_ids[-1], "state": "RESERVED"}):
            continue  # FireWorks' own reservation, of `qlaunch -r`
        if (datetime.now(UTC) - moment(firework["updated_on"])).total_seconds() < RESERVED_FOR_S:
            continue
        known = {"fw_id": firework["fw_id"], "state": "RESERVED", "updated_on": firework["updated_on"]}
        if dry_run or launchpad.fireworks.update_one(known, {"$set": {"state": "READY"}}).modified_count:
            yield _mended(firework, "a worker was ended while it took this job; it is ready again")


def _inconsistent(launchpad: "LaunchPad", node: int, campaign: str) -> list[tuple[dict[str, Any], str]]:
    """Return the jobs of a workflow whose books do not agree, with what is wrong."""
    workflow = launchpad.workflows.find_one({"nodes": node}, {"nodes": 1, "fw_states": 1, "parent_links": 1})
    nodes = set(workflow["nodes"])
    fields = {
        "fw_id": 1,
        "name": 1,
        "state": 1,
        "launches": 1,
        CAMPAIGN_FIELD: 1,
        "spec._allow_fizzled_parents": 1,
    }
    of_campaign = {CAMPAIGN_FIELD: campaign, "state": {"$nin": list(OUT_OF_USE)}}
    fireworks = {each["fw_id"]: each for each in launchpad.fireworks.find(of_campaign, fields)}
    states = {fw_id: each["state"] for fw_id, each in fireworks.items()}
    last = [each["launches"][-1] for each in fireworks.values() if each.get("launches")]
    launch_fields = {"launch_id": 1, "state": 1, "state_history": 1, RECOVERED: 1}
    known = {
        each["launch_id"]: each
        for each in launchpad.launches.find({"launch_id": {"$in": last}}, launch_fields)
    }
    found = []
    for fw_id, firework in fireworks.items():
        launch = known.get(firework["launches"][-1], {}) if firework.get("launches") else {}
        if fw_id not in nodes:
            is_orphan = launchpad.workflows.find_one({"nodes": fw_id}, {"_id": 1}) is None
            wrong = "orphan" if is_orphan else None
        elif firework["state"] == "WAITING":
            wrong = "left waiting" if _may_begin(firework, workflow, states) else None
        else:
            wrong = _untold(firework["state"], workflow["fw_states"].get(str(fw_id)), launch)
        if wrong is not None:
            found.append((firework, wrong))
    return found


def _untold(state: str, of_workflow: str | None, launch: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a job by its state, that in its workflow, and its launch; None if nothing."""
    if state == "RUNNING" and RECOVERED in launch:
        return "half recovered" if time.time() - launch[RECOVERED] > CLAIMED_FOR_S else None
    is_untold = (
        (state in ENDED and of_workflow != state)
        or (state == "FIZZLED" and launch.get("state") == "COMPLETED")
        or (state == "RUNNING" and launch.get("state") in ENDED and _ended_s_ago(launch) > TOLD_WITHIN_S)
    )
    return "not told" if is_untold else None


def _ended_s_ago(launch: Mapping[str, Any]) -> float:
    last = launch["state_history"][-1]
    ended = moment(last.get("updated_on") or last["created_on"])
    return (datetime.now(UTC) - ended).total_seconds()


def _may_begin(firework: Mapping[str, Any], workflow: Mapping[str, Any], states: Mapping[int, str]) -> bool:
    done = ENDED if firework["spec"].get("_allow_fizzled_parents") else ("COMPLETED",)
    parents = workflow["parent_links"].get(str(firework["fw_id"]), [])
    return all(
        states.get(parent) in done and workflow["fw_states"].get(str(parent)) in done for parent in parents
    )


def _mend_workflow(launchpad: "LaunchPad", node: int, campaign: str, dry_run: bool) -> list[Mended]:
    from interphase_flows.runners.fireworks.retrying_launchpad import ExpiringLock  # a second to import

    told = {
        "orphan": "a worker was ended while it handed this job over; its parent hands over again",
        "not told": "a worker was ended after this job, and before it told those that wait for it; they are told",
        "half recovered": "a recovery was ended while it ran this job again; it is run again",
        "left waiting": "all that this job waited for is done; it is ready",
    }
    if dry_run:
        return [_mended(each, told[wrong]) for each, wrong in _inconsistent(launchpad, node, campaign)]
    mended, to_refresh, to_rerun = [], [], []
    # under the lock nobody else is between two writes
    with ExpiringLock(launchpad, node):
        for firework, wrong in _inconsistent(launchpad, node, campaign):
            fw_id = firework["fw_id"]
            if wrong == "orphan":
                launchpad.fireworks.update_one({"fw_id": fw_id}, {"$set": {"state": "ARCHIVED"}})
            elif wrong == "not told":
                # FireWorks applies what a job returned when its state changes: it must not have changed yet
                launchpad.fireworks.update_one({"fw_id": fw_id}, {"$set": {"state": "RUNNING"}})
                to_refresh.append(fw_id)
            elif wrong == "half recovered":
                to_rerun.append(fw_id)
            else:
                to_refresh.append(fw_id)
            mended.append(_mended(firework, told[wrong]))
    for fw_id in to_refresh:
        launchpad._refresh_wf(fw_id)
    for fw_id in to_rerun:
        launchpad.rerun_fw(fw_id)
    return mended


def _mended(firework: Mapping[str, Any], told: str) -> Mended:
    return Mended(firework["fw_id"], firework["name"], firework["spec"].get("campaign", ""), told)


def moment(value: datetime | str) -> datetime:
    """Return a time of FireWorks' documents, which write it in two ways."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
