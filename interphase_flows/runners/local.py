"""Run or resume a campaign on this machine, in this process."""

import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.exceptions import CampaignFailedError, WalltimeReachedError
from interphase_flows.runners.campaign_records import (
    PROGRESS_FILE,
    WALLTIME_REACHED,
    Progress,
    missing_analyses,
    now,
    register_campaign,
    set_status,
)
from interphase_flows.runners.flow_runner import JOB_LOG, FlowRunner, job_log
from interphase_flows.runtime.atomic_files import write_json_atomic
from interphase_flows.runtime.progress import JOBS, SCF, Listener, emit, listening
from interphase_flows.schemas.campaign import CampaignResult
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, open_workspace, use_workspace

if TYPE_CHECKING:
    from jobflow import Flow, Response

PROGRESS_INTERVAL_S = 1.0


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
    check_campaign(campaign)
    with open_workspace(settings, campaign.name) as workspace, use_workspace(workspace):
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        register_campaign(workspace, campaign, accept_changes)
        with listening(_progress_writer(workspace)):
            emit("start", 0, 1, "building the flow")
            try:
                run_jobs(workspace, lambda: _campaign_flow(campaign))
            except WalltimeReachedError as stop:
                set_status(workspace, WALLTIME_REACHED)
                raise WalltimeReachedError(f"{stop}. Hint: interphase resume {campaign.name}") from None
        state = workspace.ledger.get("campaigns", campaign.name) or {}
        if "result" not in state:
            set_status(workspace, "failed")
            raise CampaignFailedError(_failure_message(workspace, since=began))
        set_status(workspace, "incomplete" if missing_analyses(state) else "finished")
        return CampaignResult.model_validate(state["result"])


def run_jobs(
    workspace: Workspace, make_flow: "Callable[[], Flow]"
) -> "tuple[Flow, dict[str, dict[int, Response]]]":
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


def _campaign_flow(campaign: Campaign) -> "Flow":
    from interphase_flows.flows.campaign import CampaignMaker

    return CampaignMaker(campaign).make()


def _failure_message(workspace: Workspace, since: str) -> str:
    """Return the message of a failed campaign, with its first failures since a time (ISO 8601)."""
    name = workspace.campaign
    # a database also stores the failures of other campaigns
    criteria = {"campaign": name, "last_at": {"$gte": since}}
    failures = workspace.ledger.find("failures", criteria, sort={"last_at": 1}, limit=3)
    lines = [
        f"  {failure['failed_kind']} {_short_key(failure['failed_kind'], failure['failed_key'])}: "
        f"{failure['reason']}: {failure['details'].get('explanation', '')}"
        for failure in failures
    ]
    return "\n".join(
        [
            f"campaign {name} failed; its results so far are stored. First failures:",
            *(lines or ["  none is recorded"]),
            f"Tracebacks of all jobs: {workspace.root / JOB_LOG}",
            f"Hint: fix the cause, then run interphase resume {name}; if the cause is in the campaign file, run "
            "interphase run FILE --accept-changes",
        ]
    )


def _short_key(kind: str, key: str) -> str:
    return key if kind == "jobs" else key[:12]


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
