"""Run the jobs of a jobflow flow one after another in this process."""

import logging
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from interphase_flows.exceptions import StorageError, WalltimeReachedError
from interphase_flows.runners.job_failures import record_job_failure
from interphase_flows.runtime.progress import JOBS, emit
from interphase_flows.storage.workspace import Workspace

if TYPE_CHECKING:
    from jobflow import Flow, Job, JobStore, Response

logger = logging.getLogger(__name__)

JOB_LOG = "jobs.log"


class FlowRunner:
    """Run a flow with the semantics of :func:`jobflow.run_locally`, and observe every job directly.

    A job that fails is logged and recorded in the ledger. Its children are skipped if they need its output
    (``OnMissing.ERROR``), else they run without it. The jobs of ``Response.replace``, ``detour`` and ``addition`` run,
    in this order, before the rest of the flow. Jobs run in the root of the workspace; ``store`` is connected.
    """

    def __init__(self, workspace: Workspace, store: "JobStore"):
        self.workspace = workspace
        self.store = store
        self.responses: dict[str, dict[int, Response]] = defaultdict(dict)
        self._failed: set[str] = set()
        self._stopped: set[str] = set()

    def run(self, flow: "Flow") -> "dict[str, dict[int, Response]]":
        """Run all jobs of a flow, those that they create included; return their responses by uuid and index.

        Raises
        ------
        WalltimeReachedError
            A job stopped at the walltime; no job was started after it.
        """
        from jobflow.core.flow import get_flow

        # in topological order; the jobs that a job creates go to the front
        pending = deque(get_flow(flow).iterflow())
        while pending:
            job, parents = pending.popleft()
            if self._is_skipped(job, parents):
                continue
            response = self._run_job(job)
            if response is None:
                continue
            if response.stop_jobflow:
                break
            created = [
                new for new in (response.replace, response.detour, response.addition) if new is not None
            ]
            pending.extendleft(reversed([entry for new in created for entry in new.iterflow()]))
        return dict(self.responses)

    def _is_skipped(self, job: "Job", parents: list[str]) -> bool:
        """Whether a parent has failed or stopped its children; a skipped job does the same to its own children."""
        from jobflow import OnMissing

        if self._stopped.intersection(parents):
            logger.info("%s is skipped: a parent has stopped its children", job.name)
            self._stopped.add(job.uuid)
            return True
        if self._failed.intersection(parents) and job.config.on_missing_references == OnMissing.ERROR:
            logger.info("%s is skipped: a parent has failed", job.name)
            self._failed.add(job.uuid)
            return True
        return False

    def _run_job(self, job: "Job") -> "Response | None":
        """Run one job and store its response; return None if it failed."""
        root = self.workspace.root
        try:
            with chdir(root):
                response = job.run(store=self.store, job_dir=root)
        except WalltimeReachedError:
            # jobs that wait for this one must not run as if its labels had been rejected
            logger.exception("%s stopped at the walltime", job.name)
            raise
        except Exception as error:
            logger.exception("%s failed", job.name)
            record_job_failure(self.workspace.ledger, job.name, error)
            self._failed.add(job.uuid)
            return None
        self.responses[job.uuid][job.index] = response
        if response.stored_data is not None:
            logger.warning("%s: Response.stored_data is ignored by the local runner", job.name)
        if response.stop_children:
            self._stopped.add(job.uuid)
        n_finished = sum(map(len, self.responses.values()))
        emit(JOBS, n_finished, n_finished)
        return response


class _JobLogHandler(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore a log that cannot be written (a full disk), so as not to mask the error of a job."""


@contextmanager
def job_log(path: Path) -> Iterator[None]:
    """Write the log of the jobs, with tracebacks, to a file within the block."""
    try:
        handler = _JobLogHandler(path, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}). Hint: free disk space or change root in the settings, "
            "then resume"
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logger, logging.getLogger("jobflow")]
    before = [(each.level, each.propagate) for each in loggers]
    for each in loggers:
        each.addHandler(handler)
        each.setLevel(logging.INFO)
        each.propagate = False
    try:
        yield
    finally:
        for each, (level, propagate) in zip(loggers, before, strict=True):
            each.removeHandler(handler)
            each.setLevel(level)
            each.propagate = propagate
        with suppress(OSError):  # flushing may meet the full disk again
            handler.close()
