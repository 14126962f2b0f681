"""The flows of the package with jobs that wait instead of computing."""

from dataclasses import dataclass, field, fields
from typing import Any

from jobflow import Flow, Job
from recorded_method import RecordedSpec, Replay
from replayed_jobs import STAND_INS, FirstStructuresMaker

from interphase_flows.campaign.schema import Campaign
from interphase_flows.flows.active_learning import ActiveLearningMaker
from interphase_flows.flows.initial_data import InitialDataMaker
from interphase_flows.flows.production import ProductionMaker
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker


def replayed(flow: Flow, replay: Replay) -> Flow:
    """Replace the Makers of a flow's computing jobs by stand-ins, in place."""
    for each in flow.jobs:
        if isinstance(each, Job):
            stand_in = STAND_INS.get(type(each.maker))
            if stand_in is not None:
                own = {entry.name: getattr(each.maker, entry.name) for entry in fields(each.maker)}
                each.function = stand_in(**own, replay=replay).make
        else:
            replayed(each, replay)
    return flow


@dataclass
class ReplayedLearningMaker(ActiveLearningMaker):
    """The active-learning loop with stand-ins for computations."""

    replay: Replay = field(default_factory=Replay)

    def make(self, *inputs: Any) -> Flow:
        """Return the first iteration."""
        return replayed(super().make(*inputs), self.replay)

    def next_iteration(self, *inputs: Any) -> Flow:
        """Return the next iteration."""
        return replayed(super().next_iteration(*inputs), self.replay)

    def label_set_maker(self) -> LabelSetMaker:
        """Return the Maker of the package with the recorded method."""
        return LabelSetMaker(
            label_maker=LabelMaker(reference=RecordedSpec(replay=self.replay), gates=self.campaign.gates),
            labels_per_job=self.replay.labels_per_job,
            # times are scaled, so labels are packed by number only
            target_s_per_job=1e9,
        )


def replayed_campaign(campaign: Campaign, replay: Replay, n_first_labels: int) -> Flow:
    """Return a campaign from its initial labels to its production."""
    learning_maker = ReplayedLearningMaker(campaign, replay=replay)
    structures = FirstStructuresMaker(replay=replay).make(n_first_labels, "labels")
    starts = FirstStructuresMaker(replay=replay).make(20, "starts")
    labels = learning_maker.label_set_maker().make(structures.output)
    walkers = InitialDataMaker(campaign).walkers()
    learning = learning_maker.make(labels.output, starts.output, walkers)
    production = replayed(ProductionMaker(campaign).make(starts.output, learning.output["committee"]), replay)
    return Flow([structures, starts, labels, learning, production], name=campaign.name)
