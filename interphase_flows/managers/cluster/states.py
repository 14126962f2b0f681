"""Where the jobs of a campaign stand: FireWorks' states by kind, and Slurm's queue beside them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interphase_flows.exceptions import SettingsError
from interphase_flows.managers.cluster.launchpad import CAMPAIGN_FIELD, launchpad_database, open_launchpad
from interphase_flows.managers.cluster.slurm import QueueJob, jobs_in_queue
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
    "failed": ("FIZZLED", "DEFUSED"),
}
"""What a status calls FireWorks' states."""


@dataclass(frozen=True)
class ClusterStatus:
    """Jobs of a campaign by kind and state, and the allocations in Slurm's queue.

    ``allocations`` is None where there is no Slurm to ask.
    """

    jobs: dict[str, dict[str, int]]
    failed: list[str]
    allocations: list[QueueJob] | None

    @property
    def n_open(self) -> int:
        """Jobs that run or are ready."""
        return sum(row["ready"] + row["running"] for row in self.jobs.values())

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


def job_name_prefix(settings: Settings) -> str:
    """Return how the names of this database's allocations begin in Slurm's queue."""
    return f"if-{launchpad_database(settings)}-"


def cluster_status(settings: Settings, campaign: str) -> ClusterStatus:
    """Return where the jobs of a campaign stand."""
    launchpad = open_launchpad(settings)
    try:
        fields = {"state": 1, "name": 1, "spec._category": 1, "_id": 0}
        found = list(
            launchpad.fireworks.find({CAMPAIGN_FIELD: campaign, "state": {"$ne": "ARCHIVED"}}, fields)
        )
    finally:
        launchpad.connection.close()
    jobs: dict[str, dict[str, int]] = {kind: dict.fromkeys(COLUMNS, 0) for kind in JOB_KINDS}
    for firework in found:
        jobs[firework["spec"]["_category"]][_column(firework["state"])] += 1
    return ClusterStatus(
        jobs=jobs,
        failed=sorted(f["name"] for f in found if _column(f["state"]) == "failed"),
        allocations=_allocations(job_name_prefix(settings)),
    )


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
