"""Submit a campaign to FireWorks as a workflow."""

import warnings
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.exceptions import InputError
from interphase_flows.runners.campaign_records import SUBMITTED, missing_analyses, register_campaign
from interphase_flows.runners.cluster_settings import mongodb_settings
from interphase_flows.runners.fireworks.control import retire_jobs
from interphase_flows.runners.fireworks.launchpad import clear_hold, hold_of, open_launchpad, set_hold
from interphase_flows.runners.fireworks.retrying_launchpad import RetryingLaunchPad
from interphase_flows.runners.fireworks.states import ACTIVE, PAUSED_BY_LPAD, firework_states
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace

if TYPE_CHECKING:
    from fireworks import Workflow
    from jobflow import Flow

    from interphase_flows.flows.campaign import CampaignMaker


@dataclass(frozen=True)
class Submission:
    """A campaign that was submitted, and the number of its first jobs."""

    campaign: str
    n_jobs: int
    is_continued: bool
    """Whether there are results of an earlier submission."""


def submit_campaign(
    campaign: Campaign,
    settings: Settings,
    accept_changes: bool = False,
    hold: bool = False,
    flow_maker: "CampaignMaker | None" = None,
) -> Submission:
    """Submit a campaign to FireWorks; work whose result is in the ledger is not repeated.

    With ``accept_changes``, continue although a campaign of this name was started with another file; with ``hold``,
    start no job until the campaign is resumed. ``flow_maker`` replaces the flow, such as by
    ``CampaignMaker.from_campaign(campaign)`` with another Maker of one step, which workers must be able to import.

    Raises
    ------
    SettingsError
        The store is embedded.
    InputError
        The campaign is active or finished, or one of this name was started with another file.
    """
    mongodb_settings(settings)
    check_campaign(campaign)  # the reference method need not be installed on the submitting machine
    with (
        closing(open_launchpad(settings)) as launchpad,
        closing(Workspace(settings, campaign.name)) as workspace,
    ):
        workspace.check_artifacts()
        is_continued = archive_previous_jobs(launchpad, workspace, accept_changes)
        register_campaign(workspace, campaign, accept_changes, status=SUBMITTED)
        workflow = _workflow(campaign, workspace, flow_maker)
        if hold:
            set_hold(launchpad, campaign.name, "on hold")
        else:
            clear_hold(launchpad, campaign.name)
        launchpad.add_wf(workflow)
        return Submission(campaign.name, len(workflow.fws), is_continued)


def archive_previous_jobs(launchpad: RetryingLaunchPad, workspace: Workspace, accept_changes: bool) -> bool:
    """Archive the jobs of a failed or cancelled campaign; return whether it was started before."""
    name = workspace.campaign
    state = workspace.ledger.get("campaigns", name)
    by_state = firework_states(launchpad, name)
    is_active = any(each in ACTIVE for each in by_state)
    hold = hold_of(launchpad, name)
    if is_active and hold is not None and hold.state != "cancelled":
        raise InputError(
            f"campaign {name} is already submitted, and {hold.state} since {hold.since}. Hint: interphase resume "
            f"{name} starts its jobs"
        )
    if is_active:
        counts = ", ".join(f"{n} {each.lower()}" for each, n in sorted(by_state.items()))
        raise InputError(
            f"campaign {name} is already submitted ({counts}): see interphase status {name}. Hint: start workers by "
            "interphase launch"
        )
    if PAUSED_BY_LPAD in by_state and (hold is None or hold.state != "cancelled"):
        raise InputError(
            f"campaign {name} is already submitted, and {by_state[PAUSED_BY_LPAD]} of its jobs are paused by FireWorks' "
            f"command lpad. Hint: interphase status {name} names the command that releases them; interphase cancel "
            f"{name} gives them up"
        )
    if state and state.get("result") and not missing_analyses(state) and not accept_changes:
        raise InputError(
            f"campaign {name} is finished: interphase report {name}. Hint: to continue it with another file add "
            "--accept-changes, or choose another name"
        )
    retire_jobs(launchpad, name, "ARCHIVED")
    return state is not None


def _workflow(campaign: Campaign, workspace: Workspace, flow_maker: "CampaignMaker | None") -> "Workflow":
    with warnings.catch_warnings():
        # from imports of jobflow and atomate2
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        from interphase_flows.flows.campaign import CampaignMaker

        return routed_workflow((flow_maker or CampaignMaker.from_campaign(campaign)).make(), workspace)


def routed_workflow(flow: "Flow", workspace: Workspace) -> "Workflow":
    """Return a flow as a FireWorks workflow whose jobs are routed to the workers of a campaign."""
    # both take a second to import
    from jobflow.managers.fireworks import flow_to_workflow

    from interphase_flows.runners.fireworks.firetask import route

    workflow = flow_to_workflow(flow, name=workspace.campaign)
    workflow.metadata["campaign"] = workspace.campaign
    return route(workflow, workspace.campaign)
