"""Faults that are injected into a campaign on a cluster.

A fault is a function of the target. It returns a description, or None if it could not be injected at this time.
"""

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mongo_server import MongoServer
from slurm_cluster import SlurmCluster

WORKER = "interphase_flows.cli"
SMALLEST_DISK_BYTES = 1_000_000


@dataclass(frozen=True)
class Target:
    """The servers and the disk of a campaign.

    Parameters
    ----------
    slurm, server
        Running servers.
    disk
        Mount point of the file system with the campaign's folders.
    disk_size
        Normal size of that file system, in the notation of mount.
    chance
        Random number generator.
    """

    slurm: SlurmCluster
    server: MongoServer
    disk: Path
    disk_size: str
    chance: random.Random

    def pause(self, least_s: float, most_s: float) -> float:
        """Wait for a random time, and return it."""
        waited_s = self.chance.uniform(least_s, most_s)
        time.sleep(waited_s)
        return waited_s

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.slurm.environment, check=False, capture_output=True, text=True, timeout=60
        )
        return done.stdout + done.stderr

    def running_job(self) -> str | None:
        """Return a random running allocation."""
        jobs = self.run("squeue", "--noheader", "--me", "--states=RUNNING", "--format=%i").split()
        return self.chance.choice(jobs) if jobs else None

    def worker(self) -> tuple[int, str] | None:
        """Return process and allocation of a random worker."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            with suppress(OSError):
                arguments = (folder / "cmdline").read_bytes().split(b"\0")
                variables = dict(
                    each.split(b"=", 1) for each in (folder / "environ").read_bytes().split(b"\0") if b"=" in each
                )
                conf = variables.get(b"SLURM_CONF", b"").decode()
                if (
                    WORKER.encode() in arguments
                    and b"work" in arguments
                    and conf == self.slurm.environment["SLURM_CONF"]
                ):
                    found.append((int(folder.name), variables[b"SLURM_JOB_ID"].decode()))
        return self.chance.choice(sorted(found)) if found else None


def kill_worker(target: Target) -> str | None:
    """Kill a worker, as the kernel does when memory runs out."""
    worker = target.worker()
    if worker is None:
        return None
    with suppress(ProcessLookupError):
        os.kill(worker[0], signal.SIGKILL)
    return f"kill -9 of the worker of allocation {worker[1]}"


def lose_node(target: Target) -> str | None:
    """Kill the daemon of a node; processes of its jobs continue, unknown to Slurm, until it restarts."""
    node = target.chance.choice(target.slurm.nodes)
    pid = target.slurm.pid_of(f"slurmd.{node}")
    if pid is None:
        return None
    os.kill(pid, signal.SIGKILL)
    waited_s = target.pause(15, 25)
    target.slurm.start_node(node)
    target.run("scontrol", "update", f"NodeName={node}", "State=RESUME")
    return f"kill -9 of slurmd on {node}, which was back after {waited_s:.0f} s"


def cancel(target: Target) -> str | None:
    """Cancel an allocation."""
    job = target.running_job()
    if job is None:
        return None
    target.run("scancel", job)
    return f"scancel of allocation {job}"


def requeue(target: Target) -> str | None:
    """Requeue an allocation: it restarts with the same job id."""
    job = target.running_job()
    if job is None:
        return None
    target.run("scontrol", "requeue", job)
    time.sleep(2)
    # otherwise Slurm delays a requeued allocation for two minutes
    target.run("scontrol", "update", f"JobId={job}", "StartTime=now")
    return f"scontrol requeue of allocation {job}"


def reach_walltime(target: Target) -> str | None:
    """Shorten the walltime of an allocation: Slurm ends it within half a minute, before any checkpoint."""
    job = target.running_job()
    if job is None:
        return None
    target.run("scontrol", "update", f"JobId={job}", "EndTime=now+1second")
    return f"walltime of allocation {job} over within a second"


def run_out_of_memory(target: Target) -> str | None:
    """Make a process in the allocation exceed its memory."""
    job = target.running_job()
    if job is None:
        return None
    (target.disk / f"hog-{job}").touch()
    return f"allocation {job} takes more memory than it has"


def stop_and_continue(target: Target) -> str | None:
    """Stop a worker until its job was reassigned, then continue it."""
    worker = target.worker()
    if worker is None:
        return None
    os.kill(worker[0], signal.SIGSTOP)
    seconds = target.chance.uniform(20, 40)

    def continue_later() -> None:
        time.sleep(seconds)
        with suppress(ProcessLookupError):
            os.kill(worker[0], signal.SIGCONT)

    threading.Thread(target=continue_later, daemon=True).start()
    return f"SIGSTOP of the worker of allocation {worker[1]}, SIGCONT after {seconds:.0f} s"


def restart_controller(target: Target) -> str:
    """Kill Slurm's controller, and restart it after seconds."""
    target.slurm.end("slurmctld", signal.SIGKILL)
    waited_s = target.pause(2, 10)
    target.slurm.start_controller()
    return f"kill -9 of slurmctld, which was back after {waited_s:.0f} s"


def restart_database(target: Target) -> str:
    """Kill the database, and restart it after seconds."""
    target.server.kill()
    waited_s = target.pause(2, 20)
    target.server.start()
    return f"kill -9 of the database, which was back after {waited_s:.0f} s"


def lose_database_for_a_minute(target: Target) -> str:
    """Kill the database, and restart it after a minute, longer than any driver retries."""
    target.server.kill()
    time.sleep(60)
    target.server.start()
    return "kill -9 of the database, which was back after 60 s"


def fill_disk(target: Target) -> str:
    """Fill the disk of launches, work and artifacts for seconds."""
    status = os.statvfs(target.disk)
    used = (status.f_blocks - status.f_bfree) * status.f_frsize
    target.run("mount", "-o", f"remount,size={max(used, SMALLEST_DISK_BYTES)}", str(target.disk))
    waited_s = target.pause(3, 8)
    target.run("mount", "-o", f"remount,size={target.disk_size}", str(target.disk))
    return f"disk full for {waited_s:.0f} s"


FAULTS: Mapping[str, Callable[[Target], str | None]] = {
    "worker killed": kill_worker,
    "node lost": lose_node,
    "allocation cancelled": cancel,
    "allocation requeued": requeue,
    "walltime": reach_walltime,
    "out of memory": run_out_of_memory,
    "worker stopped": stop_and_continue,
    "controller restarted": restart_controller,
    "database restarted": restart_database,
    "database gone for a minute": lose_database_for_a_minute,
    "disk full": fill_disk,
}
