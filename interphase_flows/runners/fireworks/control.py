"""Pause, resume and cancel a campaign on a cluster; finished work is kept."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from interphase_flows.exceptions import InputError, SettingsError, SlurmNotFoundError, StorageError
from interphase_flows.runners.campaign_records import SUBMITTED, missing_analyses
from interphase_flows.runners.fireworks.launchpad import (
    CAMPAIGN_FIELD,
    Hold,
    clear_hold,
    hold_of,
    open_launchpad,
    set_hold,
)
from interphase_flows.runners.fireworks.retrying_launchpad import ExpiringLock, RetryingLaunchPad
from interphase_flows.runners.fireworks.states import (
    ACTIVE,
    PAUSED_BY_LPAD,
    campaign_jobs,
    firework_states,
    jobs_held_by_lpad,
)
from interphase_flows.runners.fireworks.worker_identity import (
    WorkerIdentity,
    is_on_another_cluster,
    request_checkpoint,
    worker_of,
)
from interphase_flows.runners.fireworks.worker_requests import withdraw_idle_allocations
from interphase_flows.runners.slurm import cancel_jobs, local_cluster
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.workspace import open_workspace

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

RUNNING = ("RUNNING", "RESERVED")


@dataclass(frozen=True)
class RetiredJobs:
    """Number of jobs that were cancelled or archived, and the workers of those that were running."""

    n_jobs: int
    workers: list[WorkerIdentity | None]


def retire_jobs(launchpad: RetryingLaunchPad, campaign: str, state: Literal["DEFUSED", "ARCHIVED"]) -> RetiredJobs:
    """Cancel (DEFUSED) or archive all remaining jobs of a campaign, including those that running jobs add meanwhile.

    FireWorks' own methods rewrite the workflow once per job, and make a job READY before they archive it. Here all
    jobs change their state in one write, under the workflow's lock.

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


def _retire_batch(launchpad: RetryingLaunchPad, node: int, state: str, with_reserved: bool) -> dict[int, list[int]]:
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


@dataclass(frozen=True)
class PauseResult:
    """Effect of a pause: running jobs, which run to their end, and ids of withdrawn allocations (None without Slurm)."""

    hold: Hold
    n_running: int
    withdrawn: list[str] | None


@dataclass(frozen=True)
class CancelResult:
    """Effect of a cancellation; ``ended`` and ``not_ended`` describe the workers of running jobs."""

    n_jobs: int
    n_done: int
    ended: list[str]
    not_ended: list[str]
    withdrawn: list[str] | None


def pause_campaign(settings: Settings, name: str) -> PauseResult:
    """Hold the jobs of a campaign, and withdraw allocations that no other campaign needs.

    Running jobs run to their end; jobs that they add are held.

    Raises
    ------
    InputError
        The campaign was not submitted, or is finished, failed or cancelled.
    """
    with _submitted_campaign(settings, name, "pause") as launchpad:
        hold = hold_of(launchpad, name)
        if hold is None or hold.state != "on hold":  # "on hold" is a pause before the first job
            hold = set_hold(launchpad, name, "paused")
        states = firework_states(launchpad, name)
        n_running = sum(states.get(state, 0) for state in RUNNING)
        return PauseResult(hold, n_running, _withdrawn(settings, launchpad))


def release_campaign(settings: Settings, name: str) -> Hold:
    """Release a campaign that was paused or submitted on hold; return the hold that it had.

    Raises
    ------
    InputError
        The campaign is not held, or was cancelled.
    """
    with _submitted_campaign(settings, name, "resume") as launchpad:
        hold = hold_of(launchpad, name)
        if hold is None:
            _check_not_held_by_lpad(launchpad, name)
            raise InputError(
                f"campaign {name} is active on the cluster and not paused: interphase status {name}. Hint: start "
                "workers by interphase launch --every 60"
            )
        clear_hold(launchpad, name)
        return hold


def cancel_campaign(settings: Settings, name: str) -> CancelResult:
    """Cancel a campaign: its unfinished jobs become DEFUSED, running ones are stopped.

    Failed jobs become DEFUSED as well, so that no recovery reruns them. An allocation that runs a job of the campaign
    is cancelled, unless it has moved on to another campaign; superfluous allocations are withdrawn. Finished work is
    kept, and submitting the campaign again continues from it.

    Raises
    ------
    InputError
        The campaign was not submitted, or is finished.
    """
    with _submitted_campaign(settings, name, "cancel") as launchpad:
        set_hold(launchpad, name, "cancelled")
        retired = retire_jobs(launchpad, name, "DEFUSED")
        outcomes = [_stop_worker(launchpad, name, worker) for worker in retired.workers]
        return CancelResult(
            n_jobs=retired.n_jobs,
            n_done=firework_states(launchpad, name).get("COMPLETED", 0),
            ended=[message for is_ended, message in outcomes if is_ended],
            not_ended=[message for is_ended, message in outcomes if not is_ended],
            withdrawn=_withdrawn(settings, launchpad),
        )


def is_on_cluster(settings: Settings, name: str) -> bool:
    """Return whether FireWorks holds a campaign, or has unfinished jobs of it, which `lpad` may have paused."""
    if not isinstance(settings.store, MongodbSettings) or _state(settings, name).get("status") != SUBMITTED:
        return False
    with closing(open_launchpad(settings)) as launchpad:
        states = firework_states(launchpad, name)
        return hold_of(launchpad, name) is not None or any(state in states for state in (*ACTIVE, PAUSED_BY_LPAD))


def check_not_on_cluster(settings: Settings, name: str, status: str | None) -> None:
    """Raise an InputError if FireWorks has unfinished jobs of a campaign, which is recorded with this status.

    A campaign that was cancelled has none.
    """
    if not isinstance(settings.store, MongodbSettings) or status != SUBMITTED:
        return
    with closing(open_launchpad(settings)) as launchpad:
        n_open = _n_active(launchpad, name) + firework_states(launchpad, name).get(PAUSED_BY_LPAD, 0)
        hold = hold_of(launchpad, name)
    if n_open and (hold is None or hold.state != "cancelled"):
        raise InputError(
            f"campaign {name} was submitted to FireWorks and has {n_open} unfinished jobs there. Hint: interphase launch "
            f"--every 60 starts workers for them; to run it on this machine, first interphase cancel {name}"
        )


@contextmanager
def _submitted_campaign(settings: Settings, name: str, command: str) -> Iterator[RetryingLaunchPad]:
    """Open FireWorks' database for a campaign that can be paused, resumed or cancelled."""
    state = _state(settings, name)
    status = state.get("status")
    if status != SUBMITTED:
        raise InputError(
            f"campaign {name} was not submitted to a cluster (it is {status}): nothing to {command}. Hint: stop a "
            f"campaign that runs on one machine by Ctrl-C; interphase resume {name} continues it"
        )
    with closing(open_launchpad(settings)) as launchpad:
        hold = hold_of(launchpad, name)
        if hold is not None and hold.state == "cancelled":
            if command != "cancel":
                raise InputError(
                    f"campaign {name} was cancelled at {hold.since}. Hint: interphase submit FILE continues it"
                )
        elif not _n_active(launchpad, name):
            if state.get("result") and not missing_analyses(state):
                raise InputError(f"campaign {name} is finished: nothing to {command}. Hint: interphase report {name}")
            if command != "cancel":
                _check_not_held_by_lpad(launchpad, name)
                raise InputError(
                    f"campaign {name} has no running or ready job: nothing to {command}. Hint: "
                    f"see the reasons by interphase status {name}, fix the cause, then interphase submit FILE"
                )
        yield launchpad


def _check_not_held_by_lpad(launchpad: RetryingLaunchPad, name: str) -> None:
    held = jobs_held_by_lpad(campaign_jobs(launchpad, name), None)
    if held:
        jobs = ", ".join(f"{len(each.jobs)} of its jobs {each.state}" for each in held)
        releases = "; ".join(each.release for each in held)
        raise InputError(f"campaign {name} has {jobs} by FireWorks' command lpad. Hint: release them: {releases}")


def _state(settings: Settings, name: str) -> JsonDocument:
    with open_workspace(settings, name, read_only=True) as workspace:
        return workspace.ledger.get("campaigns", name) or {}


def _n_active(launchpad: RetryingLaunchPad, name: str) -> int:
    states = firework_states(launchpad, name)
    return sum(states.get(state, 0) for state in ACTIVE)


def _withdrawn(settings: Settings, launchpad: RetryingLaunchPad) -> list[str] | None:
    try:
        return withdraw_idle_allocations(settings, launchpad)
    except SlurmNotFoundError:
        return None
    except SettingsError as error:
        raise SettingsError(
            f"{error}. The jobs are held or cancelled as requested, but allocations that wait for them may remain in the "
            "queue: repeat the command, or cancel them by scancel"
        ) from None


def _stop_worker(launchpad: RetryingLaunchPad, name: str, worker: WorkerIdentity | None) -> tuple[bool, str]:
    """Stop the worker of a running job; return whether that succeeded, and a message."""
    if worker is None:
        return False, "a job that was not started by interphase work may still run: stop it there"
    job_id, pid = worker["slurm_job_id"], worker["pid"]
    label = f"process {pid} on {worker['host']}" if job_id is None else f"allocation {job_id}"
    if _works_for_another(launchpad, name, worker):
        return True, f"{label} has finished its job, and now runs a job of another campaign"
    if job_id is not None:
        if is_on_another_cluster(worker, local_cluster()):
            return False, f"{label} is on the cluster {worker['slurm_cluster']}: cancel it there"
        try:
            cancel_jobs([job_id])
        except SettingsError as error:
            return False, f"{label} was not cancelled: {error}"
        return True, f"{label} was cancelled"
    if request_checkpoint(worker):
        return True, f"{label} stops at its next checkpoint"
    return False, f"{label}, outside Slurm, may still run: stop it there; its results do no harm"


def _works_for_another(launchpad: RetryingLaunchPad, name: str, worker: WorkerIdentity) -> bool:
    same = {f"fworker.env.{key}": value for key, value in worker.items()}
    found = launchpad.launches.find({"state": "RUNNING"} | same, {"fw_id": 1, "_id": 0})
    running = {"fw_id": {"$in": [launch["fw_id"] for launch in found]}, "state": "RUNNING"}
    return bool(launchpad.fireworks.count_documents(running | {CAMPAIGN_FIELD: {"$ne": name}}))
