"""Worker processes of one job each at a time, on the cores of this machine.

Every worker is a process pool of one process, so that a process that dies (killed, or out of memory) ends its own job
only. On Linux, workers are forked from a server process that has imported the packages of all jobs, so that they start
at once and share memory; it has no threads, which a fork would not copy. A signal to all processes of a terminal or of
a Slurm job does not reach it: its end looks like that of all workers. Elsewhere they are spawned.
"""

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import psutil

from interphase_flows.runners.local.job_graph import PendingJob
from interphase_flows.runners.local.job_run import JobOutcome, decoded_outcome, encoded_job, stored_outcome
from interphase_flows.runners.local.worker import (
    PACKAGES,
    SAFE_PATH_OF_WORKERS,
    SAFE_PATH_VARIABLE,
    STOP_SIGNALS,
    WorkerSetup,
    import_packages,
    run_in_worker,
    start_worker,
)
from interphase_flows.runtime.local_workers import WORKER_MEMORY_GB, available_memory_gb
from interphase_flows.runtime.progress import JOB, ProgressEvent, emit
from interphase_flows.runtime.walltime import is_stop_requested, process_start_unix_s
from interphase_flows.storage.workspace import Workspace

if TYPE_CHECKING:
    from jobflow import Job

logger = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.2
MEMORY_INTERVAL_S = 5.0
START_PAUSES_S = (0.0, 0.5, 2.0)
"""Before further attempts to start a job: a killed fork server accepts no connection until the kernel has ended it."""
IS_FORKED = sys.platform == "linux"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class WorkerUsage:
    """Time that worker processes existed, and time that they ran jobs."""

    n_workers: int
    wall_s: float = 0.0
    """Sum over workers."""
    busy_s: float = 0.0


class _Worker:
    """One worker process, started by its first job and again after its death."""

    def __init__(self, setup: WorkerSetup, packages: Sequence[str]):
        self.setup, self.packages = setup, packages
        self.future: Future[str] | None = None
        self._executor: ProcessPoolExecutor | None = None
        self._process: psutil.Process | None = None
        self._is_stop_sent = False

    @property
    def is_alive(self) -> bool:
        """Whether there is a process."""
        return self._executor is not None

    def open(self) -> ProcessPoolExecutor:
        """Start the process, which imports the packages of the jobs, if there is none."""
        if self._executor is None:
            context = multiprocessing.get_context("forkserver" if IS_FORKED else "spawn")
            self._events, sender = context.Pipe(duplex=False)
            self._executor = ProcessPoolExecutor(1, context, start_worker, (self.setup, sender))
            with _environment_of_workers(self.setup.settings.n_threads):
                if IS_FORKED:
                    start_fork_server(self.packages)
                self._executor.submit(import_packages, self.packages)
            sender.close()  # the process has its own copy, whose end closes the pipe
        return self._executor

    def start(self, entry: PendingJob, job: "Job") -> None:
        """Start a job, and the process if there is none."""
        encoded = encoded_job(job)
        emit(JOB, 0, 1, job.name, self.setup.number)  # before the job runs: a listener may raise
        for pause_s in START_PAUSES_S:
            try:
                self.future = self.open().submit(run_in_worker, encoded)
                break
            except (BrokenProcessPool, OSError, EOFError):  # the process, or the one that forks it, died while idle
                self.close(kill=True)
                time.sleep(pause_s)
        else:
            self.future = self.open().submit(run_in_worker, encoded)
        self.entry, self._began_s, self._is_stop_sent = entry, time.monotonic(), False

    def finish(self, usage: WorkerUsage) -> tuple[PendingJob, JobOutcome]:
        """Return the outcome of a job that has ended."""
        assert self.future is not None
        usage.busy_s += time.monotonic() - self._began_s
        outcome = _outcome(self.future)
        if outcome.worker_died:
            self.close(kill=True)  # it runs if the process that forked it has died
        self.future = None
        emit(JOB, 1, 1, "", self.setup.number)
        return self.entry, outcome

    def forward_events(self) -> None:
        """Report the progress that the process has sent."""
        with suppress(EOFError, OSError):
            while self.is_alive and self._events.poll():
                received = self._events.recv()
                if isinstance(received, ProgressEvent):
                    emit(*received)
                else:
                    with suppress(psutil.NoSuchProcess):
                        self._process = psutil.Process(received)

    def unused_gb(self) -> float:
        """Return the memory that this process will need and does not use yet: it has just started."""
        used_gb = 0.0
        if self._process is not None:
            with suppress(psutil.Error):
                used_gb = self._process.memory_full_info().uss / 1e9  # without what is shared with the fork server
        return max(WORKER_MEMORY_GB - used_gb, 0.0)

    def request_stop(self) -> None:
        """Let the job stop at its next checkpoint; a process that is starting is called again until it is ready."""
        if not self._is_stop_sent and self._process is not None:
            self._is_stop_sent = True
            with suppress(psutil.NoSuchProcess):
                self._process.terminate()

    def close(self, kill: bool = False) -> None:
        """End the process; ``kill`` does not wait for its job."""
        if self._executor is None:
            return
        if kill:
            self._kill()
        self._executor.shutdown(cancel_futures=True)
        self._events.close()
        self._executor = self._process = None

    def _kill(self) -> None:
        self.forward_events()
        while self._process is None and self.future is not None and not self.future.done():  # it is starting
            wait([self.future], POLL_INTERVAL_S)
            self.forward_events()
        if self._process is not None:
            with suppress(psutil.NoSuchProcess):
                self._process.kill()


def _outcome(future: "Future[str]") -> JobOutcome:
    """Return the outcome of a job that has ended in a worker process."""
    error = future.exception()
    if isinstance(error, BrokenProcessPool):
        return JobOutcome(worker_died=True)
    if isinstance(error, Exception):
        return JobOutcome(failure=error)
    if error is not None:
        return JobOutcome(failure=RuntimeError(f"the job ended its process ({error!r})"))
    try:
        return decoded_outcome(future.result())
    except Exception as failure:
        logger.exception("the outcome of a job cannot be read")  # such as a class that only the worker can import
        return JobOutcome(failure=failure)


class WorkerPool:
    """Runs jobs in at most ``n_workers`` processes; a context manager that ends them.

    Another process is started only if there is a job for it and memory. A stop request of this process is passed on: the
    workers stop at their next checkpoints. Until the first job with work to do, stored results of jobs are looked up in
    this process: a finished campaign starts no worker.

    Parameters
    ----------
    packages
        Modules that workers import when they start.
    starts_early
        Import them while this process builds the flow, rather than for the first job with work to do.
    """

    def __init__(
        self,
        workspace: Workspace,
        n_workers: int,
        packages: Sequence[str] = PACKAGES,
        starts_early: bool = True,
    ):
        self.workspace = workspace
        self.n_workers = n_workers
        self.usage = WorkerUsage(n_workers)
        self._packages, self._starts_early = packages, starts_early
        self._workers = [
            _Worker(
                WorkerSetup(workspace.settings, workspace.campaign, number, n_workers, process_start_unix_s()), packages
            )
            for number in range(1, n_workers + 1)
        ]
        self._looked_up: list[tuple[PendingJob, JobOutcome]] = []
        self._is_lookup = True
        self._began_s = time.monotonic()
        self._memory_checked_s = float("-inf")

    def can_start(self) -> bool:
        """Return whether a worker is idle, or another one may be started."""
        return not self._looked_up and self._idle() is not None

    def start(self, entry: PendingJob, job: "Job") -> None:
        """Begin a job on an idle worker, or on a new one."""
        if self._is_lookup:
            outcome = stored_outcome(job, self.workspace, self.n_workers)
            if outcome is not None:
                self._looked_up = [(entry, outcome)]
                return
            self._is_lookup = False
            if not any(worker.is_alive for worker in self._workers):
                emit("start", 0, 1, "starting the workers")
        worker = self._idle()
        assert worker is not None
        worker.start(entry, job)

    def wait(self) -> list[tuple[PendingJob, JobOutcome]]:
        """Return the jobs that have ended, after at most `POLL_INTERVAL_S`; report the progress of the others."""
        if self._looked_up:
            ended, self._looked_up = self._looked_up, []
            return ended
        busy = [worker for worker in self._workers if worker.future is not None]
        wait([worker.future for worker in busy if worker.future], POLL_INTERVAL_S, FIRST_COMPLETED)
        for worker in busy:
            worker.forward_events()
        if is_stop_requested():
            for worker in busy:
                worker.request_stop()
        self.usage.wall_s = self.n_workers * (time.monotonic() - self._began_s)
        ended = [worker.finish(self.usage) for worker in busy if worker.future and worker.future.done()]
        if is_stop_requested():
            # no job starts again
            ended = [(e, JobOutcome(stopped_because="stopped") if o.worker_died else o) for e, o in ended]
        return ended

    def _idle(self) -> _Worker | None:
        """Return a worker without a job, a running process if possible; None if there is none or no memory for it."""
        idle = [worker for worker in self._workers if worker.future is None]
        alive = [worker for worker in idle if worker.is_alive]
        if alive or not idle:
            return alive[0] if alive else None
        if len(idle) == len(self._workers):
            return idle[0]  # the first one runs in any case
        if time.monotonic() - self._memory_checked_s < MEMORY_INTERVAL_S:
            return None
        available_gb = available_memory_gb() - sum(each.unused_gb() for each in self._workers if each.is_alive)
        if available_gb < WORKER_MEMORY_GB:
            if self._memory_checked_s == float("-inf"):
                logger.warning(
                    "only %.1f GB of memory are available beyond that for running workers, so no other worker process "
                    "is started (%s GB) until there is more",
                    max(available_gb, 0.0),
                    WORKER_MEMORY_GB,
                )
            self._memory_checked_s = time.monotonic()
            return None
        return idle[0]

    def __enter__(self) -> Self:
        if not self._starts_early:
            return self
        if IS_FORKED:
            with _environment_of_workers(self._workers[0].setup.settings.n_threads):
                start_fork_server(self._packages)
        else:
            self._workers[0].open()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for worker in self._workers:
            worker.close(kill=worker.future is not None)


def start_fork_server(packages: Sequence[str] = PACKAGES) -> None:
    """Start the process that forks workers, if there is none; its signals are blocked, and so are those of new workers.

    It imports ``packages`` first.

    :func:`start_worker` unblocks them.
    """
    from multiprocessing import forkserver, resource_tracker

    resource_tracker.ensure_running()  # which changes the mask of signals
    forkserver.set_forkserver_preload(list(packages))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment_of_workers(n_threads: int) -> Iterator[None]:
    """Set the environment of processes that are started inside the block; variables of the user are kept.

    They use this number of threads, and import no module of the working directory, which may have the name of another.
    """
    values = dict.fromkeys(THREAD_VARIABLES, str(n_threads)) | {SAFE_PATH_VARIABLE: SAFE_PATH_OF_WORKERS}
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
