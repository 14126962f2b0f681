"""Worker: run ready jobs of its kinds one after the other, until none is left or the walltime is near."""

import contextlib
import os
import signal
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from interphase_flows.exceptions import InputError
from interphase_flows.runners.fireworks.launchpad import not_held, open_launchpad
from interphase_flows.runners.fireworks.retrying_launchpad import RetryingLaunchPad
from interphase_flows.runners.fireworks.worker_identity import worker_identity
from interphase_flows.runners.job_failures import is_transient
from interphase_flows.runtime.progress import emit
from interphase_flows.runtime.walltime import deadline, request_stop
from interphase_flows.settings import FILE_VARIABLE, Settings, WorkerSettings, settings_file

POLL_INTERVAL_S = 2.0
STAGE = "worker"


@dataclass(frozen=True)
class WorkerRun:
    """Number of jobs that a worker ran, and why it ended."""

    n_jobs: int
    end_reason: str

    @property
    def summary(self) -> str:
        """Both as one line of text."""
        return f"{self.n_jobs} jobs; ended because {self.end_reason}"


def worker_settings(settings: Settings, name: str) -> WorkerSettings:
    """Return the settings of a worker, or raise an InputError that lists the existing ones."""
    workers = settings.cluster.workers
    if name not in workers:
        raise InputError(f"worker {name!r}: the settings define {', '.join(workers)} (cluster.workers)")
    return workers[name]


def work(settings: Settings, name: str, folder: Path, after_job: Callable[[], None] = lambda: None) -> WorkerRun:
    """Run ready jobs, in folders below ``folder``, until there have been none for a while or this process has to end."""
    from interphase_flows.runners.fireworks.firetask import close_workspaces  # a second to import

    worker = worker_settings(settings, name)
    launchpad = open_launchpad(settings)
    end = deadline(settings)
    n_jobs, idle_since = 0, time.monotonic()
    try:
        with _settings_in_environment(settings), _stop_on_signal():
            while True:
                if end.is_over:
                    return WorkerRun(n_jobs, "its walltime is over")
                if _run_one(launchpad, worker, name, folder):
                    n_jobs += 1
                    after_job()
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since >= worker.wait_for_work_s:
                    return WorkerRun(n_jobs, "there is no ready job for it")
                else:
                    time.sleep(min(POLL_INTERVAL_S, max(worker.wait_for_work_s, 0.1)))
    finally:
        close_workspaces()
        launchpad.close()


@contextlib.contextmanager
def _settings_in_environment(settings: Settings) -> Iterator[None]:
    """Set the environment by which jobs, which run in other folders, find the settings of this process."""
    variables = {"INTERPHASE_ROOT": str(settings.root)}
    if file := settings_file():
        variables[FILE_VARIABLE] = str(file.absolute())
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _run_one(launchpad: RetryingLaunchPad, worker: WorkerSettings, name: str, folder: Path) -> bool:
    """Run one job in a new folder; return False if there is none."""
    from fireworks.core.fworker import FWorker
    from fireworks.core.rocket_launcher import launch_rocket
    from fireworks.utilities.fw_utilities import create_datestamp_dir

    fworker = FWorker(
        name=f"{name}@{socket.gethostname()}",
        category=list(worker.kinds),
        query=not_held(launchpad),
        env=worker_identity(),
    )
    # FireWorks' own run_exists reads and builds the complete job, which the launch then repeats
    if launchpad.fireworks.find_one(fworker.query | {"state": "READY"}, {"_id": 1}) is None:
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        launch_folder = create_datestamp_dir(folder, launchpad.m_logger, prefix="launch_")
    except OSError as error:
        if not is_transient(error):
            raise
        emit(STAGE, 0, 1, f"cannot create a launch folder: {error}")
        return False
    emit(STAGE, 0, 1, f"takes a job as {fworker.name}, process {os.getpid()}")
    before = Path.cwd()
    try:
        os.chdir(launch_folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            return bool(launch_rocket(launchpad, fworker, strm_lvl="WARNING"))
    except (RuntimeError, ValueError) as error:
        # inconsistent records of a job, as after a kill between two writes: a recovery repairs them
        emit(STAGE, 0, 1, f"FireWorks cannot start or close a job: {str(error).strip().splitlines()[-1]}")
        return False
    finally:
        os.chdir(before)
        with contextlib.suppress(OSError):
            Path(launch_folder).rmdir()  # kept if it is not empty


@contextlib.contextmanager
def _stop_on_signal() -> Iterator[None]:
    """Stop work at a checkpoint on SIGUSR1 or SIGTERM; SIGUSR1 stays ignored afterwards, while the process ends."""
    reasons = {
        signal.SIGUSR1: "SIGUSR1, which Slurm sends shortly before the walltime",
        # given some seconds before the kill, finished work is stored; otherwise a recovery finds the rest
        signal.SIGTERM: "SIGTERM, which stops the process",
    }

    def stop(number: int, _: FrameType | None) -> None:
        request_stop(reasons[signal.Signals(number)])

    before = {number: signal.signal(number, stop) for number in reasons}
    try:
        yield
    finally:
        signal.signal(
            signal.SIGUSR1,
            signal.SIG_IGN if before[signal.SIGUSR1] is signal.SIG_DFL else before[signal.SIGUSR1],
        )
        signal.signal(signal.SIGTERM, before[signal.SIGTERM])
