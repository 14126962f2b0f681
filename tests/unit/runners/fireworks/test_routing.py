"""Which worker a job goes to, and that a job is the same job after it was written down."""

import json
from collections import defaultdict
from dataclasses import dataclass

import pytest
from fireworks import Workflow
from jobflow import Flow, Job, JobStore
from jobflow.managers.fireworks import flow_to_workflow
from maggma.stores import MemoryStore
from ruamel.yaml import YAML

from interphase_flows.campaign.schema import Campaign
from interphase_flows.flows.campaign import CampaignMaker
from interphase_flows.jobs.labels import LabelMaker
from interphase_flows.jobs.segments import SegmentMaker
from interphase_flows.jobs.thermodynamics import RelaxMaker
from interphase_flows.runners.fireworks.firetask import CampaignFiretask
from interphase_flows.runners.fireworks.routing import (
    iteration_of,
    kind_of,
    priority_of,
    route,
    routed_spec,
)
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
    assert names["md"] == {"production", "amorphous", "interface", "phase"}
    assert {"continue_or_end", "conclude", "iteration", "label", "thermodynamics"} <= names["analysis"]


def test_a_job_of_a_maker_that_extends_one_goes_where_that_ones_go():
    """A label by a maker of one's own is still a label; what no maker made is analysis."""

    @dataclass
    class OwnLabelMaker(LabelMaker):
        name: str = "own label"

    assert kind_of(OwnLabelMaker().make(None, [])) == "dft"
    assert kind_of(Job(len, ([],))) == "analysis"


def test_no_job_is_written_down_with_a_store(workflow):
    """Its job store is that of the campaign, opened once in a worker."""
    assert all("store" not in firework.tasks[0] for firework in workflow.fws)


def test_what_the_loop_waits_for_comes_first(workflow):
    """Quick jobs before long ones; production stands back, and energies of phases are needed at the end."""
    priorities = {firework.name: firework.spec["_priority"] for firework in workflow.fws}
    in_order = (
        ("crystals", "dataset 0", "iteration 0", "continue_or_end", "label set (0)"),
        ("train committee member 0 (0)", "committee 0", "amorphous 0"),
        ("production replica-0 segment 0",),
        ("relax Li2S", "thermodynamics", "learning curve"),
    )
    ranks = [{priorities[name] for name in names} for names in in_order]
    assert [len(rank) for rank in ranks] == [1] * len(ranks), ranks
    assert sorted(ranks, key=max, reverse=True) == ranks


def test_labels_come_before_energies_of_phases_and_exploration_before_production():
    """They are dft and md, too."""
    label = LabelMaker().make(None, [0])
    relax = RelaxMaker().make("Li")
    explore = SegmentMaker().make(None, None, None)
    production = SegmentMaker(stops_when_uncertain=False).make(None, None, None)
    assert kind_of(label) == kind_of(relax) == "dft"
    assert priority_of(label) > priority_of(relax)
    assert priority_of(explore) > priority_of(production)


@pytest.mark.parametrize(
    ("name", "inherited", "iteration"),
    [
        ("train committee member 1 (12)", None, 12),
        ("explore interface-0 (2)", None, 2),
        ("committee 3", None, 3),
        ("iteration 0", None, 0),
        ("label", 4, 4),
        ("label", None, None),
        ("amorphous 0", None, None),
        ("production replica-0 segment 1", None, None),
        ("label set (1)", 0, 1),
    ],
)
def test_a_job_knows_its_iteration_by_its_name_or_by_what_made_it(name, inherited, iteration):
    """Labels are called alike in every one."""
    job = LabelMaker().make(None, [0])
    job.name = name
    assert iteration_of(job, inherited) == iteration
    assert routed_spec(job, "tiny", inherited)["iteration"] == iteration


def test_jobs_that_may_miss_something_wait_for_failed_ones_no_longer(workflow):
    """jobflow says so to FireWorks, and routing keeps it."""
    tolerant = {f.name for f in workflow.fws if f.spec.get("_allow_fizzled_parents")}
    assert {"conclude", "committee 0", "starts"} <= tolerant
    assert "crystals" not in tolerant
