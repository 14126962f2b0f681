"""Request Slurm allocations for ready jobs, within the limits of the settings, and withdraw superfluous ones."""

import math
import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from interphase_flows.runners.fireworks.launchpad import not_held, open_launchpad
from interphase_flows.runners.fireworks.retrying_launchpad import RetryingLaunchPad
from interphase_flows.runners.slurm import cancel_jobs, queued_allocations, submit_allocation
from interphase_flows.settings import Settings, WorkerSettings


@dataclass(frozen=True)
class WorkerRequest:
    """Allocations requested for a worker: its ready jobs, its allocations in the queue, and ids of the new ones."""

    worker: str
    n_ready: int
    n_waiting: int
    n_running: int
    submitted: list[str]


def request_workers(settings: Settings, dry_run: bool = False) -> list[WorkerRequest]:
    """Compare the ready jobs with the queue, and submit the missing allocations.

    One allocation is requested per ``jobs_per_allocation`` ready jobs, minus those that already wait in the queue,
    within ``max_in_queue`` of the worker and of all workers. Where the overall limit is short, workers are served
    round-robin, starting with that of the most urgent job. Jobs of held campaigns do not count.

    Raises
    ------
    SettingsError
        Slurm is not installed here, or rejects an allocation.
    """
    cluster = settings.cluster
    queue = queued_allocations(settings)
    with closing(open_launchpad(settings)) as launchpad:
        ready = {name: _ready_priorities(launchpad, worker) for name, worker in cluster.workers.items()}
    n_waiting = {name: sum(job.is_waiting for job in mine) for name, mine in queue.items()}
    wanted = {
        name: min(
            math.ceil(len(ready[name]) / worker.jobs_per_allocation) - n_waiting[name],
            worker.max_in_queue - len(queue[name]),
        )
        for name, worker in cluster.workers.items()
    }
    if cluster.max_in_queue is not None:
        in_queue = sum(len(mine) for mine in queue.values())
        most_urgent_first = sorted(wanted, key=lambda name: -max(ready[name], default=0))
        wanted = round_robin({name: wanted[name] for name in most_urgent_first}, cluster.max_in_queue - in_queue)
    return [
        WorkerRequest(
            worker=name,
            n_ready=len(ready[name]),
            n_waiting=n_waiting[name],
            n_running=len(queue[name]) - n_waiting[name],
            submitted=[] if dry_run else [submit_allocation(settings, name) for _ in range(wanted[name])],
        )
        for name in cluster.workers
    ]


def round_robin(wanted: Mapping[str, int], available: int) -> dict[str, int]:
    """Distribute available slots one at a time, in the order of ``wanted``, up to the number that each wants."""
    granted = dict.fromkeys(wanted, 0)
    while available > 0 and (unsatisfied := [name for name in wanted if granted[name] < wanted[name]]):
        for name in unsatisfied[:available]:
            granted[name] += 1
        available -= len(unsatisfied)
    return granted


def withdraw_idle_allocations(settings: Settings, launchpad: RetryingLaunchPad) -> list[str]:
    """Cancel allocations that wait in the queue for more jobs than are ready; return their job ids.

    The newest are cancelled first, since those that have waited longest start sooner.
    """
    idle = []
    for name, mine in queued_allocations(settings).items():
        worker = settings.cluster.workers[name]
        n_needed = math.ceil(len(_ready_priorities(launchpad, worker)) / worker.jobs_per_allocation)
        pending = [job.job_id for job in mine if job.state == "PENDING"]
        waiting = sorted(pending, key=lambda job_id: int(re.split("[_+]", job_id)[0]))
        idle.extend(waiting[n_needed:])
    if idle:
        # an allocation that starts at this moment is left alone: it ends by itself
        cancel_jobs(idle, "--state=PENDING")
    return idle


def _ready_priorities(launchpad: RetryingLaunchPad, worker: WorkerSettings) -> list[int]:
    """Return the priorities of the jobs that a worker may take."""
    ready = {"state": "READY", "spec._category": {"$in": list(worker.kinds)}} | not_held(launchpad)
    found = launchpad.fireworks.find(ready, {"spec._priority": 1, "_id": 0})
    return [each["spec"].get("_priority", 0) for each in found]
