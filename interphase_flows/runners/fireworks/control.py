"""Pause, resume and cancel a campaign on a cluster; finished work is kept."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from interphase_flows.exceptions import InputError, SettingsError
from interphase_flows.runners.campaign_records import SUBMITTED, missing_analyses
from interphase_flows.runners.fireworks.cancel import retire_jobs
from interphase_flows.runners.fireworks.launchpad import CAMPAIGN_FIELD, open_launchpad
from interphase_flows.runners.fireworks.pause import Hold, clear_hold, hold_of, set_hold
from interphase_flows.runners.fireworks.retrying_launchpad import RetryingLaunchPad
from interphase_flows.runners.fireworks.states import ACTIVE, firework_states
from interphase_flows.runners.fireworks.worker_identity import WorkerIdentity, runs_on_this_machine
from interphase_flows.runners.fireworks.worker_requests import withdraw_idle_allocations
from interphase_flows.runners.slurm.commands import cancel_jobs
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.workspace import open_workspace

RUNNING = ("RUNNING", "RESERVED")


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
    """Whether FireWorks holds a campaign, or has unfinished jobs of it."""
    if not isinstance(settings.store, MongodbSettings) or _state(settings, name).get("status") != SUBMITTED:
        return False
    with closing(open_launchpad(settings)) as launchpad:
        return hold_of(launchpad, name) is not None or _n_active(launchpad, name) > 0


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
                raise InputError(
                    f"campaign {name} is finished: nothing to {command}. Hint: interphase report {name}"
                )
            if command != "cancel":
                raise InputError(
                    f"campaign {name} has failed: no job is running or ready, so there is nothing to {command}. Hint: "
                    f"see the reasons by interphase status {name}, fix the cause, then interphase submit FILE"
                )
        yield launchpad


def _state(settings: Settings, name: str) -> JsonDocument:
    with open_workspace(settings, name, read_only=True) as workspace:
        return workspace.ledger.get("campaigns", name) or {}


def _n_active(launchpad: RetryingLaunchPad, name: str) -> int:
    states = firework_states(launchpad, name)
    return sum(states.get(state, 0) for state in ACTIVE)


def _withdrawn(settings: Settings, launchpad: RetryingLaunchPad) -> list[str] | None:
    try:
        return withdraw_idle_allocations(settings, launchpad)
    except SettingsError:  # no Slurm here
        return None


def _stop_worker(launchpad: RetryingLaunchPad, name: str, worker: WorkerIdentity | None) -> tuple[bool, str]:
    """Stop the worker of a running job; return whether that succeeded, and a message."""
    if worker is None:
        return False, "a job that was not started by interphase work may still run: stop it there"
    job_id, pid = worker["slurm_job_id"], worker["pid"]
    label = f"process {pid} on {worker['host']}" if job_id is None else f"allocation {job_id}"
    if _works_for_another(launchpad, name, worker):
        return True, f"{label} has finished its job, and now runs a job of another campaign"
    if job_id is not None:
        try:
            cancel_jobs([job_id])
        except SettingsError as error:
            return False, f"{label} was not cancelled: {error}"
        return True, f"{label} was cancelled"
    if runs_on_this_machine(worker):
        os.kill(pid, signal.SIGUSR1)
        return True, f"{label} stops at its next checkpoint"
    return False, f"{label}, outside Slurm, may still run: stop it there; its results do no harm"


def _works_for_another(launchpad: RetryingLaunchPad, name: str, worker: WorkerIdentity) -> bool:
    same = {f"fworker.env.{key}": value for key, value in worker.items()}
    found = launchpad.launches.find({"state": "RUNNING"} | same, {"fw_id": 1, "_id": 0})
    running = {"fw_id": {"$in": [launch["fw_id"] for launch in found]}, "state": "RUNNING"}
    return bool(launchpad.fireworks.count_documents(running | {CAMPAIGN_FIELD: {"$ne": name}}))
