"""One job of a campaign in a worker: it has the campaign's workspace, and what goes wrong is on record."""

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fireworks import Firework, FWAction, Workflow, explicit_serialize
from fireworks.utilities.fw_serializers import recursive_serialize, serialize_fw
from jobflow import JobStore
from jobflow.managers.fireworks import JobFiretask
from monty.json import jsanitize

from interphase_flows.exceptions import LeaseLostError, WalltimeReachedError
from interphase_flows.runners.fireworks.launchpad import ITERATION
from interphase_flows.runners.job_failures import record_job_failure
from interphase_flows.runners.transient_errors import MOST_TRIES, is_of_the_machine, wait_s
from interphase_flows.runtime.progress import emit
from interphase_flows.runtime.walltime import deadline, request_stop
from interphase_flows.settings import load_settings
from interphase_flows.storage.workspace import Workspace, open_workspace, use_workspace

HANDOVERS = "handovers"
"""How often a job was handed over, in its specification; in the data of a launch, why."""

MACHINE_ERRORS = "machine_errors"
"""How often in a row a job met an error of the machine, in its specification."""

CARRIED = (
    "campaign",
    ITERATION,
    "_category",
    "_priority",
    "_preserve_fworker",
    "_add_launchpad_and_fw_id",
    "_allow_fizzled_parents",
)
"""What a job that is handed over keeps of its specification."""

_workspaces: dict[str, Workspace] = {}
_job_stores: dict[str, JobStore] = {}


def workspace_of(campaign: str) -> Workspace:
    """Return the workspace of a campaign in this process; its lock is not taken: keys keep jobs apart."""
    if campaign not in _workspaces:
        workspace = open_workspace(load_settings(), campaign)
        workspace.check_artifacts()
        _workspaces[campaign] = workspace
    return _workspaces[campaign]


def job_store_of(campaign: str) -> JobStore:
    """Return the job store of a campaign in this process: a client for every job would cost more than a small job."""
    if campaign not in _job_stores:
        _job_stores[campaign] = workspace_of(campaign).open_job_store()
    return _job_stores[campaign]


def close_workspaces() -> None:
    """Close what the jobs of this process had open."""
    while _job_stores:
        _job_stores.popitem()[1].close()
    while _workspaces:
        _workspaces.popitem()[1].close()


@explicit_serialize
class CampaignFiretask(JobFiretask):
    """jobflow's task, in the workspace of the campaign.

    Jobs that a job makes are routed as the first ones were.  A job whose time is over, whose process is told to end,
    or that meets an error of the machine hands over to one like it, which goes on from the checkpoints; jobs that wait
    for it then wait for that one.
    """

    # the job store is that of the workspace: no job is written down with one
    required_params = ("job", "campaign")

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        """Run the job."""
        from interphase_flows.runners.fireworks.routing import route  # which knows this class

        campaign, name = self["campaign"], self["job"].name
        try:
            workspace = workspace_of(campaign)
            with use_workspace(workspace):
                action = self._run(fw_spec, workspace)
        except WalltimeReachedError as stop:
            return self._hand_over(fw_spec, str(stop))
        except (SystemExit, KeyboardInterrupt) as stop:
            # FireWorks would call the job failed, and this process would take the next one
            told = f"{type(stop).__name__}: the process was told to end"
            request_stop(told)
            return self._hand_over(fw_spec, told)
        except Exception as error:
            n_tries = fw_spec.get(MACHINE_ERRORS, 0)
            if not is_of_the_machine(error) or n_tries >= MOST_TRIES:
                raise
            # failed, it would let those go on that may miss it; into a launch that is another's, this goes nowhere
            told = f"{type(error).__name__}: {error}"
            _wait(wait_s(n_tries), f"{name}: {told}")
            return self._hand_over(fw_spec, told, {MACHINE_ERRORS: n_tries + 1})
        for workflow in [*action.detours, *action.additions]:
            route(workflow, campaign, fw_spec.get(ITERATION))
        return action

    def _run(self, fw_spec: dict[str, Any], workspace: Workspace) -> FWAction:
        """Run jobflow's task; an error is put on record, if it is not yet."""
        self["store"] = job_store_of(self["campaign"])
        try:
            return super().run_task(fw_spec)
        except (WalltimeReachedError, LeaseLostError):
            raise
        except Exception as error:
            record_job_failure(workspace.ledger, self["job"].name, error)
            raise
        finally:
            del self["store"]

    @serialize_fw
    @recursive_serialize
    def to_dict(self) -> dict[str, Any]:
        """Write the job down whole; jobflow's own way makes strings of pydantic's models."""
        return dict(self) | {"job": jsanitize(self["job"].as_dict(), strict=True, enum_values=True)}

    def _hand_over(
        self, fw_spec: dict[str, Any], told: str, counted: Mapping[str, int] = MappingProxyType({})
    ) -> FWAction:
        """Let a job like this one go on; jobs that wait for this one then wait for that."""
        emit("hand over", 0, 1, f"{self['job'].name}: {told}")
        kept = {key: value for key, value in fw_spec.items() if key in CARRIED}
        spec = kept | {HANDOVERS: fw_spec.get(HANDOVERS, 0) + 1, **counted}
        task = CampaignFiretask(job=self["job"], campaign=self["campaign"])
        job = Firework([task], spec=spec, name=self["job"].name)
        return FWAction(detours=[Workflow([job], name=self["job"].name)], stored_data={HANDOVERS: told})


def _wait(seconds: float, told: str) -> None:
    """Wait before a machine is tried again, as long as there is time."""
    emit("wait", 0, 1, f"{told}; trying again in {seconds:.0f} s")
    end = time.monotonic() + seconds
    limit = deadline(load_settings())
    while time.monotonic() < end and not limit.is_over:
        time.sleep(0.2)
