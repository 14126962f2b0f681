"""What an allocation does: run ready jobs of its kinds, one after the other, until there are none or time is over."""

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
from typing import TYPE_CHECKING

from interphase_flows.exceptions import InputError
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.pause import not_held
from interphase_flows.runners.fireworks.recovery import worker_evidence
from interphase_flows.runners.transient_errors import is_of_the_machine
from interphase_flows.runtime.progress import emit
from interphase_flows.runtime.walltime import deadline, request_stop
from interphase_flows.settings import FILE_VARIABLE, Settings, WorkerSettings, settings_file

if TYPE_CHECKING:
    from fireworks.core.launchpad import LaunchPad

LOOK_INTERVAL_S = 2.0
STAGE = "worker"


@dataclass(frozen=True)
class Shift:
    """What a worker did."""

    n_jobs: int
    ended_because: str

    @property
    def told(self) -> str:
        """The same as a sentence."""
        return f"{self.n_jobs} jobs; ended because {self.ended_because}"


def worker_settings(settings: Settings, name: str) -> WorkerSettings:
    """Return the settings of a worker.

    Raises
    ------
    InputError
        There is none of that name; lists those there are.
    """
    workers = settings.cluster.workers
    if name not in workers:
        raise InputError(f"worker {name!r}: the settings have {', '.join(workers)} (cluster.workers)")
    return workers[name]


def work(settings: Settings, name: str, folder: Path, after_job: Callable[[], None] = lambda: None) -> Shift:
    """Run ready jobs until there are none for a while, or this process has to end.

    Parameters
    ----------
    settings
        Settings of this machine.
    name
        Of the worker, in ``cluster.workers``.
    folder
        Where the launches have their folders.
    after_job
        Called after every job.
    """
    from interphase_flows.runners.fireworks.firetask import close_workspaces  # a second to import

    worker = worker_settings(settings, name)
    launchpad = open_launchpad(settings)
    end = deadline(settings)
    n_jobs, idle_since = 0, time.monotonic()
    try:
        with _kept_settings(settings), _told_by_signal():
            while True:
                if end.is_over:
                    return Shift(n_jobs, "its time is over")
                if _run_one(launchpad, worker, name, folder):
                    n_jobs += 1
                    after_job()
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since >= worker.wait_for_work_s:
                    return Shift(n_jobs, "there is no ready job for it")
                else:
                    time.sleep(min(LOOK_INTERVAL_S, max(worker.wait_for_work_s, 0.1)))
    finally:
        close_workspaces()
        launchpad.connection.close()


@contextlib.contextmanager
def _kept_settings(settings: Settings) -> Iterator[None]:
    """Let jobs, which run in folders of their own, find the settings that this process began with."""
    kept = {"INTERPHASE_ROOT": str(settings.root)}
    if file := settings_file():
        kept[FILE_VARIABLE] = str(file.absolute())
    before = {name: os.environ.get(name) for name in kept}
    os.environ.update(kept)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _run_one(launchpad: "LaunchPad", worker: WorkerSettings, name: str, folder: Path) -> bool:
    """Run one job in a folder of its own; False if there is none."""
    from fireworks.core.fworker import FWorker
    from fireworks.core.rocket_launcher import launch_rocket
    from fireworks.utilities.fw_utilities import create_datestamp_dir

    fworker = FWorker(
        name=f"{name}@{socket.gethostname()}",
        category=list(worker.kinds),
        query=not_held(launchpad),
        env=worker_evidence(),
    )
    # FireWorks' own run_exists reads and builds the whole job, which the launch then does again
    if launchpad.fireworks.find_one(fworker.query | {"state": "READY"}, {"_id": 1}) is None:
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        launch_folder = create_datestamp_dir(folder, launchpad.m_logger, prefix="launch_")
    except OSError as error:
        if not is_of_the_machine(error):
            raise
        emit(STAGE, 0, 1, f"no folder for a job can be made: {error}")
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
        # FireWorks' books do not agree about a job, as after a kill between two writes: recover mends them
        emit(STAGE, 0, 1, f"FireWorks cannot hand out or close a job: {str(error).strip().splitlines()[-1]}")
        return False
    finally:
        os.chdir(before)
        with contextlib.suppress(OSError):
            Path(launch_folder).rmdir()  # stays if there is something in it


@contextlib.contextmanager
def _told_by_signal() -> Iterator[None]:
    """Put work down when Slurm says that the end is near; it may say so while this process is ending by itself."""
    told = {
        signal.SIGUSR1: "SIGUSR1, by which Slurm tells that the walltime is near",
        # with some seconds until the kill, what is done is kept; without, recover finds what is left
        signal.SIGTERM: "SIGTERM, by which the process is told to end",
    }

    def end(number: int, _: FrameType | None) -> None:
        request_stop(told[signal.Signals(number)])

    before = {number: signal.signal(number, end) for number in told}
    try:
        yield
    finally:
        signal.signal(
            signal.SIGUSR1,
            signal.SIG_IGN if before[signal.SIGUSR1] is signal.SIG_DFL else before[signal.SIGUSR1],
        )
        signal.signal(signal.SIGTERM, before[signal.SIGTERM])
