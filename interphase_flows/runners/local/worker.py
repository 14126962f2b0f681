"""Main function of a worker process, which runs jobs until it is stopped."""

import functools
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection, wait
from types import FrameType

from interphase_flows.runners.local.job_log import JOB_LOG, log_jobs
from interphase_flows.runners.local.job_run import run_encoded_job
from interphase_flows.runtime.local_workers import set_local_workers
from interphase_flows.runtime.progress import ProgressEvent, add_listener
from interphase_flows.runtime.walltime import count_from, request_stop
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, open_workspace, use_workspace

PACKAGES = (
    "interphase_flows.flows.campaign",
    "interphase_flows.potentials.training",
    "interphase_flows.potentials.committee",
    "nequip.scripts.train",
    "chgnet.model.dynamics",
)
"""Modules that jobs of a campaign import, which takes ten seconds."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Blocked in a new process until it handles them."""

SAFE_PATH_VARIABLE = "PYTHONSAFEPATH"
SAFE_PATH_OF_WORKERS = "workers"
"""Any text enables it; with this one, programs that a job starts do not inherit it."""

EVENT_INTERVAL_S = 0.2
"""Between two events of a stage; the first and the last are always sent."""


@dataclass(frozen=True)
class WorkerSetup:
    """Data that a worker process needs to run jobs of a campaign."""

    settings: Settings
    campaign: str
    number: int
    """From 1."""
    n_workers: int
    began_unix_s: float
    """Start of the parent process, from which the walltime counts."""


_setup: WorkerSetup | None = None


def start_worker(setup: WorkerSetup, events: Connection) -> None:
    """Prepare this process: signals, walltime and progress. An error here would look like the death of the process."""
    global _setup
    # Ctrl-C reaches all processes of the terminal; the parent decides and sends SIGTERM
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, name="parent watch", daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    if os.environ.get(SAFE_PATH_VARIABLE) == SAFE_PATH_OF_WORKERS:
        del os.environ[SAFE_PATH_VARIABLE]
    count_from(setup.began_unix_s)
    set_local_workers(setup.n_workers)
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", FutureWarning)
    _setup = setup
    add_listener(_EventSender(events, setup.number))
    events.send(os.getpid())


def import_packages(packages: Sequence[str]) -> None:
    """Import what the jobs need, once for all of them; a forked process has it already."""
    for name in packages:
        with suppress(ImportError):  # reported by the job that needs it
            import_module(name)


def run_in_worker(job: str) -> str:
    """Run a job in the workspace of this process; see `run_encoded_job`.

    A workspace that cannot be opened, for example because its database does not respond, is an error of the job.
    """
    workspace = _opened_workspace()
    with use_workspace(workspace):
        return run_encoded_job(job, workspace)


@functools.cache
def _opened_workspace() -> Workspace:
    """Open the workspace that all jobs of this process share, and the log."""
    assert _setup is not None
    workspace = open_workspace(_setup.settings, _setup.campaign)
    log_jobs(workspace.root / JOB_LOG)
    return workspace


def _stop(number: int, _: FrameType | None) -> None:
    request_stop(f"{signal.Signals(number).name} from the parent process")


def _end_with_parent() -> None:
    """Kill this process when its parent has died: it must not write into a campaign that another process resumes."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


class _EventSender:
    """Sends progress events to the parent, few of each stage."""

    def __init__(self, events: Connection, number: int):
        self._events, self._number = events, number
        self._last_stage, self._last_s = "", 0.0

    def __call__(self, event: ProgressEvent) -> None:
        now = time.monotonic()
        is_due = event.stage != self._last_stage or now - self._last_s >= EVENT_INTERVAL_S
        if is_due or event.done == event.total:
            self._last_stage, self._last_s = event.stage, now
            self._events.send(event._replace(worker=self._number))
