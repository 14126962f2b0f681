"""Active learning: explore, select, label, train, decide; each iteration creates the next one or ends the loop."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from jobflow import Flow, Job, Maker, OnMissing, OutputReference, Response, job

from interphase_flows.campaign.schema import Campaign
from interphase_flows.flows.exploration import ExplorationMaker
from interphase_flows.flows.pretraining import PretrainingMaker
from interphase_flows.jobs.committee import CommitteeMaker
from interphase_flows.jobs.compile import CompileMaker
from interphase_flows.jobs.datasets import DatasetMaker
from interphase_flows.jobs.import_dataset import ImportDatasetMaker, LabelledFrames
from interphase_flows.jobs.iterations import IterationMaker
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker
from interphase_flows.jobs.selection import SelectMaker
from interphase_flows.jobs.structures.initial_structures import start_walkers
from interphase_flows.jobs.structures.structure_sets import Structures
from interphase_flows.jobs.train import TrainMaker
from interphase_flows.schemas.compiled_potential import CompiledPotentialDoc
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.iteration import ITERATION, IterationDoc
from interphase_flows.schemas.label import LabelBatch
from interphase_flows.schemas.model import CommitteeDoc, ModelDoc
from interphase_flows.schemas.segment import SegmentDoc, Walker
from interphase_flows.schemas.structures import StructureSetDoc


@dataclass
class ActiveLearningMaker(Maker):
    """Train a committee iteratively until it is accurate on new reactive dynamics or the budget is spent.

    The numbers of iterations, labels and jobs are unknown when the flow is built: each iteration creates the next one.

    Parameters
    ----------
    exploration_maker, select_maker, label_set_maker, dataset_maker, train_maker, committee_maker, iteration_maker
        The steps of an iteration; `IterationMaker` decides whether another one follows.
    compile_maker
        Compiles the architecture of ``train_maker`` once, beside the steps of iteration 0 before its committee; all
        committees of the loop use the graph. With None, potentials are evaluated eagerly.
    pretraining_maker
        Trains the potentials that the members of iteration 0 start from; None for random weights.
    n_members
        Number of trained potentials; ``train_maker`` makes one job of each.
    seed
        Seed of splits, selections and initial weights.
    """

    name: str = "active learning"
    exploration_maker: ExplorationMaker = field(default_factory=ExplorationMaker)
    select_maker: SelectMaker = field(default_factory=SelectMaker)
    label_set_maker: LabelSetMaker = field(default_factory=LabelSetMaker)
    dataset_maker: DatasetMaker = field(default_factory=DatasetMaker)
    train_maker: TrainMaker = field(default_factory=TrainMaker)
    committee_maker: CommitteeMaker = field(default_factory=CommitteeMaker)
    iteration_maker: IterationMaker = field(default_factory=IterationMaker)
    compile_maker: CompileMaker | None = field(default_factory=CompileMaker)
    pretraining_maker: PretrainingMaker | None = None
    n_members: int = 3
    seed: int = 1

    @classmethod
    def from_campaign(cls, campaign: Campaign) -> Self:
        """Return the Maker of a campaign."""
        learning, gates = campaign.learning, campaign.gates
        return cls(
            exploration_maker=ExplorationMaker.from_campaign(campaign),
            select_maker=SelectMaker(learning=learning, gates=gates),
            label_set_maker=LabelSetMaker(label_maker=LabelMaker(reference=campaign.reference, gates=gates)),
            dataset_maker=DatasetMaker(
                gates=gates, learning=learning, cutoff_angstrom=campaign.committee.model.cutoff_angstrom
            ),
            train_maker=TrainMaker(spec=campaign.committee.of_training()),
            committee_maker=CommitteeMaker(learning=learning),
            iteration_maker=IterationMaker(learning=learning, analysis=campaign.analysis),
            compile_maker=CompileMaker(structure_files=campaign.structure_files)
            if campaign.committee.compiled == "auto"
            else None,
            pretraining_maker=PretrainingMaker.from_campaign(campaign),
            n_members=campaign.committee.n_members,
            seed=campaign.seed,
        )

    def make(
        self,
        data: LabelBatch | DatasetDoc | LabelledFrames,
        starts: Structures,
        walkers: Sequence[Walker] | None = None,
        elements: Sequence[str] | None = None,
        structures: StructureSetDoc | None = None,
    ) -> Flow:
        """Return the flow of iteration 0 from initial labels.

        Its output is that of the last iteration: ``committee``, ``dataset``, ``iterations`` and ``exploration`` (keys
        of all segments).

        Parameters
        ----------
        data
            A batch of labels, a dataset, or labelled frames (extxyz files or atoms) by the method of the label Maker.
        starts
            Initial structures of the walkers.
        walkers
            Runs that explore, and audit runs whose frames only test; by default those of `start_walkers`.
        elements
            Elements of the potentials, or phases with these elements, so that compilation need not wait for ``data``.
        structures
            Structures of the pre-training, by default ``starts``.
        """
        if isinstance(data, LabelBatch | DatasetDoc | OutputReference):
            dataset = self.dataset_maker.make(data, None, self.seed)
            batch = data
        else:
            dataset = self._import_maker().make(data)
            batch = dataset.output
        dataset.name = "dataset 0"
        jobs = [dataset]
        if walkers is None or not isinstance(starts, StructureSetDoc | OutputReference):
            placed = start_walkers(starts, walkers, self.seed)
            starts, walkers = placed.output["starts"], placed.output["walkers"]
            jobs.append(placed)
        compiled = None
        if self.compile_maker is not None:
            compile_maker = replace(self.compile_maker, spec=self.train_maker.spec.model)
            compilation = compile_maker.make(dataset.output if elements is None else elements)
            compiled = compilation.output
            jobs.insert(0, compilation)
        pretrained: Sequence[ModelDoc] = ()
        if self.pretraining_maker is not None:
            pretraining, pretrained = self.pretraining_maker.make(starts if structures is None else structures)
            jobs.append(pretraining)
        return self._train_and_decide(
            jobs,
            index=0,
            dataset=dataset.output,
            previous=None,
            explorations=[],
            batch=batch,
            walkers=walkers,
            starts=starts,
            history=[],
            explored=[],
            compiled=compiled,
            pretrained=pretrained,
        )

    def next_iteration(
        self,
        dataset: DatasetDoc,
        committee: CommitteeDoc,
        walkers: Sequence[Walker],
        starts: StructureSetDoc,
        history: Sequence[IterationDoc],
        explored: Sequence[str],
        compiled: CompiledPotentialDoc | None = None,
    ) -> Flow:
        """Return the flow of an iteration: explore with a committee, label uncertain frames, train the next committee."""
        index = len(history)
        exploration = self.exploration_maker.make(walkers, starts, committee, index)
        outputs = exploration.output
        selection = self.select_maker.make(outputs, dataset, self.seed + index, committee)
        # the selection continues without walkers whose job failed
        selection.config.on_missing_references = OnMissing.NONE
        labels = self.label_set_maker.make(selection.output)
        extended = self.dataset_maker.make(labels.output, dataset, self.seed)
        selection.name, extended.name = f"select, iteration {index}", f"dataset {index}"
        labels.name = f"label set, iteration {index}"
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
            compiled=compiled,
        )

    def training(
        self,
        dataset: DatasetDoc,
        previous: CommitteeDoc | None,
        index: int,
        compiled: CompiledPotentialDoc | None,
        pretrained: Sequence[ModelDoc] = (),
    ) -> tuple[list[Job], Job]:
        """Return the jobs that train the members of a committee, continued from a previous one, and its job.

        Without a previous committee they start from ``pretrained`` potentials of another method, if there are any.
        """
        member_jobs = []
        for member in range(self.n_members):
            parent = next((m for m in previous.models if m.member == member), None) if previous else None
            start = {"start": pretrained[member]} if pretrained else {}
            training = self.train_maker.make(dataset, member, 1000 * self.seed + member, parent, **start)
            training.name = f"train committee member {member}, iteration {index}"
            member_jobs.append(training)
        committee = self.committee_maker.make(dataset, [t.output for t in member_jobs], compiled)
        committee.config.on_missing_references = OnMissing.NONE
        committee.name = f"committee {index}"
        return member_jobs, committee

    def _import_maker(self) -> ImportDatasetMaker:
        learning = self.dataset_maker.learning
        return ImportDatasetMaker(
            method=self.label_set_maker.label_maker.reference_method().identity,
            seed=self.seed,
            validation_fraction=learning.validation_fraction,
            test_fraction=learning.test_fraction,
            cutoff_angstrom=self.dataset_maker.cutoff_angstrom,
        )

    def _train_and_decide(
        self,
        jobs: Sequence[Flow | Job],
        *,
        index: int,
        dataset: DatasetDoc,
        previous: CommitteeDoc | None,
        explorations: Sequence[SegmentDoc],
        batch: LabelBatch | DatasetDoc,
        walkers: Sequence[Walker],
        starts: StructureSetDoc,
        history: Sequence[IterationDoc],
        explored: Sequence[str],
        compiled: CompiledPotentialDoc | None,
        pretrained: Sequence[ModelDoc] = (),
    ) -> Flow:
        """Return a flow of ``jobs``, the training of a committee, and the decision what follows."""
        member_jobs, committee = self.training(dataset, previous, index, compiled, pretrained)
        iteration = self.iteration_maker.make(index, dataset, committee.output, previous, explorations, batch, history)
        iteration.name = f"iteration {index}"
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
            compiled,
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
    compiled: CompiledPotentialDoc | None = None,
) -> Response:
    """Replace this job by the next iteration, or return the result of the loop.

    ``explored`` are keys of the segments of earlier iterations; passing their documents from iteration to iteration
    would exceed the size limit of a document.
    """
    history = [*history, iteration]
    explored = [*explored, *(s.key for s in explorations if s is not None)]
    if iteration.decision == "continue":
        # iteration 0 has no exploration
        advanced = maker.exploration_maker.after(walkers, explorations) if explorations else walkers
        following = maker.next_iteration(dataset, committee, advanced, starts, history, explored, compiled)
        return Response(replace=following)
    return Response(output={"committee": committee, "dataset": dataset, "iterations": history, "exploration": explored})
