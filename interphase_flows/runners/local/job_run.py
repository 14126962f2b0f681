"""Run one job and return its outcome, in this process or in a worker process."""

import json
import logging
from contextlib import chdir
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monty.json import MontyDecoder, MontyEncoder

from interphase_flows.exceptions import SettingsError, WalltimeReachedError
from interphase_flows.jobs.caching import NotStoredError, lookups_only
from interphase_flows.runners.job_failures import MAX_EXPLANATION_LENGTH, record_job_failure
from interphase_flows.runtime.local_workers import local_workers, set_local_workers
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.workspace import Workspace

if TYPE_CHECKING:
    from jobflow import Job, JobStore, Response
    from maggma.core import Store

logger = logging.getLogger(__name__)

OWN_JOBS = ("interphase_flows.jobs.", "interphase_flows.flows.", "jobflow.core.job")
"""Modules of jobs that do no long work unless a result is missing; others may."""


@dataclass
class JobOutcome:
    """Result of a job, or the reason why it has none."""

    response: "Response | None" = None
    outputs: list[JsonDocument] = field(default_factory=list)
    """Documents for the job store."""
    blobs: list[JsonDocument] = field(default_factory=list)
    """Documents for its additional store ``data``."""
    stopped_because: str | None = None
    """Message of a job that stopped at a checkpoint before it was finished."""
    error: str | None = None
    """Type and message of the error of a job that failed."""
    is_wrong_setting: bool = False
    """Whether the job failed because of the settings of this machine, as others will."""
    worker_died: bool = False
    failure: Exception | None = None
    """Error that no process has recorded."""


def run_job(job: "Job", workspace: Workspace) -> JobOutcome:
    """Run a job without references, in the root folder of the campaign.

    A failure is logged and recorded in the ledger, and gives an outcome without a response.
    """
    try:
        with empty_job_store() as store, chdir(workspace.root):
            response = job.run(store=store, job_dir=workspace.root)
            return JobOutcome(response, _content(store.docs_store), _content(store.additional_stores["data"]))
    except WalltimeReachedError as stop:
        logger.exception("%s stopped before its end", job.name)
        return JobOutcome(stopped_because=str(stop))
    except Exception as error:
        logger.exception("%s failed", job.name)
        record_job_failure(workspace.ledger, job.name, error)
        is_wrong_setting = isinstance(error, SettingsError)
        message = str(error) if is_wrong_setting else f"{type(error).__name__}: {error}"
        return JobOutcome(error=message[:MAX_EXPLANATION_LENGTH], is_wrong_setting=is_wrong_setting)


def stored_outcome(job: "Job", workspace: Workspace, n_workers: int) -> JobOutcome | None:
    """Return the outcome of a job of this package whose results are stored; None if it is another job or has work.

    A job that divides work divides it among ``n_workers``.
    """
    if not str(job.function.__module__).startswith(OWN_JOBS):
        return None
    before = local_workers()
    set_local_workers(n_workers)
    try:
        with lookups_only():
            return run_job(job, workspace)
    except NotStoredError:
        return None
    finally:
        set_local_workers(before)


def _content(store: "Store") -> list[JsonDocument]:
    """Return all documents of a store, without the identifiers that it has given them."""
    return [{name: value for name, value in document.items() if name != "_id"} for document in store.query()]


def encoded_job(job: "Job") -> str:
    """Return a job as JSON, as jobflow stores it for FireWorks: decorated functions cannot be pickled."""
    return str(MontyEncoder().encode(job))


def run_encoded_job(encoded: str, workspace: Workspace) -> str:
    """Run a job and return its outcome as JSON; see `run_job`."""
    job = MontyDecoder().decode(encoded)
    outcome = run_job(job, workspace)
    state = vars(outcome).copy()
    if outcome.response is not None:
        # the output is among the documents for the job store
        state["response"] = vars(outcome.response) | {"output": None, "job_dir": None}
    try:
        return str(MontyEncoder().encode(state))
    except Exception as error:
        logger.exception("%s returned jobs or data that cannot be stored", job.name)
        record_job_failure(workspace.ledger, job.name, error)
        return str(MontyEncoder().encode(vars(JobOutcome())))


def decoded_outcome(encoded: str) -> JobOutcome:
    """Return the outcome of `run_encoded_job`."""
    from jobflow import Response

    state = json.loads(encoded)
    if state["response"] is not None:
        # documents stay as they are; flows and jobs become objects
        response = Response(**MontyDecoder().process_decoded(state["response"]))
        response.output = state["outputs"][0]["output"]
        state["response"] = response
    return JobOutcome(**state)


def empty_job_store() -> "JobStore":
    """Return a job store in memory, to be connected by a ``with`` block."""
    from jobflow import JobStore
    from maggma.stores import MemoryStore

    return JobStore(MemoryStore(), additional_stores={"data": MemoryStore(key="blob_uuid")})
