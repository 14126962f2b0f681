"""The loop: explore, select, label, train, decide; each turn builds the next one or ends."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobflow import Flow, Job, Maker, OnMissing, Response, job

from interphase_flows.campaign.schema import Campaign
from interphase_flows.flows.exploration import ExplorationMaker
from interphase_flows.jobs.committee import CommitteeMaker
from interphase_flows.jobs.datasets import DatasetMaker
from interphase_flows.jobs.iterations import IterationMaker
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker
from interphase_flows.jobs.selection import SelectMaker
from interphase_flows.jobs.train import TrainMaker
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.iteration import IterationDoc
from interphase_flows.schemas.label import LabelBatch
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import SegmentDoc, Walker
from interphase_flows.schemas.structures import StructureSetDoc


@dataclass
class ActiveLearningMaker(Maker):
    """Train a committee, and go on until it holds on fresh reactive dynamics or the budget is spent.

    How many iterations, labels and jobs there will be is not known when the flow is built: every
    iteration is made by the one before.

    Parameters
    ----------
    campaign
        Budget, targets, dynamics, committee.
    """

    campaign: Campaign
    name: str = "active learning"

    def make(self, batch: LabelBatch, starts: StructureSetDoc, walkers: Sequence[Walker]) -> Flow:
        """Start from the initial labels; the output has ``committee``, ``dataset``, ``iterations``, ``exploration``."""
        dataset = self._dataset_maker().make(batch, None, self.campaign.seed)
        dataset.name = "dataset 0"
        return self._train_and_decide(
            0, dataset.output, None, None, [], batch, [], starts, walkers, [dataset], []
        )

    def next_iteration(
        self,
        dataset: DatasetDoc,
        committee: CommitteeDoc,
        walkers: Sequence[Walker],
        starts: StructureSetDoc,
        history: Sequence[IterationDoc],
        explored: Sequence[str],
    ) -> Flow:
        """Explore with a committee, label what it does not know, and train the next one."""
        spec, index = self.campaign, len(history)
        exploration = ExplorationMaker(spec).make(walkers, starts, committee, index)
        outputs = exploration.output
        selection = SelectMaker(learning=spec.learning, gates=spec.gates).make(
            outputs, dataset, spec.seed + index
        )
        # a walker that could not be run at all is missing from the choice; the loop goes on
        selection.config.on_missing_references = OnMissing.NONE
        labels = self.label_set_maker().make(selection.output)
        extended = self._dataset_maker().make(labels.output, dataset, spec.seed)
        selection.name, extended.name = f"select ({index})", f"dataset {index}"
        labels.name = f"label set ({index})"
        jobs = [exploration, selection, labels, extended]
        return self._train_and_decide(
            index,
            extended.output,
            committee,
            committee,
            outputs,
            labels.output,
            history,
            starts,
            walkers,
            jobs,
            explored,
        )

    def label_set_maker(self) -> LabelSetMaker:
        """Return the maker of labels by this campaign's reference method."""
        return LabelSetMaker(
            label_maker=LabelMaker(reference=self.campaign.reference, gates=self.campaign.gates)
        )

    def _dataset_maker(self) -> DatasetMaker:
        return DatasetMaker(
            reference=self.campaign.reference,
            gates=self.campaign.gates,
            learning=self.campaign.learning,
            cutoff_angstrom=self.campaign.committee.model.cutoff_angstrom,
        )

    def _train_and_decide(
        self,
        index: int,
        dataset: DatasetDoc,
        parent: CommitteeDoc | None,
        explorer: CommitteeDoc | None,
        explorations: Sequence[SegmentDoc],
        batch: LabelBatch,
        history: Sequence[IterationDoc],
        starts: StructureSetDoc,
        walkers: Sequence[Walker],
        jobs: Sequence[Flow | Job],
        explored: Sequence[str],
    ) -> Flow:
        spec = self.campaign
        trainer = TrainMaker(spec=spec.committee)
        trainings = []
        for member in range(spec.committee.n_members):
            before = next((m for m in parent.models if m.member == member), None) if parent else None
            training = trainer.make(dataset, member, 1000 * spec.seed + member, before)
            training.name = f"train committee member {member} ({index})"
            trainings.append(training)
        committee = CommitteeMaker(learning=spec.learning).make(dataset, [t.output for t in trainings])
        committee.config.on_missing_references = OnMissing.NONE
        iteration = IterationMaker(learning=spec.learning).make(
            index, dataset, committee.output, explorer, explorations, batch, history
        )
        committee.name, iteration.name = f"committee {index}", f"iteration {index}"
        onward = continue_or_end(
            self,
            iteration.output,
            dataset,
            committee.output,
            walkers,
            starts,
            history,
            explorations,
            explored,
        )
        for last in (iteration, onward):
            last.config.on_missing_references = OnMissing.NONE
        return Flow(
            [*jobs, *trainings, committee, iteration, onward], output=onward.output, name=f"iteration {index}"
        )


@job
def continue_or_end(
    maker: ActiveLearningMaker,
    iteration: IterationDoc,
    dataset: DatasetDoc,
    committee: CommitteeDoc,
    walkers: Sequence[Walker],
    starts: StructureSetDoc,
    history: Sequence[IterationDoc],
    explorations: Sequence[SegmentDoc | None],
    explored: Sequence[str],
) -> Response:
    """Replace this job by the next iteration, or return what the loop has learned.

    ``explored`` are keys of the segments of earlier iterations: the documents themselves, handed from one iteration to
    the next, would grow out of what a database takes.
    """
    history = [*history, iteration]
    explored = [*explored, *(s.key for s in explorations if s is not None)]
    if iteration.decision == "continue":
        # after the first committee was trained, nothing has been explored yet
        onward = ExplorationMaker(maker.campaign).after(walkers, explorations) if explorations else walkers
        return Response(replace=maker.next_iteration(dataset, committee, onward, starts, history, explored))
    return Response(
        output={"committee": committee, "dataset": dataset, "iterations": history, "exploration": explored}
    )
