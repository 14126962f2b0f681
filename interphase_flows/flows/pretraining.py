"""Pre-training: label many structures with a cheap method, and train the potentials that a committee starts from."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from jobflow import Flow, Maker, OutputReference

from interphase_flows.campaign.schema import Campaign
from interphase_flows.jobs.datasets import DatasetMaker
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker
from interphase_flows.jobs.structures.perturbed import PerturbSetMaker
from interphase_flows.jobs.train import TrainMaker
from interphase_flows.schemas.structures import StructureSetDoc

PRETRAINING_SEED = 700


@dataclass
class PretrainingMaker(Maker):
    """Train one potential for each member of a committee on labels of a cheap method.

    The labels form a separate dataset, because energies of two methods differ by more than constants.

    Parameters
    ----------
    perturb_maker, label_set_maker, dataset_maker, train_maker
        Structures, labels by the cheap method, their dataset, and the training from random weights.
    n_members, seed
        Number of potentials; seed of structures, split and initial weights.
    """

    name: str = "pretraining"
    perturb_maker: PerturbSetMaker = field(default_factory=PerturbSetMaker)
    label_set_maker: LabelSetMaker = field(default_factory=LabelSetMaker)
    dataset_maker: DatasetMaker = field(default_factory=DatasetMaker)
    train_maker: TrainMaker = field(default_factory=TrainMaker)
    n_members: int = 3
    seed: int = 1

    @classmethod
    def from_campaign(cls, campaign: Campaign) -> Self | None:
        """Return the Maker of a campaign, None without pre-training."""
        spec = campaign.committee.pretraining
        if spec is None:
            return None
        return cls(
            perturb_maker=PerturbSetMaker(
                n_structures=spec.n_labels, max_strain=spec.max_strain, rattle_angstrom=spec.rattle_angstrom
            ),
            label_set_maker=LabelSetMaker(label_maker=LabelMaker(reference=spec.reference, gates=campaign.gates)),
            dataset_maker=DatasetMaker(
                gates=campaign.gates,
                learning=campaign.learning,
                cutoff_angstrom=campaign.committee.model.cutoff_angstrom,
            ),
            train_maker=TrainMaker(spec=campaign.committee.of_training()),
            n_members=campaign.committee.n_members,
            seed=campaign.seed,
        )

    def make(self, structures: StructureSetDoc | OutputReference) -> tuple[Flow, Sequence[OutputReference]]:
        """Return the flow, and the outputs of the training jobs, one for each member."""
        perturbed = self.perturb_maker.make(structures, self.seed + PRETRAINING_SEED)
        labels = self.label_set_maker.make(perturbed.output)
        labels.name = "pretraining labels"
        dataset = self.dataset_maker.make(labels.output, None, self.seed)
        dataset.name = "pretraining dataset"
        train_maker = replace(self.train_maker, spec=self.train_maker.spec.model_copy(update={"start_from": None}))
        members = []
        for index in range(self.n_members):
            members.append(train_maker.make(dataset.output, index, 1000 * self.seed + index))
            members[-1].name = f"pretrain committee member {index}"
        models = [member.output for member in members]
        return Flow([perturbed, labels, dataset, *members], output=models, name=self.name), models
