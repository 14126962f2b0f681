"""Makers in FireWorks without a campaign: jobflow's own conversion and task, FireWorks' own launch folders."""

from contextlib import closing
from pathlib import Path

import pytest
from ase.build import bulk
from fireworks.core.rocket_launcher import rapidfire
from jobflow import Flow, JobStore
from jobflow.managers.fireworks import flow_to_workflow

from interphase_flows import CalculatorSpec, DatasetMaker, LabelMaker, SegmentMaker
from interphase_flows.campaign.exploration import DynamicsSpec
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.storage.mongodb_store import MongodbStore

# jobflow's task does not close its store
LEFT_OPEN = pytest.mark.filterwarnings("ignore:.*MongoClient:pytest.PytestUnraisableExceptionWarning")
pytestmark = [pytest.mark.cluster, LEFT_OPEN]

EMT = CalculatorSpec(name="ase.calculators.emt.EMT")


def test_flow_without_a_campaign_gives_the_documents_of_a_local_run(settings, tmp_path, monkeypatch):
    """Each job runs in a launch folder, and finds the files of the others."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INTERPHASE_CAMPAIGN", raising=False)
    cells = [bulk("Cu", cubic=True) for _ in range(5)]
    for seed, cell in enumerate(cells):
        cell.rattle(0.05, seed=seed)
    labels = LabelMaker(reference=EMT).make(cells)
    dataset = DatasetMaker().make(labels.output)
    maker = SegmentMaker(
        dynamics=DynamicsSpec(temperature_K=300),
        n_steps=10,
        frame_interval_steps=5,
        uncertainty_interval_steps=5,
        checkpoint_interval_steps=5,
    )
    first = maker.make(cells[0], EMT)
    second = maker.make(first.output, EMT)
    store = JobStore(MongodbStore("open_outputs", "uuid", settings.store))
    launchpad = open_launchpad(settings)
    for flow in (Flow([labels, dataset]), Flow([first, second])):
        launchpad.add_wf(flow_to_workflow(flow, store))
    rapidfire(launchpad, m_dir=str(tmp_path), nlaunches=0, strm_lvl="CRITICAL")
    launchpad.connection.close()
    store.connect()
    with closing(store):
        found = {job.name: store.get_output(job.uuid, load=True) for job in (labels, dataset)}
        segments = [store.get_output(job.uuid) for job in (first, second)]
    assert len(found["label structures"]["accepted"]) == 5
    assert sum(found["dataset"]["n_frames"].values()) == 5
    assert [segment["last_step"] for segment in segments] == [10, 20]
    assert len({Path(segment["trajectory"]["path"]).parents[3] for segment in segments}) == 2
    local = [SegmentMaker.make.original(maker, cells[0], EMT)]
    local.append(SegmentMaker.make.original(maker, local[0], EMT))
    assert [s.key for s in local] == [segment["key"] for segment in segments]
    assert local[1].continue_state == segments[1]["continue_state"]
