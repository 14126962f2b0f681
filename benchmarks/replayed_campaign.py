"""The flows of the package with jobs that wait instead of computing."""

from dataclasses import fields

from jobflow import Flow, Maker
from recorded_method import RecordedSpec, Replay
from replayed_jobs import STAND_INS, FirstStructuresMaker

from interphase_flows.campaign.schema import Campaign
from interphase_flows.flows.active_learning import ActiveLearningMaker
from interphase_flows.flows.initial_data import InitialDataMaker
from interphase_flows.flows.production import ProductionMaker
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker


def replace_steps(maker: Maker, replay: Replay) -> None:
    """Replace the Makers of computing jobs in a flow's Maker by stand-ins."""
    for entry in fields(maker):
        step = getattr(maker, entry.name)
        if stand_in := STAND_INS.get(type(step)):
            own = {each.name: getattr(step, each.name) for each in fields(step)}
            setattr(maker, entry.name, stand_in(**own, replay=replay))


def replayed_campaign(campaign: Campaign, replay: Replay, n_first_labels: int) -> Flow:
    """Return a campaign from its initial labels to its production."""
    learning_maker = ActiveLearningMaker.from_campaign(campaign)
    learning_maker.compile_maker = None  # no potential is evaluated
    production_maker = ProductionMaker.from_campaign(campaign)
    for maker in (learning_maker, learning_maker.exploration_maker, production_maker):
        replace_steps(maker, replay)
    learning_maker.label_set_maker = LabelSetMaker(
        label_maker=LabelMaker(reference=RecordedSpec(replay=replay), gates=campaign.gates),
        labels_per_job=replay.labels_per_job,
        # times are scaled, so labels are packed by number only
        target_s_per_job=1e9,
    )
    structures = FirstStructuresMaker(replay=replay).make(n_first_labels, "labels")
    starts = FirstStructuresMaker(replay=replay).make(20, "starts")
    labels = learning_maker.label_set_maker.make(structures.output)
    walkers = InitialDataMaker.from_campaign(campaign).walkers()
    learning = learning_maker.make(labels.output, starts.output, walkers)
    production = production_maker.make(starts.output, learning.output["committee"])
    return Flow([structures, starts, labels, learning, production], name=campaign.name)
