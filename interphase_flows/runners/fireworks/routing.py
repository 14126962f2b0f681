"""Which kind a job is, how urgent it is, and the task that runs it: data, not branches."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from interphase_flows.jobs.amorphous import AmorphousMaker
from interphase_flows.jobs.committee import CommitteeMaker
from interphase_flows.jobs.interfaces import SnapshotsMaker
from interphase_flows.jobs.labels import LabelMaker
from interphase_flows.jobs.learning_curves import LearningCurveMaker
from interphase_flows.jobs.phases import PhaseReferencesMaker
from interphase_flows.jobs.segments import SegmentMaker
from interphase_flows.jobs.thermodynamics import ReactionMaker, RelaxMaker
from interphase_flows.jobs.train import TrainMaker
from interphase_flows.runners.fireworks.firetask import CampaignFiretask
from interphase_flows.runners.fireworks.launchpad import ITERATION
from interphase_flows.settings import JobKind
from interphase_flows.storage.ledger_entry import check_size

if TYPE_CHECKING:
    from fireworks import Workflow
    from jobflow import Job

T = TypeVar("T")

KIND_OF_MAKER: Mapping[type, JobKind] = {
    LabelMaker: "dft",
    RelaxMaker: "dft",
    TrainMaker: "train",
    CommitteeMaker: "train",
    SegmentMaker: "md",
    SnapshotsMaker: "md",
    AmorphousMaker: "md",
    PhaseReferencesMaker: "md",
}
"""Makers of work that asks for more than an ordinary core; every other job is analysis."""

PRIORITY_OF_KIND: Mapping[JobKind, int] = {"analysis": 10}
"""Jobs of seconds, for which many others wait, go before hours of work in a worker that takes both."""

PRIORITY_OF_MAKER: Mapping[type, int] = {
    RelaxMaker: -10,
    ReactionMaker: -10,
    LearningCurveMaker: -10,
}
"""Jobs that no iteration of a loop waits for stand back: energies of phases and figures are needed at the end."""

PRIORITY_OF_PRODUCTION = -5
"""Dynamics of a campaign whose loop has ended, beside another campaign's whose loop has not."""


def kind_of(job: "Job") -> JobKind:
    """Return the kind of a job, by what made it; a maker of one's own is routed as the one that it extends."""
    return _of_maker(KIND_OF_MAKER, job, "analysis")


def _of_maker(table: Mapping[type, T], job: "Job", default: T) -> T:
    return next((table[each] for each in type(job.maker).__mro__ if each in table), default)


def priority_of(job: "Job") -> int:
    """Return how urgent a job is; FireWorks takes the largest number first, and of equals the oldest."""
    maker = job.maker
    if isinstance(maker, SegmentMaker) and not maker.stops_when_uncertain:
        return PRIORITY_OF_PRODUCTION
    return _of_maker(PRIORITY_OF_MAKER, job, PRIORITY_OF_KIND.get(kind_of(job), 0))


_ITERATION_IN_NAME = re.compile(r"\((\d+)\)$|^(?:committee|iteration|dataset) (\d+)$")


def iteration_of(job: "Job", inherited: int | None = None) -> int | None:
    """Return the iteration of the loop that a job belongs to, by its name, else that of the job that made it."""
    found = _ITERATION_IN_NAME.search(job.name)
    return inherited if found is None else int(found[1] or found[2])


def route(workflow: "Workflow", campaign: str, iteration: int | None = None) -> "Workflow":
    """Give every job of a workflow its kind, its priority and the task that knows its campaign, in place.

    ``iteration`` is that of the job that made them.

    Raises
    ------
    DocumentTooLargeError
        What a job is made of is over 1 MB; nothing of the workflow is then in the database.
    """
    for firework in workflow.fws:
        (task,) = firework.tasks
        job = task["job"]
        firework.tasks = [CampaignFiretask(job=job, campaign=campaign)]
        firework.spec.update(routed_spec(job, campaign, iteration))
        check_size(f"job {firework.name!r} of campaign {campaign}", firework.to_dict())
    return workflow


def routed_spec(job: "Job", campaign: str, iteration: int | None = None) -> dict[str, Any]:
    """Return what the specification of a job says to FireWorks and to those who ask for it."""
    return {
        "campaign": campaign,
        ITERATION: iteration_of(job, iteration),
        "_category": kind_of(job),
        "_priority": priority_of(job),
        # what an earlier launch left in its folder is in the folder of the work, not of the launch
        "_preserve_fworker": False,
    }
