"""Active learning: explore, select, label, train, decide; each iteration creates the next one or ends the loop."""

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
from interphase_flows.schemas.iteration import ITERATION, IterationDoc
from interphase_flows.schemas.label import LabelBatch
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import SegmentDoc, Walker
from interphase_flows.schemas.structures import StructureSetDoc


@dataclass
class ActiveLearningMaker(Maker):
    """Train a committee iteratively until it is accurate on new reactive dynamics or the budget is spent.

    The numbers of iterations, labels and jobs are unknown when the flow is built: each iteration creates the next one.
    """

    campaign: Campaign
    name: str = "active learning"

    def make(self, batch: LabelBatch, starts: StructureSetDoc, walkers: Sequence[Walker]) -> Flow:
        """Return the flow of iteration 0 from the initial labels.

        Its output is that of the last iteration: ``committee``, ``dataset``, ``iterations`` and ``exploration`` (keys
        of all segments).
        """
        dataset = self._dataset_maker().make(batch, None, self.campaign.seed)
        dataset.name = "dataset 0"
        return self._train_and_decide(
            [dataset],
            index=0,
            dataset=dataset.output,
            previous=None,
            explorations=[],
            batch=batch,
            walkers=walkers,
            starts=starts,
            history=[],
            explored=[],
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
        """Return the flow of an iteration: explore with a committee, label uncertain frames, train the next committee."""
        spec, index = self.campaign, len(history)
        exploration = ExplorationMaker(spec).make(walkers, starts, committee, index)
        outputs = exploration.output
        selection = SelectMaker(learning=spec.learning, gates=spec.gates).make(outputs, dataset, spec.seed + index)
        # the selection continues without walkers whose job failed
        selection.config.on_missing_references = OnMissing.NONE
        labels = self.label_set_maker().make(selection.output)
        extended = self._dataset_maker().make(labels.output, dataset, spec.seed)
        selection.name, extended.name = f"select ({index})", f"dataset {index}"
        labels.name = f"label set ({index})"
        return self._train_and_decide(
            [exploration, selection, labels, extended],
            index=index,
            dataset=extended.output,
            previous=committee,
            explorations=outputs,
            batch=labels.output,
            walkers=walkers,
            starts=starts,
            history=history,
            explored=explored,
        )

    def label_set_maker(self) -> LabelSetMaker:
        """Return the Maker that labels with the reference method of the campaign."""
        return LabelSetMaker(label_maker=LabelMaker(reference=self.campaign.reference, gates=self.campaign.gates))

    def _dataset_maker(self) -> DatasetMaker:
        return DatasetMaker(
            reference=self.campaign.reference,
            gates=self.campaign.gates,
            learning=self.campaign.learning,
            cutoff_angstrom=self.campaign.committee.model.cutoff_angstrom,
        )

    def _train_and_decide(
        self,
        jobs: Sequence[Flow | Job],
        *,
        index: int,
        dataset: DatasetDoc,
        previous: CommitteeDoc | None,
        explorations: Sequence[SegmentDoc],
        batch: LabelBatch,
        walkers: Sequence[Walker],
        starts: StructureSetDoc,
        history: Sequence[IterationDoc],
        explored: Sequence[str],
    ) -> Flow:
        """Return a flow of ``jobs``, the training of a committee, and the decision what follows."""
        spec = self.campaign
        trainer = TrainMaker(spec=spec.committee)
        member_jobs = []
        for member in range(spec.committee.n_members):
            parent = next((m for m in previous.models if m.member == member), None) if previous else None
            training = trainer.make(dataset, member, 1000 * spec.seed + member, parent)
            training.name = f"train committee member {member} ({index})"
            member_jobs.append(training)
        committee = CommitteeMaker(learning=spec.learning).make(dataset, [t.output for t in member_jobs])
        committee.config.on_missing_references = OnMissing.NONE
        iteration = IterationMaker(learning=spec.learning).make(
            index, dataset, committee.output, previous, explorations, batch, history
        )
        committee.name, iteration.name = f"committee {index}", f"iteration {index}"
        following = continue_or_end(
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
        for last in (iteration, following):
            last.config.on_missing_references = OnMissing.NONE
        for each in (*jobs, *member_jobs, committee, iteration):
            each.update_metadata({ITERATION: index})
        # not dynamic: the jobs that replace this one belong to the next iteration
        following.update_metadata({ITERATION: index}, dynamic=False)
        return Flow(
            [*jobs, *member_jobs, committee, iteration, following],
            output=following.output,
            name=f"iteration {index}",
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
    """Replace this job by the next iteration, or return the result of the loop.

    ``explored`` are keys of the segments of earlier iterations; passing their documents from iteration to iteration
    would exceed the size limit of a document.
    """
    history = [*history, iteration]
    explored = [*explored, *(s.key for s in explorations if s is not None)]
    if iteration.decision == "continue":
        # iteration 0 has no exploration
        advanced = ExplorationMaker(maker.campaign).after(walkers, explorations) if explorations else walkers
        return Response(replace=maker.next_iteration(dataset, committee, advanced, starts, history, explored))
    return Response(output={"committee": committee, "dataset": dataset, "iterations": history, "exploration": explored})
