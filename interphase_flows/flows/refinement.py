"""Refinement: train the committee on cells cut out of production, after the active-learning loop."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from ase import Atoms
from jobflow import Flow, Maker, OnMissing, OutputReference, Response, job

from interphase_flows.campaign.schema import Campaign
from interphase_flows.flows.active_learning import ActiveLearningMaker
from interphase_flows.flows.production import ProductionMaker
from interphase_flows.jobs.cutouts import CutoutMaker
from interphase_flows.jobs.iterations import IterationMaker
from interphase_flows.jobs.stopping_criteria import Evidence, LoopDecision
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.iteration import ITERATION, IterationDoc
from interphase_flows.schemas.label import LabelBatch
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.schemas.structures import StructureSetDoc

if TYPE_CHECKING:
    from pymatgen.core import Structure

CUTOUT_SEED = 300


@dataclass
class RefinementIterationMaker(IterationMaker):
    """Record a refinement as an iteration, which leaves the decision of the loop as it was."""

    name: str = "refinement"

    def decide(self, evidence: Evidence, history: Sequence[IterationDoc]) -> LoopDecision:
        """Return the decision of the loop, and what production showed."""
        last, above = history[-1], evidence.fraction_above_select
        shown = "" if above is None else f": {above:.0%} of its frames were above the selection level"
        return LoopDecision(last.decision, f"refined with cells cut out of production{shown}", last.targets_met)


@dataclass
class RefinementMaker(Maker):
    """Run the first segment of every production replica, label cells around uncertain atoms, and train further.

    Parameters
    ----------
    production_maker, cutout_maker, iteration_maker
        The dynamics, the job that cuts the cells out, and the job that records the iteration.
    learner
        The loop whose Makers label and train.
    """

    name: str = "refinement"
    production_maker: ProductionMaker = field(default_factory=lambda: ProductionMaker(n_segments=1))
    cutout_maker: CutoutMaker = field(default_factory=CutoutMaker)
    learner: ActiveLearningMaker = field(default_factory=ActiveLearningMaker)
    iteration_maker: RefinementIterationMaker = field(default_factory=RefinementIterationMaker)

    @classmethod
    def from_campaign(cls, campaign: Campaign) -> Self:
        """Return the Maker of a campaign."""
        learner, production = ActiveLearningMaker.from_campaign(campaign), ProductionMaker.from_campaign(campaign)
        production.n_segments = 1
        return cls(
            production_maker=production,
            cutout_maker=CutoutMaker(select_maker=learner.select_maker, cutouts=campaign.production.cutouts),
            learner=learner,
            iteration_maker=RefinementIterationMaker(learning=campaign.learning, analysis=campaign.analysis),
        )

    def make(
        self, starts: "StructureSetDoc | Atoms | Structure", learned: dict[str, Any] | OutputReference, number: int = 0
    ) -> Flow:
        """Return the flow; ``learned`` and its output are outputs of `ActiveLearningMaker`.

        ``number`` counts refinements of one campaign from 0.
        """
        production = self.production_maker.make(starts, learned["committee"])
        production.name = f"production for refinement {number}"
        seed = self.learner.seed + CUTOUT_SEED + number
        cells = self.cutout_maker.make(production.output, learned["dataset"], learned["committee"], seed)
        cells.config.on_missing_references = OnMissing.NONE
        labels = self.learner.label_set_maker.make(cells.output)
        labels.name = f"label set, refinement {number}"
        refined = train_further(
            self,
            labels.output,
            production.output,
            learned["committee"],
            learned["dataset"],
            learned["iterations"],
            learned["exploration"],
        )
        refined.config.on_missing_references = OnMissing.NONE
        return Flow([production, cells, labels, refined], output=refined.output, name=f"refinement {number}")


@job
def train_further(
    maker: RefinementMaker,
    batch: LabelBatch | None,
    production: Sequence[SegmentDoc | None],
    committee: CommitteeDoc,
    dataset: DatasetDoc,
    iterations: Sequence[IterationDoc],
    exploration: Sequence[str],
) -> Response:
    """Replace this job by the training of the next committee, or return what was learned where nothing is to be added."""
    learned = {"committee": committee, "dataset": dataset, "iterations": iterations, "exploration": exploration}
    if batch is None or not batch.accepted:
        return Response(output=learned)
    learner, index = maker.learner, len(iterations)
    extended = learner.dataset_maker.make(batch, dataset, learner.seed)
    extended.name = f"dataset {index}"
    member_jobs, trained = learner.training(extended.output, committee, index, committee.compiled)
    iteration = maker.iteration_maker.make(
        index, extended.output, trained.output, committee, production, batch, iterations
    )
    iteration.name = f"iteration {index}"
    jobs = [extended, *member_jobs, trained, iteration]
    refined = refined_or_before(trained.output, extended.output, iteration.output, learned)
    refined.config.on_missing_references = OnMissing.NONE
    jobs.append(refined)
    for each in jobs:
        each.update_metadata({ITERATION: index})
    return Response(replace=Flow(jobs, output=refined.output, name=f"training of refinement, iteration {index}"))


@job
def refined_or_before(
    committee: CommitteeDoc | None,
    dataset: DatasetDoc | None,
    iteration: IterationDoc | None,
    learned: dict[str, Any],
) -> dict[str, Any]:
    """Return what the refinement has learned, or, where one of its jobs failed, what was learned before it.

    Production needs a committee, and the previous one is as good as without the refinement.
    """
    if committee is None or dataset is None or iteration is None:
        return learned
    return learned | {
        "committee": committee,
        "dataset": dataset,
        "iterations": [*learned["iterations"], iteration],
    }
