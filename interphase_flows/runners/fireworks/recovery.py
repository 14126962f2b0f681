"""Jobs that nobody runs any more: found by what Slurm and the machine say, and run again by rules that are data.

FireWorks learns of a lost job from the age of its last sign of life.  Here the evidence is asked for: the allocation of
the job is not in the queue any more, or was requeued; or its process is gone from this machine.  A job of which
neither can be said may still be running, and is left alone, unless it has given no sign of life for long: then another
worker may have it, since leases keep the first one from writing should it come back.
"""

import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from interphase_flows.exceptions import SettingsError
from interphase_flows.runners.fireworks.consistency import (
    CLAIMED_FOR_S,
    RECOVERED,
    Mended,
    mend_books,
    moment,
)
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.reservations import cancel_lost_reservations
from interphase_flows.runners.slurm.commands import job_name_prefix, job_record, jobs_in_queue
from interphase_flows.settings import Settings
from interphase_flows.storage.leases import process_start, this_process
from interphase_flows.storage.workspace import Workspace

if TYPE_CHECKING:
    from fireworks.core.launchpad import LaunchPad

RECOVERIES = "recoveries"
"""In the specification of a job: how often it was run again, each time with the reason."""

SEEN = "interphase_seen"
"""Of a running launch: its last sign of life at the last look, and for how long it has been the last one."""

FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 600.0
"""Between an error of the machine and the next try."""

Action = Literal["run again", "give up", "mend"]


@dataclass(frozen=True)
class Rule:
    """How often a job is run again for a reason, and what a person can do when that is not enough."""

    max_tries: int
    mend: str


RULES: Mapping[str, Rule] = {
    # Slurm's own states, in lower case
    "timeout": Rule(
        10, "its worker was ended before it could put work down: give the worker a longer walltime"
    ),
    "node_fail": Rule(10, "nodes fail again and again: leave them out by sbatch: {exclude: ...}"),
    "boot_fail": Rule(10, "nodes do not start: leave them out by sbatch: {exclude: ...}"),
    "preempted": Rule(100, "its partition is given to others: take another one"),
    "requeued": Rule(100, "its allocation is requeued again and again: ask why with scontrol show job"),
    "cancelled": Rule(5, "somebody or something cancels its allocations"),
    "out_of_memory": Rule(2, "it needs more memory: raise memory_gb of its worker"),
    "deadline": Rule(5, "its partition has a deadline"),
    "failed": Rule(5, "its worker ended in an error: see the worker's log in the folder of launches"),
    "completed": Rule(5, "its worker ended without a word: see the worker's log in the folder of launches"),
    "gone": Rule(5, "its allocation is unknown to Slurm"),
    "process_gone": Rule(5, "its process was killed: see the system's log, memory above all"),
    "silent": Rule(5, "its worker gives no sign of life: look at its node"),
    # errors of jobs that come and go with the machines around them
    "LeaseLostError": Rule(20, "another worker had its work"),
    "AutoReconnect": Rule(20, "the database is not reachable"),
    "ServerSelectionTimeoutError": Rule(20, "the database is not reachable"),
    "NetworkTimeout": Rule(20, "the database does not answer in time"),
    "ServerUnavailableError": Rule(8, "the database is not reachable"),
    "DiskFullError": Rule(8, "a disk is full"),
    "OSError": Rule(8, "a disk is full or not there"),
}
"""Reason -> rule.  Any other error is the job's own, and running it again would end in it again."""


@dataclass(frozen=True)
class Recovery:
    """What was found of one job, and what was done."""

    fw_id: int
    name: str
    campaign: str
    reason: str
    told: str
    n_tries: int
    action: Action
    mend: str


def recover(settings: Settings, dry_run: bool = False) -> list[Recovery]:
    """Find jobs that nobody runs any more, and run them again or give them up; mend FireWorks' books.

    Done twice, it does nothing the second time; of two that do it at a time, one acts on each job.

    Raises
    ------
    SettingsError, StorageError
        The database does not answer.
    """
    try:
        queue = {job.job_id: job for job in jobs_in_queue(job_name_prefix(settings))}
    except SettingsError:
        queue = None  # no Slurm here: the processes of this machine can still be judged
    launchpad = open_launchpad(settings)
    try:
        done: list[Recovery | None] = [
            Recovery(each.fw_id, each.name, each.campaign, "half_written", each.told, 0, "mend", "")
            for each in [*mend_books(launchpad, dry_run), *_lost_reservations(launchpad, queue, dry_run)]
        ]
        for launch in _running_launches(launchpad):
            evidence = _evidence(launch["fworker"].get("env") or {}, queue) or _silence(
                launchpad, settings, launch, dry_run
            )
            if evidence is not None:
                done.append(_act(launchpad, settings, launch, *evidence, dry_run))
        for launch, reason, told in _fizzled_launches(launchpad):
            if time.time() < _next_try_unix_s(launchpad, launch):
                continue
            done.append(_act(launchpad, settings, launch, reason, told, dry_run))
        return [each for each in done if each is not None]
    finally:
        launchpad.connection.close()


def _lost_reservations(
    launchpad: "LaunchPad", queue: Mapping[str, Any] | None, dry_run: bool
) -> Iterator[Mended]:
    return iter(()) if queue is None else cancel_lost_reservations(launchpad, dry_run)


def worker_evidence() -> dict[str, Any]:
    """Return what a worker leaves with every job it takes, by which it can be found dead."""
    return this_process() | {"slurm_restarts": int(os.environ.get("SLURM_RESTART_COUNT", "0"))}


def runs_on_this_machine(worker: Mapping[str, Any]) -> bool:
    """Whether a worker outside Slurm is a process of this machine that is there still."""
    return worker.get("host") == socket.gethostname() and process_start(worker["pid"]) == worker["started"]


def _evidence(worker: Mapping[str, Any], queue: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """Return the reason why a worker is gone, and words; None if it may be at work."""
    job_id = worker.get("slurm_job_id")
    if job_id is None:
        if worker.get("host") != socket.gethostname() or process_start(worker["pid"]) == worker["started"]:
            return None
        return "process_gone", f"process {worker['pid']} of {worker['host']} is gone"
    if queue is None:
        return None
    if job_id in queue:
        if queue[job_id].is_waiting or _is_another_run(job_id, worker):
            return "requeued", f"Slurm put its allocation {job_id} back into the queue"
        return None
    ended = job_record(job_id)
    if ended is None:
        return "gone", f"Slurm does not know its allocation {job_id} any more"
    if ended.is_alive:
        return None
    return (
        ended.state.lower(),
        f"allocation {job_id}: {ended.state}, {ended.reason}, exit code {ended.exit_code}",
    )


def _is_another_run(job_id: str, worker: Mapping[str, Any]) -> bool:
    now = job_record(job_id)
    return now is not None and now.n_restarts > worker.get("slurm_restarts", 0)


def _silence(
    launchpad: "LaunchPad", settings: Settings, launch: Mapping[str, Any], dry_run: bool
) -> tuple[str, str] | None:
    """Return that a worker gives no sign of life, and words; None if it did, or may yet.

    Only time between looks counts, and of a long one the half that is needed: while the database was away, or nobody
    looked, no sign could be given.
    """
    limit_s = settings.cluster.unresponsive_after_s
    now = time.time()
    sign = str(launch["state_history"][-1].get("updated_on", ""))
    seen = launch.get(SEEN) or {}
    silent_s = 0.0
    if seen.get("sign") == sign:
        silent_s = seen["silent_s"] + min(max(now - seen["at_unix_s"], 0.0), limit_s / 2)
    if not dry_run:
        launchpad.launches.update_one(
            {"launch_id": launch["launch_id"], "state": "RUNNING"},
            {"$set": {SEEN: {"sign": sign, "silent_s": silent_s, "at_unix_s": now}}},
        )
    if silent_s < limit_s:
        return None
    worker = launch["fworker"]["env"]
    return "silent", f"process {worker['pid']} of {worker['host']} gave no sign of life for {silent_s:.0f} s"


def _running_launches(launchpad: "LaunchPad") -> list[dict[str, Any]]:
    """Return the launches of running jobs; a launch of another program, which says nothing of its worker, is left out."""
    running = launchpad.fireworks.find({"state": "RUNNING"}, {"fw_id": 1, "launches": 1})
    launch_ids = [firework["launches"][-1] for firework in running if firework.get("launches")]
    fields = {"launch_id": 1, "fw_id": 1, "fworker": 1, "state": 1, "state_history": 1, SEEN: 1}
    found = launchpad.launches.find({"launch_id": {"$in": launch_ids}, "state": "RUNNING"}, fields)
    return [launch for launch in found if "pid" in (launch["fworker"].get("env") or {})]


_ERROR_LINE = re.compile(r"^(?:\w+\.)*(\w+)(?::|$)", re.MULTILINE)


def _fizzled_launches(launchpad: "LaunchPad") -> Iterator[tuple[dict[str, Any], str, str]]:
    """Yield the launches of failed jobs whose error may not come again, while nothing went on without them."""
    for firework in launchpad.fireworks.find({"state": "FIZZLED"}, {"fw_id": 1, "launches": 1}):
        if not firework["launches"]:
            continue
        launch = launchpad.launches.find_one({"launch_id": firework["launches"][-1]})
        stored = ((launch or {}).get("action") or {}).get("stored_data") or {}
        trace = str((stored.get("_exception") or {}).get("_stacktrace", ""))
        errors = [name for name in _ERROR_LINE.findall(trace) if name in RULES]
        if launch is None or not errors:
            continue
        links = launchpad.workflows.find_one({"nodes": firework["fw_id"]}, {"links": 1})
        children = (links or {"links": {}})["links"].get(str(firework["fw_id"]), [])
        if launchpad.fireworks.count_documents(
            {"fw_id": {"$in": children}, "state": {"$nin": ["WAITING", "READY"]}}
        ):
            continue
        last = next((line for line in reversed(trace.splitlines()) if line.strip()), "")
        yield launch, errors[-1], last


def _next_try_unix_s(launchpad: "LaunchPad", launch: Mapping[str, Any]) -> float:
    """Return when an error of the machine may be gone: after a while that doubles with every try."""
    spec = launchpad.fireworks.find_one({"fw_id": launch["fw_id"]}, {f"spec.{RECOVERIES}": 1})["spec"]
    wait_s = min(FIRST_WAIT_S * 2 ** len(spec.get(RECOVERIES, [])), LONGEST_WAIT_S)
    last = launch["state_history"][-1]
    return moment(last.get("updated_on") or last["created_on"]).timestamp() + wait_s


def _act(
    launchpad: "LaunchPad",
    settings: Settings,
    launch: Mapping[str, Any],
    reason: str,
    told: str,
    dry_run: bool,
) -> Recovery | None:
    """Run a job again, or give it up; None if another process acted on it meanwhile, or it was given up before."""
    fw_id, launch_id = launch["fw_id"], launch["launch_id"]
    firework = launchpad.fireworks.find_one(
        {"fw_id": fw_id}, {"name": 1, "spec.campaign": 1, f"spec.{RECOVERIES}": 1}
    )
    spec = firework["spec"]
    n_tries = len(spec.get(RECOVERIES, []))
    rule = RULES.get(reason, Rule(5, f"Slurm calls its allocation {reason}"))
    action: Action = "run again" if n_tries < rule.max_tries else "give up"
    found = Recovery(
        fw_id=fw_id,
        name=firework["name"],
        campaign=spec.get("campaign", ""),
        reason=reason,
        told=told,
        n_tries=n_tries + (action == "run again"),
        action=action,
        mend=rule.mend,
    )
    if action == "give up" and launch["state"] == "FIZZLED":
        return None
    if dry_run:
        return found
    # the launch is claimed: of two that recover, one gets it, and a job that ended meanwhile is left alone
    now = time.time()
    is_free = [{RECOVERED: {"$exists": False}}, {RECOVERED: {"$lt": now - CLAIMED_FOR_S}}]
    claimed = launchpad.launches.find_one_and_update(
        {"launch_id": launch_id, "state": launch["state"], "$or": is_free},
        {"$set": {"state": "FIZZLED", RECOVERED: now}},
    )
    if claimed is None:
        return None
    record = {"reason": reason, "told": told, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    launchpad.fireworks.update_one({"fw_id": fw_id}, {"$push": {f"spec.{RECOVERIES}": record}})
    if action == "run again":
        launchpad.rerun_fw(fw_id)
    else:
        launchpad.mark_fizzled(launch_id)  # jobs that may miss it go on
        _record_failure(settings, found, rule)
    return found


def _record_failure(settings: Settings, found: Recovery, rule: Rule) -> None:
    with closing(Workspace(settings, found.campaign)) as workspace:
        workspace.ledger.record_failure(
            "jobs",
            f"{found.campaign}/{found.name}",
            found.reason,
            {
                "explanation": f"given up after {found.n_tries} more tries; {found.told}; {rule.mend}, then submit again"
            },
        )
