"""Run a flow as jobflow does, with independent jobs at the same time."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from interphase_flows.exceptions import SettingsError, StorageError, WalltimeReachedError, WorkerDiedError
from interphase_flows.runners.job_failures import record_job_failure
from interphase_flows.runners.local.job_graph import JobGraph, PendingJob
from interphase_flows.runners.local.job_run import JobOutcome, run_job
from interphase_flows.runners.missing_inputs import check_inputs
from interphase_flows.runtime.progress import FAILED, JOBS, emit
from interphase_flows.runtime.walltime import deadline, is_stop_requested
from interphase_flows.storage.workspace import Workspace

if TYPE_CHECKING:
    from jobflow import Flow, Job, JobStore, Response

logger = logging.getLogger(__name__)

MAX_WORKER_DEATHS = 3
"""Processes that may die while they run the same job before it is recorded as failed."""


class JobExecutor(Protocol):
    """Runs jobs whose references are resolved."""

    n_workers: int

    def can_start(self) -> bool:
        """Return whether another job can run now."""
        ...

    def start(self, entry: PendingJob, job: "Job") -> None:
        """Begin a job; ``entry`` is returned with its outcome."""
        ...

    def wait(self) -> list[tuple[PendingJob, JobOutcome]]:
        """Return the jobs that have ended; none if that takes long."""
        ...


class InThisProcess:
    """Runs one job at a time in this process."""

    n_workers = 1

    def __init__(self, workspace: Workspace):
        self.workspace = workspace
        self._ended: list[tuple[PendingJob, JobOutcome]] = []

    def can_start(self) -> bool:
        """Return whether another job can run now."""
        return not self._ended

    def start(self, entry: PendingJob, job: "Job") -> None:
        """Run a job to its end."""
        self._ended.append((entry, run_job(job, self.workspace)))

    def wait(self) -> list[tuple[PendingJob, JobOutcome]]:
        """Return the job that has ended."""
        ended, self._ended = self._ended, []
        return ended


class FlowRunner:
    """Run a flow with the semantics of :func:`jobflow.run_locally`, on an executor.

    This process resolves references, stores outputs and handles responses; ``store`` is connected. A job that fails is
    logged and recorded in the ledger. Its children are skipped if they need its output (``OnMissing.ERROR``), else they
    run without it. A job whose worker process died runs again, from its last checkpoint. An error of the settings, which
    all jobs of this kind would meet, ends the run.
    """

    def __init__(self, workspace: Workspace, store: "JobStore", executor: JobExecutor | None = None):
        self.workspace = workspace
        self.store = store
        self.executor = executor or InThisProcess(workspace)
        self.responses: dict[str, dict[int, Response]] = defaultdict(dict)
        self._failed: dict[str, str] = {}
        """Names of failed and skipped jobs by uuid."""
        self._stopped: set[str] = set()
        self._deaths: Counter[tuple[str, int]] = Counter()
        self._errors: Counter[str] = Counter()
        self._stop_message: str | None = None
        self._wrong_setting: str | None = None
        self._is_ended = False

    def run(self, flow: "Flow") -> "dict[str, dict[int, Response]]":
        """Run all jobs of a flow, those that they create included; return their responses by uuid and index.

        Raises
        ------
        WalltimeReachedError
            A job stopped at the walltime or by a signal; no job was started after it, and running jobs were awaited.
        SettingsError
            A job failed because of the settings of this machine; no job was started after it, and running jobs were
            awaited.
        """
        from jobflow.core.flow import get_flow

        graph, n_running = JobGraph(get_flow(flow)), 0
        while True:
            while not self._is_stopping and self.executor.can_start():
                entry = graph.next_ready(longest_chain_first=self.executor.n_workers > 1)
                if entry is None:
                    break
                if self._start(entry):
                    n_running += 1
                else:
                    graph.finish(entry)
            if not n_running:
                break
            for entry, outcome in self.executor.wait():
                n_running -= 1
                self._handle(graph, entry, outcome)
        if self._wrong_setting is not None:
            raise SettingsError(self._wrong_setting)
        if self._stop_message is None and graph.pending and is_stop_requested():
            self._stop_message = f"stopped ({deadline(self.workspace.settings).ended_by})"
        if self._stop_message is not None:
            raise WalltimeReachedError(self._stop_message)
        return dict(self.responses)

    @property
    def _is_stopping(self) -> bool:
        is_stopped = self._stop_message is not None or self._wrong_setting is not None
        return self._is_ended or is_stopped or is_stop_requested()

    def _start(self, entry: PendingJob) -> bool:
        """Start a job with resolved references; return False if it is skipped or a reference cannot be resolved."""
        if self._is_skipped(entry):
            return False
        with self._failures_recorded(entry):
            resolved = self._resolved(entry.job)
            check_inputs(entry.job, resolved, [self._failed[each] for each in entry.parents if each in self._failed])
            self.executor.start(entry, resolved)
        return entry.job.uuid not in self._failed

    def _resolved(self, job: "Job") -> "Job":
        """Return a job whose arguments are outputs instead of references, as far as its configuration states so."""
        mode = job.config.resolve_references
        return job.resolve_args(self.store, inplace=False, wrap_resolved=mode == "both") if mode else job

    def _is_skipped(self, entry: PendingJob) -> bool:
        """Return whether a parent has failed or stopped its children; a skipped job does the same to its own children."""
        from jobflow import OnMissing

        job, parents = entry
        if self._stopped.intersection(parents):
            logger.info("%s is skipped: a parent has stopped its children", job.name)
            self._stopped.add(job.uuid)
            return True
        if self._failed.keys() & set(parents) and job.config.on_missing_references == OnMissing.ERROR:
            logger.info("%s is skipped: a parent has failed", job.name)
            self._failed[job.uuid] = job.name
            return True
        return False

    @contextmanager
    def _failures_recorded(self, entry: PendingJob) -> Iterator[None]:
        """Record an error inside the block as the failure of a job."""
        try:
            yield
        except Exception as error:
            logger.exception("%s failed", entry.job.name)
            record_job_failure(self.workspace.ledger, entry.job.name, error)
            self._failed[entry.job.uuid] = entry.job.name

    def _handle(self, graph: JobGraph, entry: PendingJob, outcome: JobOutcome) -> None:
        job, response = entry.job, outcome.response
        if outcome.worker_died:
            self._handle_death(graph, entry)
            return
        if outcome.stopped_because is not None:
            # jobs that wait for this one must not run as if its labels had been rejected
            self._stop_message = self._stop_message or outcome.stopped_because
            return
        if outcome.error is not None:
            self._report_failure(job.name, outcome.error)
        if outcome.is_wrong_setting:
            self._wrong_setting = self._wrong_setting or outcome.error
            return
        if outcome.failure is not None:
            with self._failures_recorded(entry):
                raise outcome.failure
        elif response is not None:
            with self._failures_recorded(entry):
                self._store(outcome)
        else:
            self._failed[job.uuid] = job.name
        if response is None or job.uuid in self._failed:
            graph.finish(entry)
            return
        self.responses[job.uuid][job.index] = response
        if response.stored_data is not None:
            logger.warning("%s: Response.stored_data is ignored by the local runner", job.name)
        if response.stop_children:
            self._stopped.add(job.uuid)
        self._is_ended |= response.stop_jobflow
        graph.finish(
            entry,
            before_children=[new for new in (response.replace, response.detour) if new is not None],
            additions=[] if response.addition is None else [response.addition],
        )
        n_finished = sum(map(len, self.responses.values()))
        emit(JOBS, n_finished, n_finished)

    def _report_failure(self, name: str, error: str) -> None:
        """Report the first of equal failures, then each time that their number has doubled."""
        self._errors[error] += 1
        n_equal = self._errors[error]
        if n_equal & (n_equal - 1) == 0:
            emit(FAILED, n_equal, n_equal, f"{name}: {error}")

    def _handle_death(self, graph: JobGraph, entry: PendingJob) -> None:
        job = entry.job
        self._deaths[job.uuid, job.index] += 1
        if self._deaths[job.uuid, job.index] < MAX_WORKER_DEATHS:
            logger.warning("%s: its worker process died; it runs again from its last checkpoint", job.name)
            graph.restore(entry)
            return
        with self._failures_recorded(entry):
            raise WorkerDiedError(
                f"{job.name}: {MAX_WORKER_DEATHS} worker processes died while they ran it. Hint: if the kernel killed "
                "them for lack of memory (dmesg shows it), use fewer with --workers"
            )
        graph.finish(entry)

    def _store(self, outcome: JobOutcome) -> None:
        self.store.docs_store.update(outcome.outputs, key=["uuid", "index"])
        if outcome.blobs:
            if "data" not in self.store.additional_stores:
                raise StorageError("the job store has no additional store `data` for large outputs")
            self.store.additional_stores["data"].update(outcome.blobs, key="blob_uuid")
