"""Submit jobs of tests to FireWorks, and read their results."""

import os
from contextlib import closing
from pathlib import Path

from jobflow import Flow

from interphase_flows.campaign.schema import Campaign
from interphase_flows.commands.status import SUBMITTED
from interphase_flows.runners.campaign_records import register_campaign
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.submission import routed_workflow
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace
from tiny_campaign import environment


def add(settings: Settings, flow: Flow, campaign: str) -> None:
    launchpad = open_launchpad(settings)
    launchpad.add_wf(routed_workflow(flow, Workspace(settings, campaign)))
    launchpad.connection.close()


def submit(settings: Settings, flow: Flow, campaign: str) -> None:
    """Submit a flow under the name of a campaign, as a campaign is submitted."""
    with closing(Workspace(settings, campaign)) as workspace:
        register_campaign(workspace, Campaign(name=campaign), accept_changes=False, status=SUBMITTED)
    add(settings, flow, campaign)


def variables_of_workers(settings: Settings, campaign: str) -> dict[str, str]:
    """Return the environment of workers in separate processes, which use the artifacts of this test."""
    with closing(Workspace(settings, campaign)) as workspace:
        workspace.ledger.remove_state("progress", "artifacts")
        workspace.ledger.claim("artifacts", {"identity": workspace.artifacts.identity(), "root_url": "first"})
    # the jobs are defined in the folder of the tests
    return environment() | {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH")))),
        "INTERPHASE_ROOT": str(settings.root),
    }


def documents(settings: Settings, campaign: str, kind: str) -> list[dict]:
    with closing(Workspace(settings, campaign)) as workspace:
        return workspace.ledger.find(kind, {"campaign": campaign})


def output_of(settings: Settings, campaign: str, uuid: str):
    store = Workspace(settings, campaign).job_store()
    store.connect()
    try:
        return store.get_output(uuid)
    finally:
        store.close()
