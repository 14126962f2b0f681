"""Slurm's commands and their output: the queue, records of jobs, and partitions."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from interphase_flows.exceptions import SettingsError
from interphase_flows.runtime.walltime import seconds_left

TIMEOUT_S = 60.0
WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "SUSPENDED")
QUEUE_FORMAT = "%i|%T|%j|%r|%S|%L|%N"


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
    output = run_slurm(["squeue", "--noheader", "--me", f"--format={QUEUE_FORMAT}"])
    n_separators = QUEUE_FORMAT.count("|")
    jobs = [QueueJob(*line.split("|")) for line in output.splitlines() if line.count("|") == n_separators]
    return [job for job in jobs if job.name.startswith(prefix)]


def queue_if_available(prefix: str) -> list[QueueJob] | None:
    """Return the jobs of `jobs_in_queue`, None if Slurm is not available."""
    try:
        return jobs_in_queue(prefix)
    except SettingsError:
        return None


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


def job_record(job_id: str) -> JobRecord | None:
    """Return Slurm's record of a job, None if Slurm has none."""
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
        n_restarts=int(fields.get("Restarts", "0")),
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
        partition = Partition(
            name.rstrip("*"), name.endswith("*"), int(cores.rstrip("+")), seconds_left(limit)
        )
        known = found.get(partition.name, partition)
        found[partition.name] = min(partition, known, key=lambda each: each.cores_per_node)
    return list(found.values())


def cancel_jobs(job_ids: Sequence[str], *options: str) -> None:
    """Cancel jobs with ``scancel``; ignore those that have already ended."""
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
    SettingsError
        The command does not exist or fails; the message contains its error output.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S, env=os.environ
        )
    except FileNotFoundError:
        raise SettingsError(
            f"{command[0]}: no such command on this machine. Hint: run this on a machine with Slurm (a login node), or "
            "run the campaign on one machine: interphase run"
        ) from None
    except subprocess.TimeoutExpired:
        raise SettingsError(
            f"{command[0]}: Slurm did not respond within {TIMEOUT_S:.0f} s. Hint: try again later"
        ) from None
    if done.returncode:
        message = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise SettingsError(f"{' '.join(command)}: {message}")
    return done.stdout
