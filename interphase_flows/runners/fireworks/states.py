"""Status of a campaign's jobs on the cluster: FireWorks' states by kind and iteration, errors, and Slurm's queue.

Lost jobs are reported with Slurm's reason, failed jobs with a hint how to fix them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from interphase_flows.exceptions import SettingsError
from interphase_flows.runners.cluster_settings import job_name_prefix
from interphase_flows.runners.fireworks.launchpad import CAMPAIGN_FIELD, Hold, hold_of, open_launchpad
from interphase_flows.runners.fireworks.recovery import RECOVERIES, RULES, exception_line, stacktrace
from interphase_flows.runners.fireworks.retrying_launchpad import RetryingLaunchPad
from interphase_flows.runners.fireworks.worker_identity import is_on_another_cluster, worker_of
from interphase_flows.runners.slurm import QueueJob, job_record, local_cluster, queue_if_available
from interphase_flows.schemas.iteration import ITERATION
from interphase_flows.settings import JOB_KINDS, Settings
from interphase_flows.storage.ledger_backend import JsonDocument

ACTIVE = ("READY", "RESERVED", "RUNNING")
"""States of jobs that run, or will run as soon as a worker takes them."""

PAUSED_BY_LPAD = "PAUSED"
"""State of jobs that `lpad pause_fws` holds: they are unfinished, and start only after a release."""

COLUMNS = {
    "waiting": ("WAITING", PAUSED_BY_LPAD),
    "ready": ("READY",),
    "running": ("RESERVED", "RUNNING"),
    "done": ("COMPLETED",),
    "failed": ("FIZZLED",),
    "cancelled": ("DEFUSED",),
}
"""State in a status -> states of FireWorks."""

MAX_EXPLANATION_CHARACTERS = 300
TOLERANT = "_allow_fizzled_parents"
OWN_REASONS = ("gone", "process_gone", "unresponsive")
"""Reasons that this package assigns where Slurm gives none; Slurm's states are written in capitals."""

_EXCEPTION_LINE = re.compile(r"(?:\w+\.)*(\w+): (.*)")


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


@dataclass(frozen=True)
class JobsHeldByLpad:
    """Jobs that FireWorks' own commands paused or defused while others are left, and the command that releases them."""

    state: str
    jobs: list[str]
    release: str


LPAD_RELEASES = {PAUSED_BY_LPAD: ("paused", "resume_fws"), "DEFUSED": ("defused", "reignite_fws")}
UNFINISHED = ("WAITING", "READY", "RESERVED", "RUNNING", PAUSED_BY_LPAD, "FIZZLED")


def jobs_held_by_lpad(jobs: Sequence[JsonDocument], hold: Hold | None) -> list[JobsHeldByLpad]:
    """Return the jobs that `lpad pause_fws` or `lpad defuse_fws` hold; a cancelled campaign has none."""
    if hold is not None and hold.state == "cancelled":
        return []
    if not any(job["state"] in UNFINISHED for job in jobs):
        return []
    found = []
    for state, (verb, command) in LPAD_RELEASES.items():
        held = sorted((job["fw_id"], job["name"]) for job in jobs if job["state"] == state)
        if held:
            ids = ",".join(str(fw_id) for fw_id, _ in held)
            names = [f"{name} (job {fw_id})" for fw_id, name in held]
            found.append(JobsHeldByLpad(verb, names, f"lpad {command} -i {ids}"))
    return found


def campaign_jobs(launchpad: RetryingLaunchPad, campaign: str) -> list[JsonDocument]:
    """Return the fields of a campaign's jobs that its status needs; archived jobs are excluded."""
    fields = {"fw_id": 1, "state": 1, "name": 1, "launches": 1, "_id": 0}
    of_spec = {f"spec.{name}": 1 for name in ("_category", ITERATION, RECOVERIES, TOLERANT)}
    not_archived = {CAMPAIGN_FIELD: campaign, "state": {"$ne": "ARCHIVED"}}
    return launchpad.fireworks.find(not_archived, fields | of_spec)


def lost_jobs(
    launchpad: RetryingLaunchPad, jobs: Sequence[JsonDocument], queue: Sequence[QueueJob] | None
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
    launchpad: RetryingLaunchPad, jobs: Sequence[JsonDocument], in_queue: set[str]
) -> dict[int, tuple[str, str]]:
    """Return reason and message by id for running jobs whose allocation is not in the queue."""
    last_launches = [job["launches"][-1] for job in jobs if job["state"] == "RUNNING" and job["launches"]]
    fields = {"fw_id": 1, "fworker.env": 1, "_id": 0}
    running = launchpad.launches.find({"launch_id": {"$in": last_launches}, "state": "RUNNING"}, fields)
    workers = {launch["fw_id"]: worker for launch in running if (worker := worker_of(launch)) is not None}
    local = local_cluster() if workers else None
    found = {}
    for fw_id, worker in workers.items():
        job_id = worker["slurm_job_id"]
        if job_id is None or job_id in in_queue or is_on_another_cluster(worker, local):
            continue
        try:
            record = job_record(job_id)
        except SettingsError:
            continue
        if record is None:
            found[fw_id] = ("gone", f"allocation {job_id} is unknown to Slurm")
        elif not record.is_alive:
            found[fw_id] = (record.state, f"allocation {job_id}: {record.state}, {record.reason}")
    return found


def failed_jobs(launchpad: RetryingLaunchPad, campaign: str, jobs: Sequence[JsonDocument]) -> list[FailedJob]:
    """Return the failed jobs of a campaign, starting with those that most other jobs wait for."""
    failed = [job for job in jobs if job["state"] == "FIZZLED"]
    if not failed:
        return []
    not_archived = {"metadata.campaign": campaign, "state": {"$ne": "ARCHIVED"}}
    workflows = launchpad.workflows.find(not_archived, {"links": 1, "_id": 0})
    links = {int(parent): children for each in workflows for parent, children in each["links"].items()}
    by_id = {job["fw_id"]: job for job in jobs}
    last_launches = [job["launches"][-1] for job in failed if job["launches"]]
    fields = {"fw_id": 1, "action.stored_data._exception._stacktrace": 1, "_id": 0}
    launches = launchpad.launches.find({"launch_id": {"$in": last_launches}}, fields)
    traces = {launch["fw_id"]: stacktrace(launch) for launch in launches}
    found = []
    for job in failed:
        recoveries = job["spec"].get(RECOVERIES, [])
        reason, explanation, hint, will_be_retried = _cause(traces.get(job["fw_id"], ""), recoveries)
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
    line = exception_line(trace)
    found = _EXCEPTION_LINE.match(line)
    if found is None and recoveries:
        reason = recoveries[-1]["reason"]
        explanation = f"given up after {len(recoveries) - 1} reruns; {recoveries[-1]['message']}"
        hint = RULES[reason].hint if reason in RULES else "see Slurm's reason: scontrol show job"
        return _in_slurm_spelling(reason), explanation, f"{hint}, then submit the campaign again", False
    reason, explanation = (found[1], found[2]) if found else ("unknown", line)
    rule = RULES.get(reason)
    if rule is not None and len(recoveries) < rule.max_tries:
        return reason, explanation, f"{rule.hint}; interphase recover reruns it", True
    hint = "fix the cause" if rule is None else rule.hint
    return reason, explanation, f"{hint}, then submit the campaign again", False


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


@dataclass(frozen=True)
class ClusterStatus:
    """Jobs of a campaign by kind and state, in total and by iteration of the loop, and their errors.

    ``hold`` is None if jobs may start; ``allocations`` is Slurm's queue, None if Slurm is not available, or cannot be
    queried because of ``queue_error``.
    """

    jobs: dict[str, dict[str, int]]
    iterations: dict[int, dict[str, dict[str, int]]]
    failed: list[str]
    hold: Hold | None
    lost: list[LostJob]
    needs_attention: list[FailedJob]
    will_be_retried: list[FailedJob]
    allocations: list[QueueJob] | None
    held_by_lpad: list[JobsHeldByLpad] = field(default_factory=list)
    queue_error: str | None = None

    @property
    def n_open(self) -> int:
        """Number of ready and running jobs."""
        return sum(row["ready"] + row["running"] for row in self.jobs.values())

    @property
    def n_running(self) -> int:
        """Number of running jobs."""
        return sum(row["running"] for row in self.jobs.values())

    @property
    def n_failed(self) -> int:
        """Number of failed jobs."""
        return sum(row["failed"] for row in self.jobs.values())


def firework_states(launchpad: RetryingLaunchPad, campaign: str) -> dict[str, int]:
    """Return the number of a campaign's jobs in each state of FireWorks; archived jobs are excluded."""
    not_archived = {CAMPAIGN_FIELD: campaign, "state": {"$ne": "ARCHIVED"}}
    found = launchpad.fireworks.find(not_archived, {"state": 1, "_id": 0})
    return dict(Counter(firework["state"] for firework in found))


def n_open_jobs(settings: Settings) -> int:
    """Return the number of ready and running jobs of all campaigns."""
    with closing(open_launchpad(settings)) as launchpad:
        return int(launchpad.fireworks.count_documents({"state": {"$in": list(ACTIVE)}}))


def cluster_status(settings: Settings, campaign: str) -> ClusterStatus:
    """Return the status of a campaign's jobs."""
    queue_error = None
    try:
        allocations = queue_if_available(job_name_prefix(settings))
    except SettingsError as error:
        allocations, queue_error = None, str(error)
    with closing(open_launchpad(settings)) as launchpad:
        jobs = campaign_jobs(launchpad, campaign)
        hold = hold_of(launchpad, campaign)
        lost = lost_jobs(launchpad, jobs, allocations)
        failed = failed_jobs(launchpad, campaign, jobs)
    iterations: dict[int, dict[str, dict[str, int]]] = {}
    for index in sorted({job["spec"][ITERATION] for job in jobs if job["spec"].get(ITERATION) is not None}):
        rows = _counts_by_kind(job for job in jobs if job["spec"].get(ITERATION) == index)
        iterations[index] = {kind: row for kind, row in rows.items() if any(row.values())}
    return ClusterStatus(
        jobs=_counts_by_kind(jobs),
        iterations=iterations,
        failed=sorted(job["name"] for job in jobs if _column(job["state"]) == "failed"),
        hold=hold,
        lost=lost,
        needs_attention=[job for job in failed if not job.will_be_retried],
        will_be_retried=[job for job in failed if job.will_be_retried],
        allocations=allocations,
        held_by_lpad=jobs_held_by_lpad(jobs, hold),
        queue_error=queue_error,
    )


def _counts_by_kind(jobs: Iterable[JsonDocument]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {kind: dict.fromkeys(COLUMNS, 0) for kind in JOB_KINDS}
    for job in jobs:
        counts[job["spec"]["_category"]][_column(job["state"])] += 1
    return counts


def _column(state: str) -> str:
    return next(name for name, states in COLUMNS.items() if state in states)


def summarise_allocations(allocations: Sequence[QueueJob]) -> str:
    """Return the number of allocations by state, with Slurm's reasons for those that wait."""
    states = Counter(
        f"{job.state.lower()} ({job.reason})" if job.is_waiting and job.reason else job.state.lower()
        for job in allocations
    )
    return ", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "none"
