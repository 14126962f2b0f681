"""Steps of a flow that a user replaces, defined outside the package; flows with such steps."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ruamel.yaml import YAML

from interphase_flows import (
    ActiveLearningMaker,
    Campaign,
    CampaignMaker,
    CommitteeMaker,
    DatasetMaker,
    ExplorationMaker,
    IterationMaker,
    LabelMaker,
    LabelSetMaker,
    SegmentMaker,
    SelectMaker,
    TrainMaker,
)
from interphase_flows.campaign.exploration import DynamicsSpec
from interphase_flows.campaign.schema import LearningSpec
from interphase_flows.datasets.selection.strategy import CandidatePool, Selection
from interphase_flows.jobs.inputs import open_job
from interphase_flows.potentials.spec import CommitteeSpec
from interphase_flows.reference.ase_calculator import CalculatorMethod
from interphase_flows.reference.labelling import ReferenceMethod
from interphase_flows.reference.spec import CalculatorSpec
from interphase_flows.schemas.model import ModelDoc
from tiny_campaign import TINY
from tiny_training import CUTOFF_ANGSTROM, SPEC, TRAINING


@dataclass
class OwnTrainMaker(TrainMaker):
    """Train from other initial weights."""

    first_seed: int = 1_000_000

    @open_job(output_schema=ModelDoc)
    def make(self, dataset, member=0, seed=0, parent=None) -> ModelDoc:
        return TrainMaker.make.original(self, dataset, member, self.first_seed + seed, parent)


@dataclass
class OwnLabelMaker(LabelMaker):
    """Label by EMT, with a method that the user defines."""

    def reference_method(self) -> ReferenceMethod:
        return CalculatorMethod(CalculatorSpec(name="ase.calculators.emt.EMT", arguments={"asap_cutoff": True}))


@dataclass
class MostUncertainMaker(SelectMaker):
    """Select the frames of largest uncertainty."""

    def select(self, pool: CandidatePool, n: int, seed: int) -> Selection:
        order = np.argsort(pool.uncertainty_eV_per_angstrom)[::-1]
        return Selection(order[:n].tolist(), ["most uncertain"])


LEARNING = LearningSpec(max_iterations=1, labels_per_iteration=2, audit_labels_per_iteration=1)
SHORT = SegmentMaker(
    dynamics=DynamicsSpec(temperature_K=300),
    n_steps=10,
    frame_interval_steps=5,
    uncertainty_interval_steps=5,
    checkpoint_interval_steps=5,
    runaway_temperature_factor=20,
    select_force_std_eV_per_angstrom=0.0,
    stops_when_uncertain=False,
)


def metals(n: int = 10) -> list[Atoms]:
    """Return rattled cells of copper, aluminium and their compound."""
    frames = []
    for seed in range(n):
        frames.append(bulk("Cu", cubic=True, a=3.8))
        frames[-1].symbols[: seed % 4 + 1] = "Al"
        frames[-1].rattle(0.08, seed=seed)
    return frames


def labelled(frames: list[Atoms]) -> list[Atoms]:
    for frame in frames:
        frame.calc = EMT(asap_cutoff=True)
        results = (frame.get_potential_energy(), frame.get_forces(), frame.get_stress())
        frame.calc = SinglePointCalculator(frame, **dict(zip(("energy", "forces", "stress"), results, strict=True)))
    return frames


def loop() -> ActiveLearningMaker:
    """Return a loop of one iteration after the first, with labels and selection of the user."""
    return ActiveLearningMaker(
        exploration_maker=ExplorationMaker(segment_maker=SHORT),
        select_maker=MostUncertainMaker(learning=LEARNING),
        label_set_maker=LabelSetMaker(label_maker=OwnLabelMaker()),
        dataset_maker=DatasetMaker(learning=LEARNING, cutoff_angstrom=CUTOFF_ANGSTROM),
        train_maker=TrainMaker(spec=CommitteeSpec(model=SPEC, training=TRAINING)),
        committee_maker=CommitteeMaker(learning=LEARNING),
        iteration_maker=IterationMaker(learning=LEARNING),
        n_members=2,
    )


def small_campaign() -> tuple[Campaign, CampaignMaker]:
    """Return a campaign of one iteration after the first, and its flow with a training of the user."""
    small = YAML(typ="safe").load(TINY)
    small["name"] = "own"
    small["learning"] |= {"max_iterations": 1, "labels_per_iteration": 2, "audit_labels_per_iteration": 1}
    small["production"] |= {"n_replicas": 1, "n_segments": 1}
    small["exploration"] |= {"n_amorphous_walkers": 0, "n_melt_quench_walkers": 0}
    small["hull_phases"] = ["P", "S"]
    small["structures"]["crystals"]["n_per_phase"] = 1
    campaign = Campaign.model_validate(small)
    maker = CampaignMaker.from_campaign(campaign)
    maker.active_learning_maker.train_maker = OwnTrainMaker(spec=campaign.committee)
    return campaign, maker
