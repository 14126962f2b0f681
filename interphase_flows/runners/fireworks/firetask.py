"""FireWorks task of a campaign's job: opens the workspace, records failures, and requeues interrupted jobs."""

import time
from collections.abc import Mapping
from contextlib import closing
from types import MappingProxyType

from fireworks import Firework, FWAction, Workflow, explicit_serialize
from jobflow import JobStore, OnMissing
from jobflow.managers.fireworks import JobFiretask

from interphase_flows.exceptions import LeaseLostError, SettingsError, WalltimeReachedError
from interphase_flows.runners.fireworks.launchpad import open_launchpad, pause_because
from interphase_flows.runners.fireworks.routing import routed_spec
from interphase_flows.runners.job_failures import (
    MAX_EXPLANATION_LENGTH,
    MAX_RETRIES,
    backoff_s,
    is_transient,
    record_job_failure,
)
from interphase_flows.runners.missing_inputs import check_inputs
from interphase_flows.runtime.progress import emit
from interphase_flows.runtime.walltime import deadline, request_stop
from interphase_flows.schemas.iteration import ITERATION
from interphase_flows.settings import load_settings
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.ledger_entry import check_size
from interphase_flows.storage.workspace import Workspace, open_workspace, use_workspace

REQUEUES = "requeues"
"""Number of times a job was requeued, in its specification; in the data of a launch, the reason."""

TRANSIENT_ERRORS = "transient_errors"
"""Number of transient errors in a row, in the specification of a job."""

KEPT_ON_REQUEUE = (
    "campaign",
    ITERATION,
    "_category",
    "_priority",
    "_preserve_fworker",
    "_add_launchpad_and_fw_id",
    "_allow_fizzled_parents",
)
"""Entries of the specification that a requeued job keeps."""

_workspaces: dict[str, Workspace] = {}
_job_stores: dict[str, JobStore] = {}


def workspace_of(campaign: str) -> Workspace:
    """Return the workspace of a campaign, cached in this process.

    It is opened without its lock: content keys and leases keep concurrent jobs apart.
    """
    if campaign not in _workspaces:
        workspace = open_workspace(load_settings(), campaign)
        workspace.check_artifacts()
        _workspaces[campaign] = workspace
    return _workspaces[campaign]


def job_store_of(campaign: str) -> JobStore:
    """Return the job store of a campaign, cached in this process: a new client costs more than a small job."""
    if campaign not in _job_stores:
        _job_stores[campaign] = workspace_of(campaign).open_job_store()
    return _job_stores[campaign]


def close_workspaces() -> None:
    """Close all cached workspaces and job stores."""
    while _job_stores:
        _job_stores.popitem()[1].close()
    while _workspaces:
        _workspaces.popitem()[1].close()


@explicit_serialize
class CampaignFiretask(JobFiretask):
    """jobflow's task in the workspace of a campaign.

    A job that reaches its walltime, whose process is stopped, or that meets a transient error is requeued: a copy takes
    its place, continues from the checkpoints, and inherits its children. So is a job that fails because of the settings
    of its machine, after it has paused the campaign.
    """

    # the job store is that of the workspace, so it is not serialised with the job
    required_params = ("job", "campaign")

    def run_task(self, fw_spec: JsonDocument) -> FWAction:
        """Run the job, and route the jobs that it adds."""
        campaign, name = self["campaign"], self["job"].name
        try:
            workspace = workspace_of(campaign)
            with use_workspace(workspace):
                action = self._run(workspace, fw_spec)
        except WalltimeReachedError as stop:
            return self._requeue(fw_spec, str(stop))
        except (SystemExit, KeyboardInterrupt) as stop:
            # otherwise FireWorks would mark the job as failed, and this process would take the next one
            reason = f"{type(stop).__name__}: the process was stopped"
            request_stop(reason)
            return self._requeue(fw_spec, reason)
        except SettingsError as error:
            # its further jobs would fail in the same way; on one machine such an error stops the campaign as well
            reason = f"{name}: {error}"[:MAX_EXPLANATION_LENGTH]
            with closing(open_launchpad(load_settings())) as launchpad:
                pause_because(launchpad, campaign, reason)
            return self._requeue(fw_spec, f"{type(error).__name__}: {error}")
        except Exception as error:
            n_retries = fw_spec.get(TRANSIENT_ERRORS, 0)
            if not is_transient(error) or n_retries >= MAX_RETRIES:
                raise
            # a failed job would start children that tolerate failures; after a lost lease this action has no effect
            reason = f"{type(error).__name__}: {error}"
            _wait(backoff_s(n_retries), f"{name}: {reason}")
            return self._requeue(fw_spec, reason, {TRANSIENT_ERRORS: n_retries + 1})
        for workflow in [*action.detours, *action.additions]:
            route(workflow, campaign)
        return action

    def _run(self, workspace: Workspace, fw_spec: JsonDocument) -> FWAction:
        """Run jobflow's task; record its error, unless that is done already."""
        self["store"] = job_store_of(self["campaign"])
        try:
            job = self["job"]
            if job.config.on_missing_references == OnMissing.NONE:
                check_inputs(job, job.resolve_args(self["store"], inplace=False))
            return super().run_task(fw_spec)
        except (WalltimeReachedError, LeaseLostError):
            raise
        except Exception as error:
            record_job_failure(workspace.ledger, self["job"].name, error)
            raise
        finally:
            del self["store"]

    def _requeue(
        self, fw_spec: JsonDocument, reason: str, counters: Mapping[str, int] = MappingProxyType({})
    ) -> FWAction:
        """Return an action that replaces this job by a copy, which its children then wait for."""
        name = self["job"].name
        emit("requeue", 0, 1, f"{name}: {reason}")
        kept = {key: value for key, value in fw_spec.items() if key in KEPT_ON_REQUEUE}
        spec = kept | {REQUEUES: fw_spec.get(REQUEUES, 0) + 1, **counters}
        task = CampaignFiretask(job=self["job"], campaign=self["campaign"])
        job = Firework([task], spec=spec, name=name)
        return FWAction(detours=[Workflow([job], name=name)], stored_data={REQUEUES: reason})


def route(workflow: Workflow, campaign: str) -> Workflow:
    """Set the campaign's task, the kind and the priority of every job of a workflow, in place.

    Raises
    ------
    DocumentTooLargeError
        A job's document exceeds 1 MB; nothing of the workflow is then in the database.
    """
    for firework in workflow.fws:
        (task,) = firework.tasks
        job = task["job"]
        firework.tasks = [CampaignFiretask(job=job, campaign=campaign)]
        firework.spec.update(routed_spec(job, campaign))
        check_size(f"job {firework.name!r} of campaign {campaign}", firework.to_dict())
    return workflow


def _wait(seconds: float, message: str) -> None:
    """Wait before a retry, but not beyond the walltime."""
    emit("wait", 0, 1, f"{message}; retry in {seconds:.0f} s")
    end = time.monotonic() + seconds
    limit = deadline(load_settings())
    while time.monotonic() < end and not limit.is_over:
        time.sleep(0.2)
