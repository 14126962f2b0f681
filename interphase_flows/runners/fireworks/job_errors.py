"""Errors of a campaign's jobs: lost jobs with Slurm's reason, and failed jobs with a hint how to fix them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interphase_flows.exceptions import SettingsError
from interphase_flows.runners.fireworks.launchpad import CAMPAIGN_FIELD
from interphase_flows.runners.fireworks.recovery import RECOVERIES, last_line, stacktrace
from interphase_flows.runners.fireworks.recovery_rules import RULES
from interphase_flows.runners.fireworks.worker_identity import worker_of
from interphase_flows.runners.slurm.commands import QueueJob, job_record
from interphase_flows.schemas.iteration import ITERATION
from interphase_flows.storage.ledger_backend import JsonDocument

if TYPE_CHECKING:
    from interphase_flows.runners.fireworks.retrying_launchpad import RetryingLaunchPad

MAX_EXPLANATION_CHARACTERS = 300
TOLERANT = "_allow_fizzled_parents"
OWN_REASONS = ("gone", "process_gone", "unresponsive")
"""Reasons of our own, where Slurm gives none; Slurm's states are written in capitals."""

_LAST_LINE = re.compile(r"(?:\w+\.)*(\w+): (.*)")


@dataclass(frozen=True)
class LostJob:
    """A job that was lost: the reason of every loss, oldest first, and a message about the last one."""

    fw_id: int
    name: str
    kind: str
    state: str
    reasons: list[str]
    message: str
    n_reruns: int


@dataclass(frozen=True)
class FailedJob:
    """A failed job, how many jobs wait for it, and a hint for the user unless the next recovery reruns it."""

    fw_id: int
    name: str
    kind: str
    reason: str
    explanation: str
    hint: str
    will_be_retried: bool
    n_waiting: int


def campaign_jobs(launchpad: "RetryingLaunchPad", campaign: str) -> list[JsonDocument]:
    """Return the fields of a campaign's jobs that its status needs; archived jobs are excluded."""
    fields = {"fw_id": 1, "state": 1, "name": 1, "launches": 1, "_id": 0}
    of_spec = ("_category", ITERATION, RECOVERIES, TOLERANT)
    return list(
        launchpad.fireworks.find(
            {CAMPAIGN_FIELD: campaign, "state": {"$ne": "ARCHIVED"}},
            fields | {f"spec.{name}": 1 for name in of_spec},
        )
    )


def lost_jobs(
    launchpad: "RetryingLaunchPad", jobs: Sequence[JsonDocument], queue: Sequence[QueueJob] | None
) -> list[LostJob]:
    """Return jobs that were lost and rerun, and running jobs whose allocation is not in the queue (None: no Slurm)."""
    lost_now = {} if queue is None else _lost_now(launchpad, jobs, {job.job_id for job in queue})
    found = []
    for job in jobs:
        recoveries = job["spec"].get(RECOVERIES, [])
        now = lost_now.get(job["fw_id"])
        if not recoveries and now is None:
            continue
        reasons = [_in_slurm_spelling(each["reason"]) for each in recoveries]
        message = recoveries[-1]["message"] if recoveries else ""
        if now is not None:
            reasons, message = [*reasons, now[0]], f"{now[1]}; not rerun yet: interphase recover"
        found.append(
            LostJob(
                fw_id=job["fw_id"],
                name=job["name"],
                kind=job["spec"]["_category"],
                state=job["state"],
                reasons=reasons,
                message=message,
                # the last recovery of a job that was given up was not a rerun
                n_reruns=len(recoveries) - (job["state"] == "FIZZLED" and bool(recoveries)),
            )
        )
    return found


def _in_slurm_spelling(reason: str) -> str:
    is_slurm_state = reason.islower() and reason not in OWN_REASONS  # names of Python's errors have capitals
    return reason.upper() if is_slurm_state else reason


def _lost_now(
    launchpad: "RetryingLaunchPad", jobs: Sequence[JsonDocument], in_queue: set[str]
) -> dict[int, tuple[str, str]]:
    """Return reason and message by id for running jobs whose allocation is not in the queue."""
    last_launches = [job["launches"][-1] for job in jobs if job["state"] == "RUNNING" and job["launches"]]
    fields = {"fw_id": 1, "fworker.env": 1, "_id": 0}
    found = {}
    for launch in launchpad.launches.find({"launch_id": {"$in": last_launches}, "state": "RUNNING"}, fields):
        worker = worker_of(launch)
        job_id = None if worker is None else worker["slurm_job_id"]
        if job_id is None or job_id in in_queue:
            continue
        try:
            record = job_record(job_id)
        except SettingsError:
            continue
        if record is None:
            found[launch["fw_id"]] = ("gone", f"allocation {job_id} is unknown to Slurm")
        elif not record.is_alive:
            found[launch["fw_id"]] = (record.state, f"allocation {job_id}: {record.state}, {record.reason}")
    return found


def failed_jobs(
    launchpad: "RetryingLaunchPad", campaign: str, jobs: Sequence[JsonDocument]
) -> list[FailedJob]:
    """Return the failed jobs of a campaign, starting with those that most other jobs wait for."""
    failed = [job for job in jobs if job["state"] == "FIZZLED"]
    if not failed:
        return []
    links = _links(launchpad, campaign)
    by_id = {job["fw_id"]: job for job in jobs}
    last_launches = [job["launches"][-1] for job in failed if job["launches"]]
    fields = {"fw_id": 1, "action.stored_data._exception._stacktrace": 1, "_id": 0}
    launches = launchpad.launches.find({"launch_id": {"$in": last_launches}}, fields)
    traces = {launch["fw_id"]: stacktrace(launch) for launch in launches}
    found = []
    for job in failed:
        reason, explanation, hint, will_be_retried = _cause(
            traces.get(job["fw_id"], ""), job["spec"].get(RECOVERIES, [])
        )
        found.append(
            FailedJob(
                fw_id=job["fw_id"],
                name=job["name"],
                kind=job["spec"]["_category"],
                reason=reason,
                explanation=explanation[:MAX_EXPLANATION_CHARACTERS],
                hint=hint,
                will_be_retried=will_be_retried,
                n_waiting=_n_waiting_for(job["fw_id"], links, by_id),
            )
        )
    return sorted(found, key=lambda each: (-each.n_waiting, each.fw_id))


def _cause(trace: str, recoveries: Sequence[JsonDocument]) -> tuple[str, str, str, bool]:
    """Return reason, explanation and hint (of the traceback, or the last recovery), and whether it will be retried."""
    last = last_line(trace)
    found = _LAST_LINE.match(last)
    if found is None and recoveries:
        reason = recoveries[-1]["reason"]
        explanation = f"given up after {len(recoveries) - 1} retries; {recoveries[-1]['message']}"
        hint = RULES[reason].hint if reason in RULES else "see Slurm's reason: scontrol show job"
        return _in_slurm_spelling(reason), explanation, f"{hint}, then submit the campaign again", False
    reason, explanation = (found[1], found[2]) if found else ("unknown", last)
    rule = RULES.get(reason)
    if rule is not None and len(recoveries) < rule.max_tries:
        return reason, explanation, f"{rule.hint}; interphase recover reruns it", True
    hint = "fix the cause" if rule is None else rule.hint
    return reason, explanation, f"{hint}, then submit the campaign again", False


def _links(launchpad: "RetryingLaunchPad", campaign: str) -> dict[int, list[int]]:
    workflows = launchpad.workflows.find(
        {"metadata.campaign": campaign, "state": {"$ne": "ARCHIVED"}}, {"links": 1, "_id": 0}
    )
    return {int(parent): children for each in workflows for parent, children in each["links"].items()}


def _n_waiting_for(fw_id: int, links: Mapping[int, Sequence[int]], jobs: Mapping[int, JsonDocument]) -> int:
    """Return the number of descendants that cannot run without a job; those that tolerate its failure can."""
    waiting: set[int] = set()
    to_visit = [fw_id]
    while to_visit:
        for child in links.get(to_visit.pop(), []):
            job = jobs.get(child)
            if child in waiting or job is None or job["state"] != "WAITING" or job["spec"].get(TOLERANT):
                continue
            waiting.add(child)
            to_visit.append(child)
    return len(waiting)
