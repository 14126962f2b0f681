"""What went wrong with the jobs of a campaign: lost ones with Slurm's reason, and failed ones with their mend."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interphase_flows.exceptions import SettingsError
from interphase_flows.runners.fireworks.launchpad import CAMPAIGN_FIELD, ITERATION
from interphase_flows.runners.fireworks.recovery import RECOVERIES, RULES
from interphase_flows.runners.slurm.commands import QueueJob, job_record

if TYPE_CHECKING:
    from fireworks.core.launchpad import LaunchPad

LONGEST_EXPLANATION = 300
TOLERANT = "_allow_fizzled_parents"
OWN_REASONS = ("gone", "process_gone", "silent")
"""What is said where Slurm says nothing; its own words are written as it does, in capitals."""

_LAST_LINE = re.compile(r"(?:\w+\.)*(\w+): (.*)")


@dataclass(frozen=True)
class LostJob:
    """A job that was lost: its state in FireWorks, and the reason of every loss, oldest first, in Slurm's capitals.

    ``told`` is the last one in words, ``n_runs_again`` how often it was run again.
    """

    fw_id: int
    name: str
    kind: str
    state: str
    reasons: list[str]
    told: str
    n_runs_again: int


@dataclass(frozen=True)
class FailedJob:
    """A job that failed or was given up, why, what a person can do, and how many jobs wait for it.

    ``is_tried_again`` says that no person is needed yet: a recovery runs it again.
    """

    fw_id: int
    name: str
    kind: str
    reason: str
    explanation: str
    mend: str
    is_tried_again: bool
    n_waiting: int


def campaign_jobs(launchpad: "LaunchPad", campaign: str) -> list[dict[str, Any]]:
    """Return what a status needs of the jobs of a campaign; archived ones are of the past."""
    fields = {"fw_id": 1, "state": 1, "name": 1, "launches": 1, "_id": 0}
    of_spec = ("_category", ITERATION, RECOVERIES, TOLERANT)
    return list(
        launchpad.fireworks.find(
            {CAMPAIGN_FIELD: campaign, "state": {"$ne": "ARCHIVED"}},
            fields | {f"spec.{name}": 1 for name in of_spec},
        )
    )


def lost_jobs(
    launchpad: "LaunchPad", jobs: Sequence[Mapping[str, Any]], queue: Sequence[QueueJob] | None
) -> list[LostJob]:
    """Return jobs that were lost and run again, and those whose allocation is gone although they are called running.

    Parameters
    ----------
    launchpad
        FireWorks' database.
    jobs
        Of the campaign.
    queue
        Slurm's, None if it cannot be asked.
    """
    gone = {} if queue is None else _gone(launchpad, jobs, {job.job_id for job in queue})
    found = []
    for job in jobs:
        recoveries = job["spec"].get(RECOVERIES, [])
        now = gone.get(job["fw_id"])
        if not recoveries and now is None:
            continue
        reasons = [_as_slurm_writes(each["reason"]) for each in recoveries]
        told = recoveries[-1]["told"] if recoveries else ""
        if now is not None:
            reasons, told = [*reasons, now[0]], f"{now[1]}; not run again yet: interphase recover"
        found.append(
            LostJob(
                fw_id=job["fw_id"],
                name=job["name"],
                kind=job["spec"]["_category"],
                state=job["state"],
                reasons=reasons,
                told=told,
                # what was given up has a recovery on record as well, the last one
                n_runs_again=len(recoveries) - (job["state"] == "FIZZLED" and bool(recoveries)),
            )
        )
    return found


def _as_slurm_writes(reason: str) -> str:
    is_slurms = reason.islower() and reason not in OWN_REASONS  # an error of Python has capitals
    return reason.upper() if is_slurms else reason


def _gone(
    launchpad: "LaunchPad", jobs: Sequence[Mapping[str, Any]], in_queue: set[str]
) -> dict[int, tuple[str, str]]:
    """Return Slurm's state and words of running jobs whose allocation is not in the queue, by id."""
    last_launches = [job["launches"][-1] for job in jobs if job["state"] == "RUNNING" and job["launches"]]
    fields = {"fw_id": 1, "fworker.env.slurm_job_id": 1, "_id": 0}
    found = {}
    for launch in launchpad.launches.find({"launch_id": {"$in": last_launches}, "state": "RUNNING"}, fields):
        job_id = ((launch.get("fworker") or {}).get("env") or {}).get("slurm_job_id")
        if job_id is None or job_id in in_queue:
            continue
        try:
            record = job_record(job_id)
        except SettingsError:
            continue
        if record is None:
            found[launch["fw_id"]] = ("gone", f"Slurm does not know its allocation {job_id} any more")
        elif not record.is_alive:
            found[launch["fw_id"]] = (record.state, f"allocation {job_id}: {record.state}, {record.reason}")
    return found


def failed_jobs(launchpad: "LaunchPad", campaign: str, jobs: Sequence[Mapping[str, Any]]) -> list[FailedJob]:
    """Return the failed jobs of a campaign, those first for which most others wait."""
    failed = [job for job in jobs if job["state"] == "FIZZLED"]
    if not failed:
        return []
    links = _links(launchpad, campaign)
    by_id = {job["fw_id"]: job for job in jobs}
    last_launches = [job["launches"][-1] for job in failed if job["launches"]]
    fields = {"fw_id": 1, "action.stored_data._exception._stacktrace": 1, "_id": 0}
    launches = launchpad.launches.find({"launch_id": {"$in": last_launches}}, fields)
    traces = {launch["fw_id"]: _stacktrace(launch) for launch in launches}
    found = []
    for job in failed:
        reason, explanation, mend, is_tried_again = _why(
            traces.get(job["fw_id"], ""), job["spec"].get(RECOVERIES, [])
        )
        found.append(
            FailedJob(
                fw_id=job["fw_id"],
                name=job["name"],
                kind=job["spec"]["_category"],
                reason=reason,
                explanation=explanation[:LONGEST_EXPLANATION],
                mend=mend,
                is_tried_again=is_tried_again,
                n_waiting=_n_waiting_for(job["fw_id"], links, by_id),
            )
        )
    return sorted(found, key=lambda each: (-each.n_waiting, each.fw_id))


def _stacktrace(launch: Mapping[str, Any]) -> str:
    stored = (launch.get("action") or {}).get("stored_data") or {}
    return str((stored.get("_exception") or {}).get("_stacktrace", ""))


def _why(trace: str, recoveries: Sequence[Mapping[str, Any]]) -> tuple[str, str, str, bool]:
    """Return reason, explanation and mend of a failed job, and whether it is tried again.

    By its traceback, else by why it was given up.
    """
    last = next((line for line in reversed(trace.splitlines()) if line.strip()), "")
    found = _LAST_LINE.match(last)
    if found is None and recoveries:
        reason = recoveries[-1]["reason"]
        given_up = f"given up after {len(recoveries) - 1} more tries; {recoveries[-1]['told']}"
        mend = RULES[reason].mend if reason in RULES else "ask Slurm why: scontrol show job"
        return _as_slurm_writes(reason), given_up, f"{mend}, then submit the campaign again", False
    reason, explanation = (found[1], found[2]) if found else ("unknown", last)
    rule = RULES.get(reason)
    if rule is not None and len(recoveries) < rule.max_tries:
        return reason, explanation, f"{rule.mend}; interphase recover runs it again", True
    mend = "mend its cause" if rule is None else rule.mend
    return reason, explanation, f"{mend}, then submit the campaign again", False


def _links(launchpad: "LaunchPad", campaign: str) -> dict[int, list[int]]:
    workflows = launchpad.workflows.find(
        {"metadata.campaign": campaign, "state": {"$ne": "ARCHIVED"}}, {"links": 1, "_id": 0}
    )
    return {int(parent): children for each in workflows for parent, children in each["links"].items()}


def _n_waiting_for(
    fw_id: int, links: Mapping[int, Sequence[int]], jobs: Mapping[int, Mapping[str, Any]]
) -> int:
    """Return how many jobs cannot run without one; those that may miss it can."""
    seen: set[int] = set()
    to_see = [fw_id]
    while to_see:
        for child in links.get(to_see.pop(), []):
            job = jobs.get(child)
            if child in seen or job is None or job["state"] != "WAITING" or job["spec"].get(TOLERANT):
                continue
            seen.add(child)
            to_see.append(child)
    return len(seen)
