"""A campaign becomes a workflow of FireWorks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.exceptions import InputError
from interphase_flows.runners.campaign_records import SUBMITTED, missing_answers, register_campaign
from interphase_flows.runners.fireworks.cancel import put_away
from interphase_flows.runners.fireworks.launchpad import mongodb_of, open_launchpad
from interphase_flows.runners.fireworks.pause import clear_hold, hold_of, set_hold
from interphase_flows.runners.fireworks.states import ACTIVE, firework_states
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace

if TYPE_CHECKING:
    from fireworks import Workflow
    from fireworks.core.launchpad import LaunchPad
    from jobflow import Flow


@dataclass(frozen=True)
class Submission:
    """What was handed to FireWorks."""

    campaign: str
    n_jobs: int
    goes_on: bool
    """Whether there were an earlier workflow and results of it."""


def submit_campaign(
    campaign: Campaign, settings: Settings, accept_changes: bool = False, hold: bool = False
) -> Submission:
    """Hand a campaign to FireWorks; what is in the ledger is not computed again.

    Parameters
    ----------
    campaign
        What to do.
    settings
        Of this machine.
    accept_changes
        Go on although a campaign of this name was started with another file.
    hold
        Let no job start until the campaign is resumed.

    Raises
    ------
    SettingsError
        The store is a file, or the database does not answer.
    InputError
        Its jobs are on the LaunchPad already, it is finished, or one of this name was started with another file.
    """
    mongodb_of(settings)
    # the reference method need not be installed where a campaign is submitted; a worker tells if it lacks it
    check_campaign(campaign, is_run_here=False)
    launchpad = open_launchpad(settings)
    workspace = Workspace(settings, campaign.name)
    try:
        workspace.check_artifacts()
        goes_on = make_way_for(launchpad, workspace, accept_changes)
        register_campaign(workspace, campaign, accept_changes, status=SUBMITTED)
        workflow = _workflow(campaign, workspace)
        if hold:
            set_hold(launchpad, campaign.name, "on hold")
        else:
            clear_hold(launchpad, campaign.name)
        launchpad.add_wf(workflow)
        return Submission(campaign.name, len(workflow.fws), goes_on)
    finally:
        workspace.close()
        launchpad.connection.close()


def make_way_for(launchpad: "LaunchPad", workspace: Workspace, accept_changes: bool) -> bool:
    """Put the workflow of a failed or cancelled campaign away; True if there was an earlier start of it.

    Raises
    ------
    InputError
        It is under way, or done.
    """
    name = workspace.campaign
    state = workspace.ledger.get("campaigns", name)
    by_state = firework_states(launchpad, name)
    n_active = sum(n for each, n in by_state.items() if each in ACTIVE)
    held = hold_of(launchpad, name)
    if n_active and held is not None and held.state != "cancelled":
        raise InputError(
            f"campaign {name} is submitted already, and {held.state} since {held.since}: interphase resume {name} lets "
            "its jobs start"
        )
    if n_active:
        told = ", ".join(f"{n} {each.lower()}" for each, n in sorted(by_state.items()))
        raise InputError(
            f"campaign {name} is submitted already ({told}): see interphase status {name}; its workers are started by "
            "interphase launch"
        )
    if state and state.get("result") and not missing_answers(state) and not accept_changes:
        raise InputError(
            f"campaign {name} is finished: interphase report {name}; with another file: --accept-changes, or another "
            "name"
        )
    put_away(launchpad, name, "ARCHIVED")
    return state is not None


def _workflow(campaign: Campaign, workspace: Workspace) -> "Workflow":
    import warnings

    with warnings.catch_warnings():
        # of jobflow's and atomate2's own imports
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        from interphase_flows.flows.campaign import CampaignMaker

        return routed_workflow(CampaignMaker(campaign).make(), workspace)


def routed_workflow(flow: "Flow", workspace: Workspace) -> "Workflow":
    """Return a flow as the workflow that workers of a campaign take jobs from."""
    from jobflow.managers.fireworks import flow_to_workflow  # both take a second

    from interphase_flows.runners.fireworks.routing import route

    workflow = flow_to_workflow(flow, name=workspace.campaign)
    workflow.metadata["campaign"] = workspace.campaign
    return route(workflow, workspace.campaign)
