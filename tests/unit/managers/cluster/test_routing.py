"""Which worker a job goes to, and that a job is the same job after it was written down."""

import json
from collections import defaultdict

import pytest
from fireworks import Workflow
from jobflow import Flow, JobStore
from jobflow.managers.fireworks import flow_to_workflow
from maggma.stores import MemoryStore
from ruamel.yaml import YAML

from interphase_flows.campaigns.schema import Campaign
from interphase_flows.flows.campaign import CampaignMaker
from interphase_flows.managers.cluster.firetask import CampaignFiretask
from interphase_flows.managers.cluster.routing import route
from interphase_flows.settings import JOB_KINDS
from tiny_campaign import TINY


def jobs_of(flow):
    for each in flow.jobs:
        if isinstance(each, Flow):
            yield from jobs_of(each)
        else:
            yield each


@pytest.fixture(scope="module")
def flow():
    campaign = Campaign(**YAML(typ="safe").load(TINY))
    return CampaignMaker(campaign).make()


@pytest.fixture(scope="module")
def workflow(flow):
    """The workflow as it comes back from a database."""
    routed = route(flow_to_workflow(flow, JobStore(MemoryStore())), "tiny")
    return Workflow.from_dict(json.loads(json.dumps(routed.to_dict(), default=str)))


def test_every_job_is_the_same_after_it_was_written_down(flow, workflow):
    """Makers with their specifications, arguments and references: jobflow's own way makes strings of models."""
    before = {job.uuid: job for job in jobs_of(flow)}
    after = {firework.tasks[0]["job"].uuid: firework.tasks[0]["job"] for firework in workflow.fws}
    assert before.keys() == after.keys()
    for uuid, job in before.items():
        assert after[uuid].maker == job.maker, job.name
        assert repr(tuple(after[uuid].function_args)) == repr(job.function_args), job.name
        assert repr(after[uuid].function_kwargs) == repr(job.function_kwargs), job.name
        assert after[uuid].config.on_missing_references == job.config.on_missing_references


def test_every_job_has_a_kind_and_a_campaign(workflow):
    """Trainings go to one worker, dynamics to another, what is quick to a third."""
    names = defaultdict(set)
    for firework in workflow.fws:
        assert isinstance(firework.tasks[0], CampaignFiretask)
        assert firework.spec["campaign"] == firework.tasks[0]["campaign"] == "tiny"
        names[firework.spec["_category"]].add(firework.name.split(" ")[0])
    assert set(names) <= set(JOB_KINDS)
    assert names["train"] == {"train", "committee"}
    assert names["dft"] == {"relax"}
    assert names["md"] == {"production", "amorphous", "interface"}
    assert {"continue_or_end", "conclude", "iteration", "label", "thermodynamics"} <= names["analysis"]


def test_what_the_loop_waits_for_comes_first(workflow):
    """Energies of phases are needed at the end."""
    priorities = {firework.name: firework.spec["_priority"] for firework in workflow.fws}
    assert priorities["relax Li2S"] < priorities["crystals"] == priorities["train member 0 (0)"]


def test_jobs_that_may_miss_something_wait_for_failed_ones_no_longer(workflow):
    """jobflow says so to FireWorks, and routing keeps it."""
    tolerant = {f.name for f in workflow.fws if f.spec.get("_allow_fizzled_parents")}
    assert {"conclude", "committee 0", "starts"} <= tolerant
    assert "crystals" not in tolerant
