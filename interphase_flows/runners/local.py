"""Run or resume a campaign on this machine: its jobs run one after another in this process."""

import logging
import time
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.exceptions import CampaignFailedError, StorageError, WalltimeReachedError
from interphase_flows.runners.campaign_records import (
    PROGRESS_FILE,
    WALLTIME_REACHED,
    Progress,
    missing_analyses,
    now,
    register_campaign,
    set_status,
)
from interphase_flows.runners.job_failures import record_job_failure
from interphase_flows.runtime.atomic_files import write_json_atomic
from interphase_flows.runtime.progress import JOBS, SCF, Listener, emit, listening
from interphase_flows.schemas.campaign import CampaignResult
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, open_workspace, use_workspace

if TYPE_CHECKING:
    from jobflow import Flow, Job, JobStore, Response

logger = logging.getLogger(__name__)

JOB_LOG = "jobs.log"


PROGRESS_INTERVAL_S = 1.0


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
            created = [new for new in (response.replace, response.detour, response.addition) if new is not None]
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


def run_campaign(campaign: Campaign, settings: Settings, accept_changes: bool = False) -> CampaignResult:
    """Run a campaign to its end, from its current state.

    Every expensive result is looked up by its content key first, so this also resumes an interrupted campaign:
    results in the ledger are reused, and unfinished work continues from its checkpoint.

    Raises
    ------
    LockedError
        Another process runs this campaign.
    InputError
        A campaign of this name was started with another specification, and ``accept_changes`` is false.
    CampaignFailedError
        Jobs failed without which there is no result.
    WalltimeReachedError
        The time limit of this process was reached; no further job was started, and a resume continues.
    """

    def make_flow() -> "Flow":
        from interphase_flows.flows.campaign import CampaignMaker

        return CampaignMaker(campaign).make()

    check_campaign(campaign)
    with open_workspace(settings, campaign.name) as workspace, use_workspace(workspace):
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        register_campaign(workspace, campaign, accept_changes)
        with listening(_progress_writer(workspace)):
            emit("start", 0, 1, "building the flow")
            try:
                run_jobs(workspace, make_flow)
            except WalltimeReachedError as stop:
                set_status(workspace, WALLTIME_REACHED)
                raise WalltimeReachedError(f"{stop}. Hint: interphase resume {campaign.name}") from None
        state = workspace.ledger.get("campaigns", campaign.name) or {}
        if "result" not in state:
            set_status(workspace, "failed")
            raise CampaignFailedError(_failure_message(workspace, since=began))
        set_status(workspace, "incomplete" if missing_analyses(state) else "finished")
        return CampaignResult.model_validate(state["result"])


def run_jobs(workspace: Workspace, make_flow: "Callable[[], Flow]") -> "tuple[Flow, dict[str, dict[int, Response]]]":
    """Build a flow and run its jobs one after another; return it and the responses by uuid and index."""
    # torch and other slow packages are imported here, so that an invalid campaign is reported at once
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        flow = make_flow()
        store = workspace.open_job_store()
        try:
            with job_log(workspace.root / JOB_LOG):
                return flow, FlowRunner(workspace, store).run(flow)
        finally:
            store.close()


def _failure_message(workspace: Workspace, since: str) -> str:
    """Return the message of a failed campaign, with its first failures since a time (ISO 8601)."""
    name = workspace.campaign
    # a database also stores the failures of other campaigns
    criteria = {"campaign": name, "last_at": {"$gte": since}}
    failures = workspace.ledger.find("failures", criteria, sort={"last_at": 1}, limit=3)
    lines = []
    for failure in failures:
        kind, key = failure["failed_kind"], failure["failed_key"]
        shown_key = key if kind == "jobs" else key[:12]
        explanation = failure["details"].get("explanation", "")
        lines.append(f"  {kind} {shown_key}: {failure['reason']}: {explanation}")
    return "\n".join(
        [
            f"campaign {name} failed; its results so far are stored. First failures:",
            *(lines or ["  none is recorded"]),
            f"Tracebacks of all jobs: {workspace.root / JOB_LOG}",
            f"Hint: fix the cause, then run interphase resume {name}; if the cause is in the campaign file, run "
            "interphase run FILE --accept-changes",
        ]
    )


def _progress_writer(workspace: Workspace) -> Listener:
    """Return a listener that stores the latest progress in a file, for ``interphase status``."""
    last, n_jobs = 0.0, 0

    def write(stage: str, done: int, total: int, detail: str) -> None:
        nonlocal last, n_jobs
        if stage == JOBS:
            n_jobs = done
        elif stage != SCF and (time.monotonic() - last >= PROGRESS_INTERVAL_S or done == total):
            last = time.monotonic()
            progress = Progress(stage=stage, done=done, total=total, detail=detail, jobs=n_jobs, at=now())
            write_json_atomic(workspace.root / PROGRESS_FILE, progress)

    return write
