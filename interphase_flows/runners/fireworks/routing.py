"""Routing of jobs to workers: the kind, the priority and the iteration of a job, from tables."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from interphase_flows.jobs.committee import CommitteeMaker, LearningCurveMaker
from interphase_flows.jobs.compile import CompileMaker
from interphase_flows.jobs.dynamics.segments import SegmentMaker
from interphase_flows.jobs.labels import LabelMaker
from interphase_flows.jobs.phase_references import PhaseReferencesMaker
from interphase_flows.jobs.structures.amorphous import AmorphousMaker
from interphase_flows.jobs.structures.interfaces import SnapshotsMaker
from interphase_flows.jobs.thermodynamics import ReactionMaker, RelaxMaker
from interphase_flows.jobs.train import TrainMaker
from interphase_flows.schemas.iteration import ITERATION
from interphase_flows.settings import JobKind
from interphase_flows.storage.ledger_backend import JsonDocument

if TYPE_CHECKING:
    from jobflow import Job

T = TypeVar("T")

KIND_OF_MAKER: Mapping[type, JobKind] = {
    LabelMaker: "dft",
    RelaxMaker: "dft",
    TrainMaker: "train",
    CommitteeMaker: "train",
    SegmentMaker: "md",
    CompileMaker: "md",  # on a machine of the type that evaluates potentials
    SnapshotsMaker: "md",
    AmorphousMaker: "md",
    PhaseReferencesMaker: "md",
}
"""Makers of jobs that need more than an ordinary core; all other jobs are of kind ``analysis``."""

PRIORITY_OF_KIND: Mapping[JobKind, int] = {"analysis": 10}
"""In a worker that takes several kinds, jobs of seconds that many others wait for precede hours of work."""

PRIORITY_OF_MAKER: Mapping[type, int] = {
    RelaxMaker: -10,
    ReactionMaker: -10,
    LearningCurveMaker: -10,
}
"""Jobs that no iteration of the loop waits for run last: energies of phases and figures are needed at the end."""

PRIORITY_OF_PRODUCTION = -5
"""Production dynamics gives way to campaigns whose loop is still running."""


def kind_of(job: "Job") -> JobKind:
    """Return the kind of a job by its Maker; a subclass is routed like the class that it extends."""
    return _of_maker(KIND_OF_MAKER, job, "analysis")


def _of_maker(table: Mapping[type, T], job: "Job", default: T) -> T:
    return next((table[each] for each in type(job.maker).__mro__ if each in table), default)


def priority_of(job: "Job") -> int:
    """Return the priority of a job; FireWorks takes the largest first, and the oldest among equals."""
    maker = job.maker
    if isinstance(maker, SegmentMaker) and not maker.stops_when_uncertain:
        return PRIORITY_OF_PRODUCTION
    return _of_maker(PRIORITY_OF_MAKER, job, PRIORITY_OF_KIND.get(kind_of(job), 0))


def routed_spec(job: "Job", campaign: str) -> JsonDocument:
    """Return the entries of a job's FireWorks specification that route it and that queries use."""
    return {
        "campaign": campaign,
        ITERATION: job.metadata.get(ITERATION),
        "_category": kind_of(job),
        "_priority": priority_of(job),
        # checkpoints are in the folder of the work, not in that of a launch, so any worker may continue a job
        "_preserve_fworker": False,
    }
