"""Steps of a flow replaced by subclasses of the user, in FireWorks."""

from contextlib import closing

import pytest
from fireworks.core.rocket_launcher import rapidfire
from jobflow import JobStore
from jobflow.managers.fireworks import flow_to_workflow

from fireworks_jobs import documents
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.states import cluster_status
from interphase_flows.runners.fireworks.submission import submit_campaign
from interphase_flows.runners.fireworks.worker import work
from interphase_flows.storage.mongodb_store import MongodbStore
from own_steps import labelled, loop, metals, small_campaign

# jobflow's task does not close its store
LEFT_OPEN = pytest.mark.filterwarnings("ignore:.*MongoClient:pytest.PytestUnraisableExceptionWarning")
pytestmark = [pytest.mark.cluster, LEFT_OPEN]


def test_own_training_runs_in_a_submitted_campaign(settings, tmp_path) -> None:
    """Also in the iteration that a job of the loop adds: the flow's Maker is stored with that job."""
    campaign, maker = small_campaign()
    submit_campaign(campaign, settings, flow_maker=maker)
    work(settings, "all", tmp_path / "launches")
    assert cluster_status(settings, campaign.name).failed == []
    seeds = sorted(model["seed"] for model in documents(settings, campaign.name, "models"))
    assert seeds == [1_001_000, 1_001_000, 1_001_001, 1_001_001]
    assert len(documents(settings, campaign.name, "iterations")) == 2


def test_loop_without_a_campaign_runs_by_the_tasks_of_jobflow(settings, tmp_path, monkeypatch) -> None:
    """With labels and selection of the user, in FireWorks' own launch folders."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INTERPHASE_CAMPAIGN", raising=False)
    flow = loop().make(labelled(metals()), metals(1))
    store = JobStore(MongodbStore("open_loop", "uuid", settings.store))
    launchpad = open_launchpad(settings)
    launchpad.add_wf(flow_to_workflow(flow, store))
    rapidfire(launchpad, m_dir=str(tmp_path), nlaunches=0, strm_lvl="CRITICAL")
    launchpad.connection.close()
    store.connect()
    with closing(store):
        result = store.get_output(flow.output.uuid, load=True)
    assert [each.decision for each in result["iterations"]] == ["continue", "budget_exhausted"]
    assert result["iterations"][1].n_labels_new == 3
    assert result["dataset"].method.settings["arguments"] == '{"asap_cutoff": true}'
