"""Steps of a flow that a user replaces, defined outside the package."""

from dataclasses import dataclass

import numpy as np
from ruamel.yaml import YAML

from interphase_flows import Campaign, CampaignMaker, LabelMaker, SelectMaker, TrainMaker
from interphase_flows.datasets.selection.strategy import CandidatePool, Selection
from interphase_flows.jobs.inputs import open_job
from interphase_flows.reference.ase_calculator import CalculatorMethod
from interphase_flows.reference.labelling import ReferenceMethod
from interphase_flows.reference.spec import CalculatorSpec
from interphase_flows.schemas.model import ModelDoc
from tiny_campaign import TINY


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
