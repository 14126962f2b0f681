"""The compilation in the flow of a campaign: it waits for nothing, and all committees wait for it."""

from dataclasses import replace

from ase.build import bulk
from jobflow import OnMissing

import loop_documents as documents
from interphase_flows import Campaign, CampaignMaker, CommitteeSpec, CompileMaker
from interphase_flows.flows.active_learning import ActiveLearningMaker
from interphase_flows.flows.refinement import RefinementMaker, train_further
from interphase_flows.potentials.spec import NequIPSpec
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.schemas.label import LabelBatch
from interphase_flows.schemas.segment import Walker

WALKER = Walker(run_id="walker", role="explore", seed=1, index=0)
SMALL = NequIPSpec(n_features=4)
COMPILED = CompiledPotentialDoc(
    key="graph",
    architecture="a",
    elements=["Li"],
    device="cpu",
    machine="m",
    n_threads=1,
    versions={},
    reason="no_compiler",
    wall_time_s=0.0,
)


def jobs_of(flow) -> dict:
    return {job.name: job for job, _ in flow.iterflow()}


def test_compilation_waits_for_nothing_and_the_committee_waits_for_it():
    campaign = Campaign(name="unit", committee=CommitteeSpec(model=SMALL))
    jobs = jobs_of(CampaignMaker.from_campaign(campaign).make())
    compilation, committee = jobs["compile potentials"], jobs["committee 0"]
    assert compilation.input_uuids == ()
    assert compilation.maker.spec == SMALL
    assert compilation.function_args == (campaign.phases,)
    assert compilation.uuid in committee.input_uuids
    # a compilation that fails does not end the campaign
    assert committee.config.on_missing_references == OnMissing.NONE


def test_campaign_without_compilation_has_no_such_job():
    campaign = Campaign(name="unit", committee=CommitteeSpec(compiled="off"))
    assert "compile potentials" not in jobs_of(CampaignMaker.from_campaign(campaign).make())


def test_loop_without_elements_compiles_those_of_its_first_dataset():
    maker = replace(ActiveLearningMaker(), compile_maker=CompileMaker())
    jobs = jobs_of(maker.make(documents.dataset(), bulk("Li")))
    assert jobs["compile potentials"].input_uuids == (jobs["dataset 0"].uuid,)


def test_later_committees_get_the_same_graph():
    maker = ActiveLearningMaker()
    flow = maker.next_iteration(documents.dataset(), documents.committee(), [WALKER], None, [None], [], COMPILED)
    assert COMPILED in jobs_of(flow)["committee 1"].function_args
    committee = documents.committee().model_copy(update={"compiled": COMPILED})
    batch = LabelBatch(accepted=["label"], rejected=[], origins={"label": "crystal"})
    iterations = [documents.iteration("i0", 0)]
    refined = train_further.original(RefinementMaker(), batch, [], committee, documents.dataset(), iterations, [])
    assert COMPILED in jobs_of(refined.replace)["committee 1"].function_args
