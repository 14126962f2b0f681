"""Ask Slurm for workers: as many as the ready jobs need, within the limits of the settings."""

import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interphase_flows.exceptions import SettingsError
from interphase_flows.runners.fireworks.launchpad import open_launchpad
from interphase_flows.runners.fireworks.pause import not_held
from interphase_flows.runners.slurm.commands import QueueJob, job_name_prefix, jobs_in_queue, run_slurm
from interphase_flows.runtime.atomic_files import write_bytes_atomic
from interphase_flows.settings import FILE_VARIABLE, Settings, WorkerSettings, settings_file

if TYPE_CHECKING:
    from fireworks.core.launchpad import LaunchPad
    from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter


@dataclass(frozen=True)
class Asked:
    """What was asked for a worker: jobs ready for it, its allocations in the queue, and new ones (their job ids)."""

    worker: str
    n_ready: int
    n_waiting: int
    n_running: int
    submitted: list[str]


def launch_folder(settings: Settings, worker: str) -> Path:
    """Return where the allocations of a worker have their scripts and logs."""
    return (settings.cluster.folder or settings.root / "launches").expanduser().absolute() / worker


def ask_for_workers(settings: Settings, dry_run: bool = False) -> list[Asked]:
    """Look at the ready jobs and the queue once, and submit what is missing.

    An allocation is asked for every ``jobs_per_allocation`` ready jobs, less those that wait in the queue; never more
    than ``max_in_queue`` of a worker, and of all workers, are there at a time.  Where the limit over all is short, the
    workers take turns, beginning with that of the most urgent job.  Jobs of held campaigns do not count.

    Raises
    ------
    SettingsError
        There is no Slurm here, or it refuses an allocation; with its words.
    StorageError
        The database does not answer.
    """
    cluster = settings.cluster
    queue = _queue_by_worker(settings)
    launchpad = open_launchpad(settings)
    try:
        ready = {name: _ready_jobs(launchpad, worker) for name, worker in cluster.workers.items()}
    finally:
        launchpad.connection.close()
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
        wanted = in_turns({name: wanted[name] for name in most_urgent_first}, cluster.max_in_queue - in_queue)
    return [
        Asked(
            worker=name,
            n_ready=len(ready[name]),
            n_waiting=n_waiting[name],
            n_running=len(queue[name]) - n_waiting[name],
            submitted=[] if dry_run else [submit_allocation(settings, name) for _ in range(wanted[name])],
        )
        for name in cluster.workers
    ]


def in_turns(wanted: Mapping[str, int], room: int) -> dict[str, int]:
    """Return how many of what each wants it gets, one after the other in turns, until there is no room left."""
    granted = dict.fromkeys(wanted, 0)
    while room > 0 and (hungry := [name for name in wanted if granted[name] < wanted[name]]):
        for name in hungry[:room]:
            granted[name] += 1
        room -= len(hungry)
    return granted


def withdraw_allocations(settings: Settings, launchpad: "LaunchPad") -> list[str]:
    """Cancel allocations that wait in the queue for more jobs than are ready; return their job ids.

    The newest go first: those that have waited longest start sooner.

    Raises
    ------
    SettingsError
        There is no Slurm here, or it does not answer.
    """
    idle = []
    for name, mine in _queue_by_worker(settings).items():
        worker = settings.cluster.workers[name]
        n_needed = math.ceil(len(_ready_jobs(launchpad, worker)) / worker.jobs_per_allocation)
        waiting = sorted((job.job_id for job in mine if job.state == "PENDING"), key=int)
        idle.extend(waiting[n_needed:])
    if idle:
        # one that begins at this moment is left alone: it ends by itself
        cancel_allocations(idle, "--state=PENDING")
    return idle


def cancel_allocations(job_ids: Sequence[str], *options: str) -> None:
    """Cancel allocations; those that have ended already are no mistake.

    Raises
    ------
    SettingsError
        There is no Slurm here, or it refuses; with its words.
    """
    try:
        run_slurm(["scancel", *options, *job_ids])
    except SettingsError as error:
        if "Invalid job id" not in str(error):
            raise


def _queue_by_worker(settings: Settings) -> dict[str, list[QueueJob]]:
    prefix = job_name_prefix(settings)
    queue = jobs_in_queue(prefix)
    return {name: [job for job in queue if job.name == prefix + name] for name in settings.cluster.workers}


def _ready_jobs(launchpad: "LaunchPad", worker: WorkerSettings) -> list[int]:
    """Return the priorities of the jobs that a worker may take."""
    ready = {"state": "READY", "spec._category": {"$in": list(worker.kinds)}} | not_held(launchpad)
    found = launchpad.fireworks.find(ready, {"spec._priority": 1, "_id": 0})
    return [each["spec"].get("_priority", 0) for each in found]


def submit_allocation(settings: Settings, name: str) -> str:
    """Submit one allocation of a worker, and return its job id.

    Raises
    ------
    SettingsError
        Slurm refuses it; with its words.
    """
    try:
        return submit_script(allocation_script(settings, name), launch_folder(settings, name))
    except SettingsError as error:
        raise SettingsError(f"cluster.workers.{name}: Slurm refuses the allocation: {error}") from None


def submit_script(text: str, folder: Path, options: Sequence[str] = ()) -> str:
    """Write a batch script into a folder (made if absent), submit it there, and return its job id.

    Raises
    ------
    SettingsError
        Slurm refuses it; with its words.
    StorageError
        The folder cannot be written.
    """
    script = folder / "allocation.sh"
    write_bytes_atomic(script, text.encode())
    printed = run_slurm(["sbatch", "--parsable", f"--chdir={folder}", *options, str(script)])
    return printed.strip().split(";")[0]


def allocation_script(settings: Settings, name: str) -> str:
    """Return the batch script of a worker."""
    return str(queue_adapter(settings, name).get_script_str(str(launch_folder(settings, name))))


def queue_adapter(settings: Settings, name: str, arguments: Sequence[str] = ()) -> "CommonAdapter":
    """Return FireWorks' queue adapter of a worker, which `qlaunch` can use as well."""
    from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter

    worker = settings.cluster.workers[name]
    options = {
        "nodes": worker.nodes,
        "ntasks_per_node": 1,
        "cpus_per_task": worker.cores,
        "walltime": worker.walltime,
        "queue": worker.partition,
        "account": worker.account,
        "qos": worker.qos,
        "gpus_per_node": worker.gpus or None,
        "mem": None if worker.memory_gb is None else f"{math.ceil(1000 * worker.memory_gb)}M",
        "signal": f"B:USR1@{settings.cluster.signal_before_end_s}",
        "job_name": job_name_prefix(settings) + name,
    }
    environment = _environment(settings) | worker.environment
    further = [f"#SBATCH --{option}={value}" for option, value in worker.sbatch.items()]
    before = [f"export {variable}={shlex.quote(value)}" for variable, value in environment.items()]
    work = [sys.executable, "-m", "interphase_flows.cli", "work", name, *arguments]
    return CommonAdapter(
        "SLURM",
        q_name=name,
        # the shell gives way to the worker: Slurm's signal goes to the process of the script
        rocket_launch=f"exec {shlex.join(work)}",
        # the signal must not end a worker that is still loading
        pre_rocket="\n".join([*further, *before, *worker.before, "trap '' USR1"]),
        **{option: value for option, value in options.items() if value is not None},
    )


def _environment(settings: Settings) -> dict[str, str]:
    """Return what a worker needs to find the settings of the one who submits; never a secret."""
    file = settings_file()
    found = {} if file is None else {FILE_VARIABLE: str(file.absolute())}
    return found | {"INTERPHASE_ROOT": str(settings.root), "INTERPHASE_N_THREADS": str(settings.n_threads)}
