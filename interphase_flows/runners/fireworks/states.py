"""Where the jobs of a campaign stand: FireWorks' states by kind, and Slurm's queue beside them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interphase_flows.exceptions import SettingsError
from interphase_flows.runners.fireworks.job_errors import (
    FailedJob,
    LostJob,
    campaign_jobs,
    failed_jobs,
    lost_jobs,
)
from interphase_flows.runners.fireworks.launchpad import CAMPAIGN_FIELD, ITERATION, open_launchpad
from interphase_flows.runners.fireworks.pause import Hold, hold_of
from interphase_flows.runners.slurm.commands import QueueJob, job_name_prefix, jobs_in_queue
from interphase_flows.settings import JOB_KINDS, Settings

if TYPE_CHECKING:
    from fireworks.core.launchpad import LaunchPad

ACTIVE = ("READY", "RESERVED", "RUNNING")
"""States of jobs that run, or will as soon as a worker comes."""

COLUMNS = {
    "waiting": ("WAITING", "PAUSED"),
    "ready": ("READY",),
    "running": ("RESERVED", "RUNNING"),
    "done": ("COMPLETED",),
    "failed": ("FIZZLED",),
    "cancelled": ("DEFUSED",),
}
"""What a status calls FireWorks' states."""


@dataclass(frozen=True)
class ClusterStatus:
    """Jobs of a campaign by kind and state, what went wrong with them, and the allocations in Slurm's queue.

    ``iterations`` has the jobs of the loop: by iteration, kind and state.  ``hold`` is None if jobs may start,
    ``allocations`` where there is no Slurm to ask.  Of the failed jobs some need a person, and some are tried again by
    the next recovery.
    """

    jobs: dict[str, dict[str, int]]
    iterations: dict[int, dict[str, dict[str, int]]]
    failed: list[str]
    hold: Hold | None
    lost: list[LostJob]
    needs_person: list[FailedJob]
    tried_again: list[FailedJob]
    allocations: list[QueueJob] | None

    @property
    def n_open(self) -> int:
        """Jobs that run or are ready."""
        return sum(row["ready"] + row["running"] for row in self.jobs.values())

    @property
    def n_running(self) -> int:
        """Jobs that run."""
        return sum(row["running"] for row in self.jobs.values())

    @property
    def n_failed(self) -> int:
        """Jobs that failed."""
        return sum(row["failed"] for row in self.jobs.values())


def firework_states(launchpad: "LaunchPad", campaign: str) -> dict[str, int]:
    """Return how many jobs of a campaign are in each of FireWorks' states; archived ones are of the past."""
    found = launchpad.fireworks.find(
        {CAMPAIGN_FIELD: campaign, "state": {"$ne": "ARCHIVED"}}, {"state": 1, "_id": 0}
    )
    return dict(Counter(firework["state"] for firework in found))


def n_open_jobs(settings: Settings) -> int:
    """Return how many jobs of all campaigns are ready or running."""
    launchpad = open_launchpad(settings)
    try:
        return int(launchpad.fireworks.count_documents({"state": {"$in": list(ACTIVE)}}))
    finally:
        launchpad.connection.close()


def cluster_status(settings: Settings, campaign: str) -> ClusterStatus:
    """Return where the jobs of a campaign stand."""
    allocations = _allocations(job_name_prefix(settings))
    launchpad = open_launchpad(settings)
    try:
        found = campaign_jobs(launchpad, campaign)
        hold = hold_of(launchpad, campaign)
        lost = lost_jobs(launchpad, found, allocations)
        failed = failed_jobs(launchpad, campaign, found)
    finally:
        launchpad.connection.close()
    jobs: dict[str, dict[str, int]] = {
        kind: _counts(f for f in found if f["spec"]["_category"] == kind) for kind in JOB_KINDS
    }
    iterations: dict[int, dict[str, dict[str, int]]] = {}
    for index in sorted({f["spec"][ITERATION] for f in found if f["spec"].get(ITERATION) is not None}):
        mine = [f for f in found if f["spec"].get(ITERATION) == index]
        kinds = [kind for kind in JOB_KINDS if any(f["spec"]["_category"] == kind for f in mine)]
        iterations[index] = {
            kind: _counts(f for f in mine if f["spec"]["_category"] == kind) for kind in kinds
        }
    return ClusterStatus(
        jobs=jobs,
        iterations=iterations,
        failed=sorted(f["name"] for f in found if _column(f["state"]) == "failed"),
        hold=hold,
        lost=lost,
        needs_person=[job for job in failed if not job.is_tried_again],
        tried_again=[job for job in failed if job.is_tried_again],
        allocations=allocations,
    )


def _counts(fireworks: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    return dict.fromkeys(COLUMNS, 0) | Counter(_column(firework["state"]) for firework in fireworks)


def _column(state: str) -> str:
    return next(name for name, states in COLUMNS.items() if state in states)


def _allocations(prefix: str) -> list[QueueJob] | None:
    try:
        return jobs_in_queue(prefix)
    except SettingsError:
        return None


def told_allocations(allocations: Sequence[QueueJob]) -> str:
    """Return a sentence on allocations, with Slurm's reasons of those that wait."""
    states = Counter(
        f"{job.state.lower()} ({job.reason})" if job.is_waiting and job.reason else job.state.lower()
        for job in allocations
    )
    return ", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "none"
