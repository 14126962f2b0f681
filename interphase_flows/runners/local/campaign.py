"""Run or resume a campaign on this machine."""

import signal
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.exceptions import CampaignFailedError, SettingsError, WalltimeReachedError
from interphase_flows.runners.campaign_records import (
    PROGRESS_FILE,
    WALLTIME_REACHED,
    Progress,
    WorkerProgress,
    add_worker_usage,
    now,
    register_campaign,
    set_status,
    status_of_result,
)
from interphase_flows.runners.fireworks.control import check_not_on_cluster
from interphase_flows.runners.local.flow_runner import FlowRunner
from interphase_flows.runners.local.job_log import JOB_LOG, job_log
from interphase_flows.runners.local.worker import PACKAGES
from interphase_flows.runners.local.worker_pool import WorkerPool
from interphase_flows.runners.site_check.machine_checks import require_machine
from interphase_flows.runtime.atomic_files import write_json_atomic
from interphase_flows.runtime.progress import FAILED, JOB, JOBS, SCF, Listener, ProgressEvent, emit, listening
from interphase_flows.runtime.walltime import stop_on_signals
from interphase_flows.schemas.campaign import CampaignResult
from interphase_flows.settings import Settings
from interphase_flows.storage.failures import failure_groups
from interphase_flows.storage.workspace import Workspace, open_workspace, use_workspace

if TYPE_CHECKING:
    from jobflow import Flow, Response

    from interphase_flows.flows.campaign import CampaignMaker

PROGRESS_INTERVAL_S = 1.0
MAX_LISTED_FAILURES = 3


def run_campaign(
    campaign: Campaign,
    settings: Settings,
    accept_changes: bool = False,
    n_workers: int = 1,
    flow_maker: "CampaignMaker | None" = None,
) -> CampaignResult:
    """Run a campaign to its end, from its current state.

    Every expensive result is looked up by its content key first, so this also resumes an interrupted campaign:
    results in the ledger are reused, and unfinished work continues from its checkpoint.

    With one worker, jobs run in this process. More are processes that import the main module, which must be importable
    without side effects (``if __name__ == "__main__":``). Keys of documents do not depend on the number.

    SIGINT (Ctrl-C) and SIGTERM stop work at the next checkpoints.

    ``flow_maker`` replaces the flow, such as by ``CampaignMaker.from_campaign(campaign)`` with another Maker of one
    step; call this function again to resume, because ``interphase resume`` runs the flow of the campaign file.

    Raises
    ------
    LockedError
        Another process runs this campaign.
    InputError
        The campaign has mistakes, has unfinished jobs in FireWorks, or was started with another specification while
        ``accept_changes`` is false.
    SettingsError
        This machine lacks what a job of the campaign needs, such as the command of its reference method.
    CampaignFailedError
        Jobs failed without which there is no result.
    WalltimeReachedError
        The time limit of this process was reached; no further job was started, and a resume continues.
    KeyboardInterrupt
        Work was stopped by Ctrl-C.
    """

    def make_flow() -> "Flow":
        from interphase_flows.flows.campaign import CampaignMaker

        return (flow_maker or CampaignMaker.from_campaign(campaign)).make()

    check_campaign(campaign)
    if flow_maker is None:  # which may label by other methods
        require_machine(campaign, settings)
    with open_workspace(settings, campaign.name) as workspace, use_workspace(workspace):
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        before = workspace.ledger.get("campaigns", campaign.name) or {}
        check_not_on_cluster(settings, campaign.name, before.get("status"))
        register_campaign(workspace, campaign, accept_changes)
        with listening(_progress_writer(workspace)):
            emit("start", 0, 1, "building the flow")
            try:
                run_jobs(workspace, make_flow, n_workers)
            except WalltimeReachedError as stop:
                set_status(workspace, WALLTIME_REACHED)
                raise WalltimeReachedError(f"{stop}: interphase resume {campaign.name}") from None
            except SettingsError as error:
                set_status(workspace, "failed")
                raise SettingsError(
                    f"{error}\nCampaign {campaign.name} was stopped, because its further jobs would fail in the same "
                    f"way. After the correction: interphase resume {campaign.name}"
                ) from None
        state = workspace.ledger.get("campaigns", campaign.name) or {}
        if "result" not in state:
            set_status(workspace, "failed")
            raise CampaignFailedError(_failure_message(workspace, since=began))
        set_status(workspace, status_of_result(state))
        return CampaignResult.model_validate(state["result"])


def run_jobs(
    workspace: Workspace,
    make_flow: "Callable[[], Flow]",
    n_workers: int = 1,
    packages: Sequence[str] = PACKAGES,
) -> "tuple[Flow, dict[str, dict[int, Response]]]":
    """Build a flow and run its jobs; return it and the responses by uuid and index.

    Worker processes import ``packages`` when they start.

    Raises
    ------
    WalltimeReachedError, KeyboardInterrupt
        See :func:`run_campaign`.
    """
    # torch and other slow packages are imported here, so that an invalid campaign is reported at once
    with (
        warnings.catch_warnings(),
        stop_on_signals({signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}) as received,
    ):
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        store = workspace.open_job_store()
        try:
            with job_log(workspace.root / JOB_LOG):
                if n_workers == 1:
                    flow = make_flow()
                    return flow, FlowRunner(workspace, store).run(flow)
                state = workspace.ledger.get("campaigns", workspace.campaign) or {}
                is_new = not state.get("n_resumes")
                with WorkerPool(workspace, n_workers, packages, starts_early=is_new) as pool:
                    flow = make_flow()
                    try:
                        return flow, FlowRunner(workspace, store, pool).run(flow)
                    finally:
                        add_worker_usage(workspace, pool.usage.wall_s, pool.usage.busy_s)
        except WalltimeReachedError:
            if signal.SIGINT in received:
                raise KeyboardInterrupt from None
            raise
        finally:
            store.close()


def _failure_message(workspace: Workspace, since: str) -> str:
    """Return the message of a failed campaign, with its first failures since a time (ISO 8601)."""
    name = workspace.campaign
    # a database also stores the failures of other campaigns
    criteria = {"campaign": name, "last_at": {"$gte": since}}
    groups = failure_groups(workspace.ledger, criteria)
    lines = [f"  {group.summary}" for group in groups[:MAX_LISTED_FAILURES]]
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
    last_s, n_jobs = 0.0, 0
    latest = ProgressEvent("start", 0, 1)
    workers: dict[str, WorkerProgress] = {}

    def write(event: ProgressEvent) -> None:
        nonlocal last_s, n_jobs, latest
        stage, done, total, detail, worker = event
        if stage == JOBS:
            n_jobs = done
        elif stage == JOB:
            workers[str(worker)] = WorkerProgress(job=detail, stage="", done=0, total=0, detail="")
        elif stage not in (SCF, FAILED):
            latest = event
            if worker:
                workers[str(worker)] |= {"stage": stage, "done": done, "total": total, "detail": detail}
        is_due = stage == JOB or done == total or time.monotonic() - last_s >= PROGRESS_INTERVAL_S
        if stage in (JOBS, SCF, FAILED) or not is_due:
            return
        last_s = time.monotonic()
        progress = Progress(
            stage=latest.stage,
            done=latest.done,
            total=latest.total,
            detail=latest.detail,
            jobs=n_jobs,
            at=now(),
            workers=workers,
        )
        write_json_atomic(workspace.root / PROGRESS_FILE, progress)

    return write
