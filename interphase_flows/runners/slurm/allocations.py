"""Batch scripts of workers: write them from the settings, and submit them to Slurm."""

import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from interphase_flows.exceptions import SettingsError
from interphase_flows.runners.cluster_settings import job_name_prefix, launch_folder
from interphase_flows.runners.slurm.commands import QueueJob, jobs_in_queue, run_slurm
from interphase_flows.runtime.atomic_files import write_bytes_atomic
from interphase_flows.settings import FILE_VARIABLE, Settings, settings_file

if TYPE_CHECKING:
    from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter


def queued_allocations(settings: Settings) -> dict[str, list[QueueJob]]:
    """Return the allocations in the queue by worker."""
    prefix = job_name_prefix(settings)
    queue = jobs_in_queue(prefix)
    return {name: [job for job in queue if job.name == prefix + name] for name in settings.cluster.workers}


def submit_allocation(settings: Settings, name: str) -> str:
    """Submit one allocation of a worker, and return its job id."""
    try:
        return submit_script(allocation_script(settings, name), launch_folder(settings, name))
    except SettingsError as error:
        raise SettingsError(f"cluster.workers.{name}: Slurm rejects the allocation: {error}") from None


def submit_script(text: str, folder: Path, options: Sequence[str] = ()) -> str:
    """Write a batch script into a folder (created if missing), submit it from there, and return its job id.

    Raises
    ------
    SettingsError
        Slurm rejects it; the message contains Slurm's reason.
    """
    script = folder / "allocation.sh"
    write_bytes_atomic(script, text.encode())
    output = run_slurm(["sbatch", "--parsable", f"--chdir={folder}", *options, str(script)])
    return output.strip().split(";")[0]


def allocation_script(settings: Settings, name: str) -> str:
    """Return the batch script of a worker."""
    return str(queue_adapter(settings, name).get_script_str(str(launch_folder(settings, name))))


def queue_adapter(settings: Settings, name: str, arguments: Sequence[str] = ()) -> "CommonAdapter":
    """Return FireWorks' queue adapter of a worker, which also works with `qlaunch`.

    ``arguments`` are appended to the command ``interphase work NAME``.
    """
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
    sbatch_lines = [f"#SBATCH --{option}={value}" for option, value in worker.sbatch.items()]
    exports = [f"export {variable}={shlex.quote(value)}" for variable, value in environment.items()]
    work = [sys.executable, "-m", "interphase_flows.cli", "work", name, *arguments]
    return CommonAdapter(
        "SLURM",
        q_name=name,
        # exec replaces the shell: Slurm sends its signal to the process of the script
        rocket_launch=f"exec {shlex.join(work)}",
        # until the worker has installed its handler, the signal must not end it
        pre_rocket="\n".join([*sbatch_lines, *exports, *worker.before, "trap '' USR1"]),
        **{option: value for option, value in options.items() if value is not None},
    )


def _environment(settings: Settings) -> dict[str, str]:
    """Return the variables by which a worker finds the submitter's settings; never a secret."""
    file = settings_file()
    found = {} if file is None else {FILE_VARIABLE: str(file.absolute())}
    return found | {"INTERPHASE_ROOT": str(settings.root), "INTERPHASE_N_THREADS": str(settings.n_threads)}
