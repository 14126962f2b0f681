"""Routing of jobs to workers, and serialisation of jobs."""

import json
from collections import defaultdict
from dataclasses import dataclass

import pytest
from fireworks import Workflow
from jobflow import Flow, Job, JobStore
from jobflow.managers.fireworks import flow_to_workflow
from maggma.stores import MemoryStore
from ruamel.yaml import YAML

import loop_documents
from interphase_flows.campaign.schema import Campaign
from interphase_flows.flows.active_learning import ActiveLearningMaker
from interphase_flows.flows.campaign import CampaignMaker
from interphase_flows.jobs.dynamics.segments import SegmentMaker
from interphase_flows.jobs.labels import LabelMaker
from interphase_flows.jobs.thermodynamics import RelaxMaker
from interphase_flows.runners.fireworks.firetask import CampaignFiretask, route
from interphase_flows.runners.fireworks.routing import kind_of, priority_of
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
    return CampaignMaker.from_campaign(campaign).make()


@pytest.fixture(scope="module")
def workflow(flow):
    """The workflow after a round trip through the database."""
    routed = route(flow_to_workflow(flow, JobStore(MemoryStore())), "tiny")
    return Workflow.from_dict(json.loads(json.dumps(routed.to_dict(), default=str)))


def test_serialisation_preserves_makers_arguments_and_references(flow, workflow):
    before = {job.uuid: job for job in jobs_of(flow)}
    after = {firework.tasks[0]["job"].uuid: firework.tasks[0]["job"] for firework in workflow.fws}
    assert before.keys() == after.keys()
    for uuid, job in before.items():
        assert after[uuid].maker == job.maker, job.name
        assert repr(tuple(after[uuid].function_args)) == repr(job.function_args), job.name
        assert repr(after[uuid].function_kwargs) == repr(job.function_kwargs), job.name
        assert after[uuid].config.on_missing_references == job.config.on_missing_references


def test_every_job_has_a_kind_and_a_campaign(workflow):
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


def test_subclass_of_a_maker_is_routed_like_its_base_class():

    @dataclass
    class OwnLabelMaker(LabelMaker):
        name: str = "own label"

    assert kind_of(OwnLabelMaker().make(None, [])) == "dft"
    assert kind_of(Job(len, ([],))) == "analysis"


def test_no_job_is_serialised_with_a_store(workflow):
    assert all("store" not in firework.tasks[0] for firework in workflow.fws)


def test_jobs_that_the_loop_waits_for_have_the_highest_priority(workflow):
    priorities = {firework.name: firework.spec["_priority"] for firework in workflow.fws}
    in_order = (
        ("crystals", "dataset 0", "iteration 0", "continue_or_end", "label set, iteration 0"),
        ("train committee member 0, iteration 0", "committee 0", "amorphous 0"),
        ("production replica-0 segment 0",),
        ("relax Li2S", "thermodynamics", "learning curve"),
    )
    ranks = [{priorities[name] for name in names} for names in in_order]
    assert [len(rank) for rank in ranks] == [1] * len(ranks), ranks
    assert sorted(ranks, key=max, reverse=True) == ranks


def test_labels_precede_energies_of_phases_and_exploration_precedes_production():
    label = LabelMaker().make(None, [0])
    relax = RelaxMaker().make("Li")
    explore = SegmentMaker().make(None, None, None)
    production = SegmentMaker(stops_when_uncertain=False).make(None, None, None)
    assert kind_of(label) == kind_of(relax) == "dft"
    assert priority_of(label) > priority_of(relax)
    assert priority_of(explore) > priority_of(production)


def test_jobs_of_the_loop_carry_their_iteration(workflow):
    iterations = {firework.name: firework.spec["iteration"] for firework in workflow.fws}
    for name in ("label set, iteration 0", "dataset 0", "committee 0", "iteration 0", "continue_or_end"):
        assert iterations[name] == 0
    assert iterations["crystals"] is None
    assert iterations["production replica-0 segment 0"] is None


def test_added_jobs_carry_their_iteration():
    """Labels of a set inherit it; the next iteration, which replaces the last job of its predecessor, has its own."""
    campaign = Campaign(**YAML(typ="safe").load(TINY))
    committee = loop_documents.committee()
    history = [None] * 3
    flow = ActiveLearningMaker.from_campaign(campaign).next_iteration(
        loop_documents.dataset(), committee, [], None, history, []
    )
    by_name = {each.name: each for each in jobs_of(flow)}
    assert {each.metadata["iteration"] for each in by_name.values()} == {3}
    assert by_name["label set, iteration 3"].metadata_updates[0]["update"] == {"iteration": 3}
    assert by_name["continue_or_end"].metadata_updates == []


def test_routing_keeps_tolerance_of_failed_parents(workflow):
    tolerant = {f.name for f in workflow.fws if f.spec.get("_allow_fizzled_parents")}
    assert {"conclude", "committee 0", "starts"} <= tolerant
    assert "crystals" not in tolerant
