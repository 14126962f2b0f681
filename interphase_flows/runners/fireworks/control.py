"""Pause a campaign on a cluster, let it go on, or cancel it; what is done stays in any case."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interphase_flows.exceptions import InputError, SettingsError
from interphase_flows.runners.campaign_records import SUBMITTED, missing_answers
from interphase_flows.runners.fireworks.cancel import put_away
from interphase_flows.runners.fireworks.launchpad import CAMPAIGN_FIELD, open_launchpad
from interphase_flows.runners.fireworks.pause import Hold, clear_hold, hold_of, set_hold
from interphase_flows.runners.fireworks.recovery import runs_on_this_machine
from interphase_flows.runners.fireworks.states import ACTIVE, firework_states
from interphase_flows.runners.slurm.allocations import cancel_allocations, withdraw_allocations
from interphase_flows.settings import MongodbSettings, Settings
from interphase_flows.storage.workspace import open_workspace

if TYPE_CHECKING:
    from fireworks.core.launchpad import LaunchPad

RUNNING = ("RUNNING", "RESERVED")


@dataclass(frozen=True)
class Paused:
    """What a pause did.

    ``n_running`` jobs go on to their end; ``withdrawn`` are allocations that waited for nobody else, None where there
    is no Slurm to ask.
    """

    hold: Hold
    n_running: int
    withdrawn: list[str] | None


@dataclass(frozen=True)
class Cancelled:
    """What a cancel did.

    ``ended`` tells of the workers of running jobs that were ended, ``not_ended`` of those that could not be, in words.
    """

    n_jobs: int
    n_done: int
    ended: list[str]
    not_ended: list[str]
    withdrawn: list[str] | None


def pause_campaign(settings: Settings, name: str) -> Paused:
    """Let no job of a campaign start, and take allocations that nobody needs then out of the queue.

    Running jobs go on to their end, and jobs that they make are held.

    Raises
    ------
    StorageError
        There is no such campaign, or the database does not answer.
    InputError
        It was not submitted, is finished, failed or cancelled.
    """
    with _submitted_campaign(settings, name, "pause") as launchpad:
        hold = hold_of(launchpad, name)
        if hold is None or hold.state != "on hold":  # which is a pause before the first job
            hold = set_hold(launchpad, name, "paused")
        n_running = sum(firework_states(launchpad, name).get(state, 0) for state in RUNNING)
        return Paused(hold, n_running, _withdrawn(settings, launchpad))


def release_campaign(settings: Settings, name: str) -> Hold:
    """Let the jobs of a campaign that was paused, or submitted on hold, start; return the hold it had.

    Raises
    ------
    InputError
        It is not held, or was cancelled.
    """
    with _submitted_campaign(settings, name, "resume") as launchpad:
        hold = hold_of(launchpad, name)
        if hold is None:
            raise InputError(
                f"campaign {name} is under way on the cluster and needs no resume: interphase status {name}; "
                "workers come by interphase launch --every 60"
            )
        clear_hold(launchpad, name)
        return hold


def cancel_campaign(settings: Settings, name: str) -> Cancelled:
    """End a campaign: no job of it starts, those that run are ended, and allocations that nobody needs are cancelled.

    Jobs that are not done are DEFUSED in FireWorks, failed ones as well: no recovery runs them again.  An allocation
    that runs a job of the campaign is cancelled; one that works for another campaign is left alone.  What is done
    stays, and submitting the campaign again goes on from there.

    Raises
    ------
    StorageError
        There is no such campaign, or the database does not answer.
    InputError
        It was not submitted, or is finished.
    """
    with _submitted_campaign(settings, name, "cancel") as launchpad:
        set_hold(launchpad, name, "cancelled")
        away = put_away(launchpad, name, "DEFUSED")
        told = [_end_worker(launchpad, name, worker) for worker in away.workers]
        n_done = firework_states(launchpad, name).get("COMPLETED", 0)
        return Cancelled(
            n_jobs=away.n_jobs,
            n_done=n_done,
            ended=[words for is_ended, words in told if is_ended],
            not_ended=[words for is_ended, words in told if not is_ended],
            withdrawn=_withdrawn(settings, launchpad),
        )


def is_on_cluster(settings: Settings, name: str) -> bool:
    """Whether FireWorks has jobs of a campaign that are not done, or holds it."""
    if not isinstance(settings.store, MongodbSettings) or _state(settings, name).get("status") != SUBMITTED:
        return False
    launchpad = open_launchpad(settings)
    try:
        return hold_of(launchpad, name) is not None or _n_active(launchpad, name) > 0
    finally:
        launchpad.connection.close()


@contextmanager
def _submitted_campaign(settings: Settings, name: str, verb: str) -> Iterator["LaunchPad"]:
    """Open FireWorks' database for a campaign that has something to pause, resume or cancel."""
    state = _state(settings, name)
    status = state.get("status")
    if status != SUBMITTED:
        raise InputError(
            f"campaign {name} was not submitted to a cluster (it is {status}): nothing to {verb}. A campaign that runs "
            f"on one machine is stopped by Ctrl-C, and goes on by interphase resume {name}"
        )
    launchpad = open_launchpad(settings)
    try:
        hold = hold_of(launchpad, name)
        if hold is not None and hold.state == "cancelled":
            if verb != "cancel":
                raise InputError(
                    f"campaign {name} was cancelled at {hold.since}: interphase submit FILE goes on with it"
                )
        elif not _n_active(launchpad, name):
            if state.get("result") and not missing_answers(state):
                raise InputError(f"campaign {name} is finished: nothing to {verb}; interphase report {name}")
            if verb != "cancel":
                raise InputError(
                    f"campaign {name} has failed: none of its jobs runs or is ready, so there is nothing to {verb}. "
                    f"The reasons: interphase status {name}; mend the cause, then interphase submit FILE"
                )
        yield launchpad
    finally:
        launchpad.connection.close()


def _state(settings: Settings, name: str) -> Mapping[str, Any]:
    with open_workspace(settings, name, read_only=True) as workspace:
        return workspace.ledger.get("campaigns", name) or {}


def _n_active(launchpad: "LaunchPad", name: str) -> int:
    states = firework_states(launchpad, name)
    return sum(states.get(state, 0) for state in ACTIVE)


def _withdrawn(settings: Settings, launchpad: "LaunchPad") -> list[str] | None:
    try:
        return withdraw_allocations(settings, launchpad)
    except SettingsError:  # no Slurm here
        return None


def _end_worker(launchpad: "LaunchPad", name: str, worker: Mapping[str, Any]) -> tuple[bool, str]:
    """End the worker of a job that was running; whether that is seen to, and words."""
    job_id, host, pid = worker.get("slurm_job_id"), worker.get("host"), worker.get("pid")
    who = f"process {pid} of {host}" if job_id is None else f"allocation {job_id}"
    if _works_for_another(launchpad, name, worker):
        return True, f"{who} is done with it, and goes on with a job of another campaign"
    if job_id is not None:
        try:
            cancel_allocations([job_id])
        except SettingsError as error:
            return False, f"{who} was not cancelled: {error}"
        return True, f"{who} was cancelled"
    if pid is not None and runs_on_this_machine(worker):
        os.kill(int(pid), signal.SIGUSR1)
        return True, f"{who} puts its work down and ends"
    return False, f"{who}, outside Slurm, may still run: end it there; its results do no harm"


def _works_for_another(launchpad: "LaunchPad", name: str, worker: Mapping[str, Any]) -> bool:
    same = {f"fworker.env.{key}": value for key, value in worker.items()}
    found = launchpad.launches.find({"state": "RUNNING"} | same, {"fw_id": 1, "_id": 0})
    others = {
        "fw_id": {"$in": [launch["fw_id"] for launch in found]},
        "state": "RUNNING",
        CAMPAIGN_FIELD: {"$ne": name},
    }
    return bool(launchpad.fireworks.count_documents(others))
