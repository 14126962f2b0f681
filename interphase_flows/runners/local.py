"""Run a campaign on this machine, in this process; go on with one that was interrupted."""

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.exceptions import InputError, InterphaseError, StorageError, WalltimeReachedError
from interphase_flows.runners.campaign_state import PROGRESS_FILE, missing_answers
from interphase_flows.runners.job_failures import record_job_failure
from interphase_flows.runtime.atomic_files import write_json_atomic
from interphase_flows.runtime.progress import JOBS, SCF, emit, listening
from interphase_flows.schemas.campaign import CampaignResult
from interphase_flows.settings import Settings
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.workspace import Workspace, open_workspace, use_workspace

if TYPE_CHECKING:
    from jobflow import Flow, Response

PROGRESS_INTERVAL_S = 1.0
JOB_LOG = "jobs.log"


WALLTIME_REACHED = "walltime reached"
"""Status of a campaign that put down its work in time."""


class CampaignFailedError(InterphaseError):
    """A campaign could not reach its end; what was done is kept and a resume goes on from it."""


class _StopAtWalltime(BaseException):
    """Time is over for this process, and so for all the jobs that are left."""


def run_campaign(campaign: Campaign, settings: Settings, accept_changes: bool = False) -> CampaignResult:
    """Run a campaign to its end, from wherever it stands.

    Everything expensive is looked up by its content key first, so this is also how an interrupted
    campaign is resumed: nothing that is in the ledger is computed again, and what is half done
    continues from its checkpoint.

    Parameters
    ----------
    campaign
        What to do.
    settings
        Where to keep it.
    accept_changes
        Go on although a campaign of this name was started with another file.

    Raises
    ------
    LockedError
        Another process runs this campaign.
    InputError
        A campaign of this name was started with another file.
    CampaignFailedError
        Jobs failed without which there is no result.
    WalltimeReachedError
        Time ran out; nothing more was started, and a resume goes on.
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
                _set_status(workspace, WALLTIME_REACHED)
                raise WalltimeReachedError(f"{stop}: interphase resume {campaign.name}") from None
        state = workspace.ledger.get("campaigns", campaign.name) or {}
        if "result" not in state:
            _set_status(workspace, "failed")
            raise CampaignFailedError(_failure_message(workspace, campaign.name, began))
        _set_status(workspace, "incomplete" if missing_answers(state) else "finished")
        return CampaignResult.model_validate(state["result"])


def stored_campaign(settings: Settings, name: str) -> Campaign:
    """Return the campaign that was started under a name.

    Raises
    ------
    StorageError
        There is none; lists those there are.
    """
    with open_workspace(settings, name, read_only=True) as workspace:
        state = workspace.ledger.get("campaigns", name)
    if state is None:
        raise InputError(
            f"{settings.root / name} has no campaign document: run its campaign file instead of resuming"
        )
    return Campaign.model_validate(state["spec"])


def register_campaign(
    workspace: Workspace, campaign: Campaign, accept_changes: bool, status: str = "running"
) -> None:
    """Write the campaign's document, or check that this is the campaign that was started before.

    Raises
    ------
    InputError
        A campaign of this name was started with another file.
    """
    spec = campaign.model_dump(mode="json")
    before = workspace.ledger.get("campaigns", campaign.name)
    stored = None if before is None else _with_defaults(before["spec"])
    if before is not None and stored != spec and not accept_changes:
        keys = _changed_keys(stored, spec)
        raise InputError(
            f"a campaign named {campaign.name!r} was started in {workspace.root} with other settings "
            f"({', '.join(keys)}): choose another name, or go on with the new ones by --accept-changes "
            "(labels and models that are still right are used again)"
        )
    state = {"spec": spec, "status": status, "started_at": _now(), "settings": _public(workspace.settings)}
    if before is not None:
        state["started_at"] = before.get("started_at", state["started_at"])
        state["n_resumes"] = before.get("n_resumes", 0) + 1
    workspace.ledger.set_state("campaigns", campaign.name, state)


def _with_defaults(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a stored specification with the keys that came later, at their defaults: they were never asked for."""
    try:
        return Campaign.model_validate(spec).model_dump(mode="json")
    except ValidationError:
        return spec  # it has keys that are gone: told as changed


def run_jobs(
    workspace: Workspace, make_flow: "Callable[[], Flow]"
) -> "tuple[Flow, dict[str, dict[int, Response]]]":
    """Run the jobs of a flow one after the other, their words in a file; return the flow and what they answered.

    Raises
    ------
    WalltimeReachedError
        Time ran out in a job; none was begun after it.
    """
    # torch and friends are loaded here and not before: a campaign that is refused is refused at once
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        from jobflow import run_locally

        flow = make_flow()
        store = workspace.open_job_store()
        try:
            with _job_log(workspace.root / JOB_LOG, workspace.ledger):
                return flow, run_locally(flow, store=store, log=False, root_dir=workspace.root)
        except _StopAtWalltime as stop:
            raise WalltimeReachedError(str(stop)) from None
        finally:
            store.close()


def _campaign_flow(campaign: Campaign) -> "Flow":
    from interphase_flows.flows.campaign import CampaignMaker

    return CampaignMaker(campaign).make()


class _JobLog(logging.FileHandler):
    """jobflow's words in a file, and failures in the ledger; it also counts the jobs that were finished."""

    n_finished = 0
    ledger: Ledger | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, and count."""
        super().emit(record)
        if self.ledger is not None:
            record_job_failure(self.ledger, record)
        error = sys.exc_info()[1]
        if isinstance(error, WalltimeReachedError) and "failed with exception" in record.getMessage():
            # the jobs that wait for this one would go on without its labels, as if these had been rejected
            raise _StopAtWalltime(str(error))
        if record.getMessage().startswith("Finished job"):
            self.n_finished += 1
            emit(JOBS, self.n_finished, self.n_finished)

    def handleError(self, record: logging.LogRecord) -> None:
        """Let a log that cannot be written (a full disk) not speak over the error that matters."""


@contextmanager
def _job_log(path: Path, ledger: Ledger | None = None) -> Iterator[None]:
    """Keep what jobflow tells of its jobs, tracebacks included, in a file: a job that fails is not silent."""
    logger = logging.getLogger("jobflow")
    try:
        handler = _JobLog(path, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}); make room or set root, then resume"
        ) from error
    handler.ledger = ledger
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
        with suppress(OSError):  # its last words may find a full disk, which is told already
            handler.close()


def _set_status(workspace: Workspace, status: str) -> None:
    state = workspace.ledger.get("campaigns", workspace.campaign) or {}
    workspace.ledger.set_state(
        "campaigns", workspace.campaign, state | {"status": status, "ended_at": _now()}
    )


def _failure_message(workspace: Workspace, name: str, since: str) -> str:
    # a database holds the failures of other campaigns, too
    criteria = {"campaign": name, "last_at": {"$gte": since}}
    failures = workspace.ledger.find("failures", criteria, sort={"last_at": 1}, limit=3)
    told = "\n".join(
        f"  {f['failed_kind']} {_short_key(f)}: {f['reason']}: {f['details'].get('explanation', '')}"
        for f in failures
    )
    return (
        f"campaign {name} could not be finished; everything done so far is kept. What failed first:\n"
        f"{told or '  nothing on record'}\nMend the cause, then: interphase resume {name}; if the cause is in the "
        "campaign file: interphase run FILE --accept-changes. "
        f"Every job's own words, tracebacks included: {workspace.root / JOB_LOG}"
    )


def _short_key(failure: dict[str, Any]) -> str:
    key: str = failure["failed_key"]
    return key if failure["failed_kind"] == "jobs" else key[:12]


def _progress_writer(workspace: Workspace) -> Callable[[str, int, int, str], None]:
    """Return a listener that leaves the latest progress in a file, for ``status`` in another process."""
    last, n_jobs = 0.0, 0

    def write(stage: str, done: int, total: int, detail: str) -> None:
        nonlocal last, n_jobs
        if stage == JOBS:
            n_jobs = done
            return
        if stage == SCF:
            return
        now = time.monotonic()
        if now - last >= PROGRESS_INTERVAL_S or done == total:
            last = now
            write_json_atomic(
                workspace.root / PROGRESS_FILE,
                {
                    "stage": stage,
                    "done": done,
                    "total": total,
                    "detail": detail,
                    "jobs": n_jobs,
                    "at": _now(),
                },
            )

    return write


def _changed_keys(before: Any, after: Any, path: str = "") -> list[str]:
    """Return the paths of the keys in which two specifications differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            changed
            for key in sorted(before.keys() | after.keys())
            for changed in _changed_keys(before.get(key), after.get(key), f"{path}.{key}".lstrip("."))
        ]
    return [] if json.dumps(before) == json.dumps(after) else [path]


def _public(settings: Settings) -> dict[str, object]:
    """Return what may be stored of the settings: no host, no user, no secret."""
    return {"store": settings.store.type, "n_threads": settings.n_threads, "device": settings.device}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
