"""What Slurm's queue says of our jobs, and how long it lets them run."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from interphase_flows.exceptions import SettingsError
from interphase_flows.runners.fireworks.launchpad import launchpad_database
from interphase_flows.runtime.walltime import seconds_left
from interphase_flows.settings import Settings

ANSWERS_WITHIN_S = 60.0
WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "SUSPENDED")
FORMAT = "%i|%T|%j|%r|%S|%L|%N"


@dataclass(frozen=True)
class QueueJob:
    """A job in Slurm's queue, in Slurm's own words."""

    job_id: str
    state: str
    name: str
    reason: str
    starts_at: str
    time_left: str
    nodes: str

    @property
    def is_waiting(self) -> bool:
        """Whether it has not begun."""
        return self.state in WAITING


def job_name_prefix(settings: Settings) -> str:
    """Return how the names of this database's allocations begin in Slurm's queue."""
    return f"if-{launchpad_database(settings)}-"


def jobs_in_queue(prefix: str) -> list[QueueJob]:
    """Return this user's jobs in the queue whose name begins with something.

    Raises
    ------
    SettingsError
        There is no Slurm here, or it does not answer.
    """
    printed = run_slurm(["squeue", "--noheader", "--me", f"--format={FORMAT}"])
    jobs = [
        QueueJob(*line.split("|")) for line in printed.splitlines() if line.count("|") == FORMAT.count("|")
    ]
    return [job for job in jobs if job.name.startswith(prefix)]


@dataclass(frozen=True)
class JobRecord:
    """What Slurm's controller remembers of a job, for some minutes after its end."""

    state: str
    reason: str
    exit_code: str
    n_restarts: int
    node: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether it waits, runs or is being ended."""
        return self.state in (*WAITING, "RUNNING", "COMPLETING", "STOPPED")


def job_record(job_id: str) -> JobRecord | None:
    """Return what Slurm remembers of a job, None if nothing.

    Raises
    ------
    SettingsError
        Slurm does not answer.
    """
    try:
        printed = run_slurm(["scontrol", "--oneliner", "show", "job", job_id])
    except SettingsError as error:
        if "Invalid job id" in str(error):
            return None
        raise
    fields = dict(part.split("=", 1) for part in printed.split() if "=" in part)
    return JobRecord(
        state=fields.get("JobState", ""),
        reason=fields.get("Reason", ""),
        exit_code=fields.get("ExitCode", ""),
        n_restarts=int(fields.get("Restarts", "0")),
        node=fields.get("BatchHost", ""),
    )


@dataclass(frozen=True)
class Partition:
    """A partition: the cores of its smallest nodes, and its limit of time if there is one."""

    name: str
    is_default: bool
    cores_per_node: int
    time_limit_s: float | None


def partitions() -> list[Partition]:
    """Return the partitions that this user may see.

    Raises
    ------
    SettingsError
        There is no Slurm here, or it does not answer.
    """
    found: dict[str, Partition] = {}
    for line in run_slurm(["sinfo", "--noheader", "--format=%P|%c|%l"]).splitlines():
        if line.count("|") != 2:
            continue
        name, cores, limit = line.split("|")
        # a "+" says that there are larger nodes as well
        one = Partition(name.rstrip("*"), name.endswith("*"), int(cores.rstrip("+")), seconds_left(limit))
        known = found.get(one.name, one)
        found[one.name] = min(one, known, key=lambda each: each.cores_per_node)
    return list(found.values())


def told_walltime(seconds: float) -> str:
    """Return a time as Slurm reads it, HH:MM:SS."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"


def run_slurm(command: Sequence[str]) -> str:
    """Return what a command of Slurm prints.

    Raises
    ------
    SettingsError
        It is not there, or failed; with its words.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=ANSWERS_WITHIN_S, env=os.environ
        )
    except FileNotFoundError:
        raise SettingsError(
            f"{command[0]}: no such command on this machine; run this where Slurm is (a login node), or run the "
            "campaign on one machine: interphase run"
        ) from None
    except subprocess.TimeoutExpired:
        raise SettingsError(
            f"{command[0]}: Slurm did not answer within {ANSWERS_WITHIN_S:.0f} s; try later"
        ) from None
    if done.returncode:
        words = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise SettingsError(f"{' '.join(command)}: {words}")
    return done.stdout
