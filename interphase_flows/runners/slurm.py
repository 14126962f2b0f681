"""Slurm: its commands and their output, and the batch scripts of workers."""

import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interphase_flows.exceptions import SettingsError, SlurmNotFoundError
from interphase_flows.runners.cluster_settings import job_name_prefix, launch_folder
from interphase_flows.runtime.atomic_files import write_bytes_atomic
from interphase_flows.runtime.walltime import seconds_left
from interphase_flows.settings import FILE_VARIABLE, Settings, settings_file

if TYPE_CHECKING:
    from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter

TIMEOUT_S = 60.0
WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "SUSPENDED")
QUEUE_FORMAT = "%i|%T|%j|%r|%S|%L|%N"
NOT_CONFIGURED = "Could not establish a configuration source"
"""In the error of a command of Slurm on a machine that belongs to no cluster."""
IGNORED_VARIABLES = re.compile(
    r"SLURM_CLUSTERS|SBATCH_(ARRAY_INX|CLUSTERS|EXPORT|JOB_NAME|SIGNAL|TIMELIMIT|WAIT)|(SCANCEL|SINFO|SQUEUE)_\w+"
)
"""Variables of the user's shell that override lines of a batch script, or select clusters and jobs: allocations would
not be recognised or counted, not be signalled before their end, or not be cancelled."""
_JOB_ID = re.compile(r"[0-9]{1,20}(?:[_+][0-9]{1,20})?")
_SUBMITTED = re.compile(r"([0-9]+)(?:;[\w.-]+)?")
_SUBMITTED_SENTENCE = re.compile(r"Submitted batch job ([0-9]+)\b.*")


@dataclass(frozen=True)
class QueueJob:
    """A line of ``squeue``, in Slurm's spelling."""

    job_id: str
    state: str
    name: str
    reason: str
    starts_at: str
    time_left: str
    nodes: str

    @property
    def is_waiting(self) -> bool:
        """Whether the job has not started."""
        return self.state in WAITING


def jobs_in_queue(prefix: str) -> list[QueueJob]:
    """Return this user's jobs in the queue whose name starts with a prefix."""
    # --me needs Slurm 20.02; the name of the user in the environment may be another one, as after su
    output = run_slurm(["squeue", "--noheader", f"--user={os.getuid()}", f"--format={QUEUE_FORMAT}"])
    n_separators = QUEUE_FORMAT.count("|")
    jobs = [QueueJob(*line.split("|")) for line in output.splitlines() if line.count("|") == n_separators]
    # pending arrays have ids such as 4711_[1-3]; they are not ours
    return [job for job in jobs if job.name.startswith(prefix) and is_job_id(job.job_id)]


def queue_if_available(prefix: str) -> list[QueueJob] | None:
    """Return the jobs of `jobs_in_queue`, None if this machine has no Slurm; other errors of squeue raise."""
    try:
        return jobs_in_queue(prefix)
    except SlurmNotFoundError:
        return None


def is_job_id(text: object) -> bool:
    """Return whether a text is an id of Slurm, such as 4711 or 4711_2."""
    return isinstance(text, str) and _JOB_ID.fullmatch(text) is not None


def local_cluster() -> str | None:
    """Return the name of the cluster whose queue is read, None if Slurm does not state it."""
    try:
        output = run_slurm(["scontrol", "show", "config"])
    except SettingsError:
        return None
    found = re.search(r"^ClusterName\s*=\s*(\S+)", output, re.MULTILINE)
    return found[1] if found else None


@dataclass(frozen=True)
class JobRecord:
    """Slurm's record of a job, which its controller keeps for some minutes after the end of the job."""

    state: str
    reason: str
    exit_code: str
    n_restarts: int
    node: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether the job waits, runs or is being ended."""
        return self.state in (*WAITING, "RUNNING", "COMPLETING", "STOPPED")

    @property
    def end(self) -> str:
        """How the job ended: by a signal, else Slurm's reason and the exit code.

        Slurm gives a batch script that was killed the reason JobLaunchFailure, although it was launched.
        """
        number = self.exit_code.partition(":")[2]
        if number.isdecimal() and int(number):
            return f"killed (signal {number})"
        return f"{self.reason}, exit code {self.exit_code}"


def job_record(job_id: str) -> JobRecord | None:
    """Return Slurm's record of a job, None if Slurm has none."""
    if not is_job_id(job_id):
        raise SettingsError(f"{str(job_id)[:40]!r} is not a job id of Slurm")
    try:
        output = run_slurm(["scontrol", "--oneliner", "show", "job", job_id])
    except SettingsError as error:
        if "Invalid job id" in str(error):
            return None
        raise
    fields = dict(part.split("=", 1) for part in output.split() if "=" in part)
    return JobRecord(
        state=fields.get("JobState", ""),
        reason=fields.get("Reason", ""),
        exit_code=fields.get("ExitCode", ""),
        n_restarts=int(fields["Restarts"]) if fields.get("Restarts", "").isdecimal() else 0,
        node=fields.get("BatchHost", ""),
    )


@dataclass(frozen=True)
class Partition:
    """A partition: the cores of its smallest node, and its time limit if there is one."""

    name: str
    is_default: bool
    cores_per_node: int
    time_limit_s: float | None


def partitions() -> list[Partition]:
    """Return the partitions that are visible to this user."""
    found: dict[str, Partition] = {}
    for line in run_slurm(["sinfo", "--noheader", "--format=%P|%c|%l"]).splitlines():
        if line.count("|") != 2:
            continue
        name, cores, limit = line.split("|")
        # a trailing "+" means that there are larger nodes as well
        partition = Partition(name.rstrip("*"), name.endswith("*"), int(cores.rstrip("+")), seconds_left(limit))
        known = found.get(partition.name, partition)
        found[partition.name] = min(partition, known, key=lambda each: each.cores_per_node)
    return list(found.values())


def cancel_jobs(job_ids: Sequence[str], *options: str) -> None:
    """Cancel jobs with ``scancel``; ignore those that have already ended."""
    if wrong := [job_id for job_id in job_ids if not is_job_id(job_id)]:
        raise SettingsError(f"{str(wrong[0])[:40]!r} is not a job id of Slurm: nothing was cancelled")
    try:
        run_slurm(["scancel", *options, *job_ids])
    except SettingsError as error:
        if "Invalid job id" not in str(error):
            raise


def format_walltime(seconds: float) -> str:
    """Return a duration in Slurm's format, HH:MM:SS."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"


def run_slurm(command: Sequence[str]) -> str:
    """Run a command of Slurm and return its output.

    Raises
    ------
    SlurmNotFoundError
        The command does not exist, or finds no configuration of Slurm.
    SettingsError
        The command fails; the message contains its error output.
    """
    environment = {name: value for name, value in os.environ.items() if not IGNORED_VARIABLES.fullmatch(name)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=TIMEOUT_S, env=environment
        )
    except FileNotFoundError:
        raise SlurmNotFoundError(
            f"{command[0]}: no such command on this machine. Hint: run this on a machine with Slurm (a login node), or "
            "run the campaign on one machine: interphase run"
        ) from None
    except subprocess.TimeoutExpired:
        raise SettingsError(
            f"{command[0]}: Slurm did not respond within {TIMEOUT_S:.0f} s. Hint: try again later"
        ) from None
    except OSError as error:
        raise SettingsError(f"{command[0]}: cannot be run ({error.strerror})") from None
    if done.returncode:
        message = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        if NOT_CONFIGURED in message:
            raise SlurmNotFoundError(f"{command[0]}: Slurm is installed but not configured on this machine: {message}")
        raise SettingsError(f"{' '.join(command)}: {message}")
    return done.stdout


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
        Slurm rejects it, or prints no job id; the message contains Slurm's output.
    """
    script = folder / "allocation.sh"
    write_bytes_atomic(script, text.encode())
    output = run_slurm(["sbatch", "--parsable", f"--chdir={folder}", *options, str(script)])
    return submitted_job_id(output)


def submitted_job_id(output: str) -> str:
    """Return the job id in the output of ``sbatch --parsable``; lines that a site adds around it are ignored.

    Raises SettingsError if there is no job id.
    """
    lines = [line.strip() for line in output.splitlines()]
    for pattern in (_SUBMITTED, _SUBMITTED_SENTENCE):
        found = [match[1] for line in lines if (match := pattern.fullmatch(line))]
        if found:
            return found[-1]
    last = next((line for line in reversed(lines) if line), "")
    raise SettingsError(
        f"sbatch printed no job id; its last line is {last[:80]!r}. Hint: look for the allocation by squeue, and "
        "cancel it"
    )


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
    sbatch_lines = [
        f"#SBATCH --{option}={value}" if value else f"#SBATCH --{option}" for option, value in worker.sbatch.items()
    ]
    exports = [f"export {variable}={shlex.quote(value)}" for variable, value in environment.items()]
    # -P: the launch folder contains files of jobs, which are no modules
    work = [sys.executable, "-P", "-m", "interphase_flows.cli", "work", name, *arguments]
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
