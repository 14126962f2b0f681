"""Which kind a job is, how urgent it is, and the task that runs it: data, not branches."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from interphase_flows.jobs.amorphous import AmorphousMaker
from interphase_flows.jobs.interfaces import SnapshotsMaker
from interphase_flows.jobs.labels import LabelMaker
from interphase_flows.jobs.models import CommitteeMaker, TrainMaker
from interphase_flows.jobs.segments import SegmentMaker
from interphase_flows.jobs.thermodynamics import RelaxMaker
from interphase_flows.managers.cluster.firetask import CampaignFiretask
from interphase_flows.settings import JobKind
from interphase_flows.storage.ledger_entry import check_size

if TYPE_CHECKING:
    from fireworks import Workflow
    from jobflow import Job

KIND_OF_MAKER: Mapping[type, JobKind] = {
    LabelMaker: "dft",
    RelaxMaker: "dft",
    TrainMaker: "train",
    CommitteeMaker: "train",
    SegmentMaker: "md",
    SnapshotsMaker: "md",
    AmorphousMaker: "md",
}
"""Makers of work that asks for more than an ordinary core; every other job is analysis."""

PRIORITY_OF_MAKER: Mapping[type, int] = {RelaxMaker: -10}
"""Jobs that no iteration of the loop waits for stand back; FireWorks takes the largest number first."""


def kind_of(job: "Job") -> JobKind:
    """Return the kind of a job, by what made it."""
    return KIND_OF_MAKER.get(type(job.maker), "analysis")


def route(workflow: "Workflow", campaign: str) -> "Workflow":
    """Give every job of a workflow its kind, its priority and the task that knows its campaign, in place.

    Raises
    ------
    DocumentTooLargeError
        What a job is made of is over 1 MB; nothing of the workflow is then in the database.
    """
    for firework in workflow.fws:
        (task,) = firework.tasks
        job = task["job"]
        firework.tasks = [CampaignFiretask(job=job, store=task["store"], campaign=campaign)]
        firework.spec.update(routed_spec(job, campaign))
        check_size(f"job {firework.name!r} of campaign {campaign}", firework.to_dict())
    return workflow


def routed_spec(job: "Job", campaign: str) -> dict[str, Any]:
    """Return what the specification of a job says to FireWorks and to those who ask for it."""
    return {
        "campaign": campaign,
        "_category": kind_of(job),
        "_priority": PRIORITY_OF_MAKER.get(type(job.maker), 0),
        # what an earlier launch left in its folder is in the folder of the work, not of the launch
        "_preserve_fworker": False,
    }
