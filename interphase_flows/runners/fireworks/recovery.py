"""Find jobs whose worker is gone, and rerun them or give them up.

FireWorks detects a lost job by the age of its last heartbeat. Here direct evidence comes first: the allocation of the
job is no longer in Slurm's queue, or was requeued; or its process no longer exists on this machine. A job without such
evidence may still be running; it is rerun only after its heartbeat has been missing for a long time. Leases then keep
the first worker from writing if it continues.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from interphase_flows.runners.cluster_settings import job_name_prefix
from interphase_flows.runners.fireworks.consistency import (
    CLAIMED_FOR_AT_MOST_S,
    RECOVERED,
    Recovery,
    cancel_lost_reservations,
    guarded,
    parse_time,
    repair_records,
)
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.retrying_launchpad import RetryingLaunchPad
from interphase_flows.runners.fireworks.worker_identity import WorkerIdentity, is_on_another_cluster, worker_of
from interphase_flows.runners.slurm import QueueJob, is_job_id, job_record, local_cluster, queue_if_available
from interphase_flows.settings import Settings
from interphase_flows.storage.leases import is_alive
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.workspace import Workspace


@dataclass(frozen=True)
class Rule:
    """Maximum number of reruns of a job for one reason, and a hint for the user if these fail."""

    max_tries: int
    hint: str


RULES: Mapping[str, Rule] = {
    # Slurm's states, in lower case
    "timeout": Rule(10, "raise the walltime of its worker, which was killed before a checkpoint was written"),
    "node_fail": Rule(10, "exclude the failing nodes by sbatch: {exclude: ...} of its worker"),
    "boot_fail": Rule(10, "exclude the nodes that do not boot by sbatch: {exclude: ...} of its worker"),
    "preempted": Rule(100, "use a partition without preemption"),
    "requeued": Rule(100, "find out why its allocation is requeued (scontrol show job)"),
    "cancelled": Rule(5, "find out which user or script cancels its allocations"),
    "out_of_memory": Rule(2, "raise memory_gb of its worker"),
    "deadline": Rule(5, "use a partition without a deadline, or lower the walltime of its worker"),
    "failed": Rule(5, "see the error in the worker's log in the launch folder"),
    "completed": Rule(5, "see the worker's log in the launch folder"),
    "gone": Rule(5, "see the worker's log in the launch folder"),
    "process_gone": Rule(5, "check the system log for the reason of the kill, such as lack of memory"),
    "unresponsive": Rule(5, "check the node of its worker"),
    # transient errors of the machines around a job
    "LeaseLostError": Rule(20, "check that only one worker runs it"),
    "AutoReconnect": Rule(20, "check that the database is reachable"),
    "ServerSelectionTimeoutError": Rule(20, "check that the database is reachable"),
    "NetworkTimeout": Rule(20, "check the load of the database"),
    "ServerUnavailableError": Rule(8, "check that the database is reachable"),
    "DiskFullError": Rule(8, "free disk space"),
    "OSError": Rule(8, "check that the disks are mounted and have free space"),
}
"""Rule by reason. Other errors are caused by the job itself, and a rerun would fail again."""

RECOVERIES = "recoveries"
"""Key in the specification of a job: its recoveries so far, each with a reason."""

LAST_HEARTBEAT = "interphase_last_heartbeat"
"""Field of a running launch: its latest heartbeat, and for how long no later one has been observed."""

FIRST_WAIT_S = 2.0
MAX_WAIT_S = 600.0
"""Wait between a transient error and the next attempt."""

Evidence = tuple[str, str]
"""Reason for which a job counts as lost (a key of `RULES`, or a state of Slurm in lower case), and a message."""


def recover(settings: Settings, dry_run: bool = False) -> list[Recovery]:
    """Rerun or give up lost jobs, and repair inconsistent records.

    Idempotent and safe to run concurrently.
    """
    jobs = queue_if_available(job_name_prefix(settings))
    # without Slurm, processes of this machine can still be checked
    queue = None if jobs is None else {job.job_id: job for job in jobs}
    local = None if jobs is None else local_cluster()
    with closing(open_launchpad(settings)) as launchpad:
        done: list[Recovery | None] = [*repair_records(launchpad, dry_run)]
        if queue is not None:
            done += cancel_lost_reservations(launchpad, dry_run)
        for launch in _running_launches(launchpad):
            done.append(guarded(_recover_running, launch, launchpad, settings, queue, local, dry_run))
        for launch, reason, message in _failed_launches(launchpad):
            done.append(guarded(_retry_failed, launch, launchpad, settings, reason, message, dry_run))
        return [each for each in done if each is not None]


def _recover_running(
    launch: JsonDocument,
    launchpad: RetryingLaunchPad,
    settings: Settings,
    queue: Mapping[str, QueueJob] | None,
    local: str | None,
    dry_run: bool,
) -> Recovery | None:
    """Recover a running job if its worker is gone; None if it may be running."""
    worker = worker_of(launch)
    if worker is None:
        return None
    evidence = _evidence(worker, queue, local)
    evidence = evidence or _missing_heartbeat(launchpad, settings, launch, worker, dry_run)
    return None if evidence is None else _act(launchpad, settings, launch, *evidence, dry_run)


def _retry_failed(
    launch: JsonDocument, launchpad: RetryingLaunchPad, settings: Settings, reason: str, message: str, dry_run: bool
) -> Recovery | None:
    """Rerun a job after a transient error; None if its wait is not over."""
    if time.time() < _next_try_unix_s(launchpad, launch):
        return None
    return _act(launchpad, settings, launch, reason, message, dry_run)


def _evidence(
    worker: WorkerIdentity, queue: Mapping[str, QueueJob] | None, local: str | None = None
) -> Evidence | None:
    """Return the evidence that a worker is gone; None if it may be running. ``local`` is the cluster of the queue."""
    job_id = worker.get("slurm_job_id")
    if job_id is None:
        if is_alive(worker) is not False:
            return None
        return "process_gone", f"process {worker['pid']} on {worker['host']} is gone"
    if queue is None or not is_job_id(job_id) or is_on_another_cluster(worker, local):
        return None
    record = job_record(job_id)
    if job_id in queue:
        was_restarted = record is not None and record.n_restarts > worker.get("slurm_restarts", 0)
        if queue[job_id].is_waiting or was_restarted:
            return "requeued", f"Slurm requeued its allocation {job_id}"
        return None
    if record is None:
        return "gone", f"allocation {job_id} is unknown to Slurm"
    if record.is_alive:
        return None
    message = f"allocation {job_id}: {record.state}, {record.end}"
    return record.state.lower(), message


def _missing_heartbeat(
    launchpad: RetryingLaunchPad, settings: Settings, launch: JsonDocument, worker: WorkerIdentity, dry_run: bool
) -> Evidence | None:
    """Return the evidence that the heartbeat of a worker has been missing for too long; None if it has not."""
    timeout_s = settings.cluster.unresponsive_after_s
    now = time.time()
    heartbeat = str(launch["state_history"][-1].get("updated_on", ""))
    before = launch.get(LAST_HEARTBEAT) or {}
    missing_s = 0.0
    if before.get("at") == heartbeat:
        missing_s = before["missing_s"] + min(max(now - before["checked_at_unix_s"], 0.0), timeout_s / 2)
    if not dry_run:
        check = {"at": heartbeat, "missing_s": missing_s, "checked_at_unix_s": now}
        launchpad.launches.update_one(
            {"launch_id": launch["launch_id"], "state": "RUNNING"}, {"$set": {LAST_HEARTBEAT: check}}
        )
    if missing_s < timeout_s:
        return None
    message = f"process {worker['pid']} on {worker['host']} sent no heartbeat for {missing_s:.0f} s"
    return "unresponsive", message


def _running_launches(launchpad: RetryingLaunchPad) -> list[JsonDocument]:
    """Return the launches of running jobs."""
    running = launchpad.fireworks.find({"state": "RUNNING"}, {"fw_id": 1, "launches": 1})
    launch_ids = [firework["launches"][-1] for firework in running if firework.get("launches")]
    fields = {"launch_id": 1, "fw_id": 1, "fworker": 1, "state": 1, "state_history": 1, LAST_HEARTBEAT: 1}
    return list(launchpad.launches.find({"launch_id": {"$in": launch_ids}, "state": "RUNNING"}, fields))


_FRAME = '  File "'
_ERROR_LINE = re.compile(r"^(?:\w+\.)*(\w+)(?::|$)", re.MULTILINE)


def stacktrace(launch: JsonDocument | None) -> str:
    """Return the traceback that FireWorks stored with a failed launch."""
    stored = ((launch or {}).get("action") or {}).get("stored_data") or {}
    return str((stored.get("_exception") or {}).get("_stacktrace", ""))


def exception_line(trace: str) -> str:
    """Return the first line of the exception of a traceback, without further lines of its message and its notes."""
    lines = [line for line in trace.splitlines() if line.strip()]
    frames = [number for number, line in enumerate(lines) if line.startswith(_FRAME)]
    after_frames = lines[frames[-1] :] if frames else lines[-1:]
    return next((line for line in after_frames if not line.startswith(" ")), "")


def _failed_launches(launchpad: RetryingLaunchPad) -> Iterator[tuple[JsonDocument, str, str]]:
    """Yield launches of jobs that failed with a transient error, unless a child has already started without them."""
    for firework in launchpad.fireworks.find({"state": "FIZZLED"}, {"fw_id": 1, "launches": 1}):
        if not firework["launches"]:
            continue
        launch = launchpad.launches.find_one({"launch_id": firework["launches"][-1]})
        trace = stacktrace(launch)
        errors = [name for name in _ERROR_LINE.findall(trace) if name in RULES]
        if launch is None or not errors:
            continue
        links = launchpad.workflows.find_one({"nodes": firework["fw_id"]}, {"links": 1})
        children = (links or {"links": {}})["links"].get(str(firework["fw_id"]), [])
        started = {"fw_id": {"$in": children}, "state": {"$nin": ["WAITING", "READY"]}}
        if not launchpad.fireworks.count_documents(started):
            yield launch, errors[-1], exception_line(trace)


def _next_try_unix_s(launchpad: RetryingLaunchPad, launch: JsonDocument) -> float:
    """Return the time of the next attempt after a transient error; the wait doubles with every recovery."""
    spec = launchpad.fireworks.find_one({"fw_id": launch["fw_id"]}, {f"spec.{RECOVERIES}": 1})["spec"]
    wait_s = min(FIRST_WAIT_S * 2 ** len(spec.get(RECOVERIES, [])), MAX_WAIT_S)
    last = launch["state_history"][-1]
    return parse_time(last.get("updated_on") or last["created_on"]).timestamp() + wait_s


def _act(
    launchpad: RetryingLaunchPad,
    settings: Settings,
    launch: JsonDocument,
    reason: str,
    message: str,
    dry_run: bool,
) -> Recovery | None:
    """Rerun a job or give it up; None if another process has acted on it meanwhile, or it was given up before."""
    fw_id, launch_id = launch["fw_id"], launch["launch_id"]
    fields = {"name": 1, "spec.campaign": 1, f"spec.{RECOVERIES}": 1}
    firework = launchpad.fireworks.find_one({"fw_id": fw_id}, fields)
    spec = firework["spec"]
    n_tries = len(spec.get(RECOVERIES, []))
    rule = RULES.get(reason, Rule(5, f"Slurm reports its allocation as {reason}"))
    is_rerun = n_tries < rule.max_tries
    recovery = Recovery(
        fw_id=fw_id,
        name=firework["name"],
        campaign=spec.get("campaign", ""),
        reason=reason,
        message=message,
        n_tries=n_tries + is_rerun,
        action="rerun" if is_rerun else "give up",
        hint=rule.hint,
    )
    if not is_rerun and launch["state"] == "FIZZLED":
        return None
    if dry_run:
        return recovery
    # claim the launch: one of two concurrent recoveries gets it, and a job that has ended meanwhile is left alone
    now = time.time()
    is_free = [{RECOVERED: {"$exists": False}}, {RECOVERED: {"$lt": now - CLAIMED_FOR_AT_MOST_S}}]
    unclaimed = {"launch_id": launch_id, "state": launch["state"], "$or": is_free}
    claim = {"$set": {"state": "FIZZLED", RECOVERED: now}}
    if launchpad.launches.find_one_and_update(unclaimed, claim) is None:
        return None
    record = {"reason": reason, "message": message, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    launchpad.fireworks.update_one({"fw_id": fw_id}, {"$push": {f"spec.{RECOVERIES}": record}})
    if is_rerun:
        launchpad.rerun_fw(fw_id)
    else:
        launchpad.mark_fizzled(launch_id)  # children that tolerate a failed parent start
        _record_failure(settings, recovery)
    return recovery


def _record_failure(settings: Settings, recovery: Recovery) -> None:
    explanation = f"given up after {recovery.n_tries} reruns; {recovery.message}"
    details = {"explanation": f"{explanation}. Hint: {recovery.hint}, then submit again"}
    with closing(Workspace(settings, recovery.campaign)) as workspace:
        key = f"{recovery.campaign}/{recovery.name}"
        workspace.ledger.record_failure("jobs", key, recovery.reason, details)
