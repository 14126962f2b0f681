"""Status of a campaign's jobs on the cluster: FireWorks' states by kind and iteration, and Slurm's queue."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interphase_flows.exceptions import SettingsError
from interphase_flows.runners.cluster_settings import job_name_prefix
from interphase_flows.runners.fireworks.job_errors import (
    FailedJob,
    LostJob,
    campaign_jobs,
    failed_jobs,
    lost_jobs,
)
from interphase_flows.runners.fireworks.launchpad import CAMPAIGN_FIELD, open_launchpad
from interphase_flows.runners.fireworks.pause import Hold, hold_of
from interphase_flows.runners.slurm.commands import QueueJob, jobs_in_queue
from interphase_flows.schemas.iteration import ITERATION
from interphase_flows.settings import JOB_KINDS, Settings
from interphase_flows.storage.ledger_backend import JsonDocument

if TYPE_CHECKING:
    from interphase_flows.runners.fireworks.retrying_launchpad import RetryingLaunchPad

ACTIVE = ("READY", "RESERVED", "RUNNING")
"""States of jobs that run, or will run as soon as a worker takes them."""

COLUMNS = {
    "waiting": ("WAITING", "PAUSED"),
    "ready": ("READY",),
    "running": ("RESERVED", "RUNNING"),
    "done": ("COMPLETED",),
    "failed": ("FIZZLED",),
    "cancelled": ("DEFUSED",),
}
"""State in a status -> states of FireWorks."""


@dataclass(frozen=True)
class ClusterStatus:
    """Jobs of a campaign by kind and state, in total and by iteration of the loop, and their errors.

    ``hold`` is None if jobs may start; ``allocations`` is Slurm's queue, None if Slurm is not available.
    """

    jobs: dict[str, dict[str, int]]
    iterations: dict[int, dict[str, dict[str, int]]]
    failed: list[str]
    hold: Hold | None
    lost: list[LostJob]
    needs_attention: list[FailedJob]
    will_be_retried: list[FailedJob]
    allocations: list[QueueJob] | None

    @property
    def n_open(self) -> int:
        """Number of ready and running jobs."""
        return sum(row["ready"] + row["running"] for row in self.jobs.values())

    @property
    def n_running(self) -> int:
        """Number of running jobs."""
        return sum(row["running"] for row in self.jobs.values())

    @property
    def n_failed(self) -> int:
        """Number of failed jobs."""
        return sum(row["failed"] for row in self.jobs.values())


def firework_states(launchpad: "RetryingLaunchPad", campaign: str) -> dict[str, int]:
    """Return the number of a campaign's jobs in each state of FireWorks; archived jobs are excluded."""
    found = launchpad.fireworks.find(
        {CAMPAIGN_FIELD: campaign, "state": {"$ne": "ARCHIVED"}}, {"state": 1, "_id": 0}
    )
    return dict(Counter(firework["state"] for firework in found))


def n_open_jobs(settings: Settings) -> int:
    """Return the number of ready and running jobs of all campaigns."""
    with closing(open_launchpad(settings)) as launchpad:
        return int(launchpad.fireworks.count_documents({"state": {"$in": list(ACTIVE)}}))


def cluster_status(settings: Settings, campaign: str) -> ClusterStatus:
    """Return the status of a campaign's jobs."""
    allocations = _allocations(job_name_prefix(settings))
    with closing(open_launchpad(settings)) as launchpad:
        jobs = campaign_jobs(launchpad, campaign)
        hold = hold_of(launchpad, campaign)
        lost = lost_jobs(launchpad, jobs, allocations)
        failed = failed_jobs(launchpad, campaign, jobs)
    iterations: dict[int, dict[str, dict[str, int]]] = {}
    for index in sorted({job["spec"][ITERATION] for job in jobs if job["spec"].get(ITERATION) is not None}):
        rows = _counts_by_kind(job for job in jobs if job["spec"].get(ITERATION) == index)
        iterations[index] = {kind: row for kind, row in rows.items() if any(row.values())}
    return ClusterStatus(
        jobs=_counts_by_kind(jobs),
        iterations=iterations,
        failed=sorted(job["name"] for job in jobs if _column(job["state"]) == "failed"),
        hold=hold,
        lost=lost,
        needs_attention=[job for job in failed if not job.will_be_retried],
        will_be_retried=[job for job in failed if job.will_be_retried],
        allocations=allocations,
    )


def _counts_by_kind(jobs: Iterable[JsonDocument]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {kind: dict.fromkeys(COLUMNS, 0) for kind in JOB_KINDS}
    for job in jobs:
        counts[job["spec"]["_category"]][_column(job["state"])] += 1
    return counts


def _column(state: str) -> str:
    return next(name for name, states in COLUMNS.items() if state in states)


def _allocations(prefix: str) -> list[QueueJob] | None:
    try:
        return jobs_in_queue(prefix)
    except SettingsError:
        return None


def summarise_allocations(allocations: Sequence[QueueJob]) -> str:
    """Return the number of allocations by state, with Slurm's reasons for those that wait."""
    states = Counter(
        f"{job.state.lower()} ({job.reason})" if job.is_waiting and job.reason else job.state.lower()
        for job in allocations
    )
    return ", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "none"
