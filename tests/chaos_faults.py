"""What can happen to a campaign on a cluster, done for real to the parts that run it.

A fault takes the cluster, does its harm, and returns what it did; None if there was nothing to harm just then.
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
class Victim:
    """The parts that a campaign runs on.

    Parameters
    ----------
    slurm, server
        Started.
    disk
        Mount point of the file system that holds the campaign's folders.
    disk_size
        What it may hold in good times, in words of mount.
    chance
        Random numbers.
    """

    slurm: SlurmCluster
    server: MongoServer
    disk: Path
    disk_size: str
    chance: random.Random

    def pause(self, least_s: float, most_s: float) -> float:
        """Wait for a while, and return how long."""
        waited_s = self.chance.uniform(least_s, most_s)
        time.sleep(waited_s)
        return waited_s

    def run(self, *words: str) -> str:
        done = subprocess.run(
            words, env=self.slurm.environment, check=False, capture_output=True, text=True, timeout=60
        )
        return done.stdout + done.stderr

    def running_job(self) -> str | None:
        """One of the allocations that run."""
        jobs = self.run("squeue", "--noheader", "--me", "--states=RUNNING", "--format=%i").split()
        return self.chance.choice(jobs) if jobs else None

    def worker(self) -> tuple[int, str] | None:
        """Process and allocation of one of the workers."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                variables = dict(
                    each.split(b"=", 1)
                    for each in (folder / "environ").read_bytes().split(b"\0")
                    if b"=" in each
                )
                conf = variables.get(b"SLURM_CONF", b"").decode()
                if (
                    WORKER.encode() in words
                    and b"work" in words
                    and conf == self.slurm.environment["SLURM_CONF"]
                ):
                    found.append((int(folder.name), variables[b"SLURM_JOB_ID"].decode()))
        return self.chance.choice(sorted(found)) if found else None


def kill_worker(victim: Victim) -> str | None:
    """As the kernel does when memory is short."""
    worker = victim.worker()
    if worker is None:
        return None
    with suppress(ProcessLookupError):
        os.kill(worker[0], signal.SIGKILL)
    return f"kill -9 of the worker of allocation {worker[1]}"


def lose_node(victim: Victim) -> str | None:
    """Its daemon dies, and with it Slurm's knowledge; the job's processes go on until the daemon is back."""
    node = victim.chance.choice(victim.slurm.nodes)
    pid = victim.slurm.pid_of(f"slurmd.{node}")
    if pid is None:
        return None
    os.kill(pid, signal.SIGKILL)
    waited_s = victim.pause(15, 25)
    victim.slurm.start_node(node)
    victim.run("scontrol", "update", f"NodeName={node}", "State=RESUME")
    return f"kill -9 of slurmd on {node}, which was back after {waited_s:.0f} s"


def cancel(victim: Victim) -> str | None:
    """By somebody who tidied up."""
    job = victim.running_job()
    if job is None:
        return None
    victim.run("scancel", job)
    return f"scancel of allocation {job}"


def requeue(victim: Victim) -> str | None:
    """The same number is another run."""
    job = victim.running_job()
    if job is None:
        return None
    victim.run("scontrol", "requeue", job)
    time.sleep(2)
    # Slurm lets a requeued allocation wait for two minutes
    victim.run("scontrol", "update", f"JobId={job}", "StartTime=now")
    return f"scontrol requeue of allocation {job}"


def reach_walltime(victim: Victim) -> str | None:
    """Slurm ends an allocation that was told another time, within half a minute: there is no time to put work down."""
    job = victim.running_job()
    if job is None:
        return None
    victim.run("scontrol", "update", f"JobId={job}", "EndTime=now+1second")
    return f"walltime of allocation {job} over within a second"


def run_out_of_memory(victim: Victim) -> str | None:
    """Something in the allocation takes more than the allocation was given."""
    job = victim.running_job()
    if job is None:
        return None
    (victim.disk / f"hog-{job}").touch()
    return f"allocation {job} takes more memory than it has"


def stop_and_continue(victim: Victim) -> str | None:
    """A worker is frozen until its job was given to another, and comes back."""
    worker = victim.worker()
    if worker is None:
        return None
    os.kill(worker[0], signal.SIGSTOP)
    seconds = victim.chance.uniform(20, 40)

    def go_on() -> None:
        time.sleep(seconds)
        with suppress(ProcessLookupError):
            os.kill(worker[0], signal.SIGCONT)

    threading.Thread(target=go_on, daemon=True).start()
    return f"SIGSTOP of the worker of allocation {worker[1]}, SIGCONT after {seconds:.0f} s"


def restart_controller(victim: Victim) -> str:
    """Slurm does not answer for a while."""
    victim.slurm.end("slurmctld", signal.SIGKILL)
    waited_s = victim.pause(2, 10)
    victim.slurm.start_controller()
    return f"kill -9 of slurmctld, which was back after {waited_s:.0f} s"


def restart_database(victim: Victim) -> str:
    """Nobody can read or write for a while."""
    victim.server.kill()
    waited_s = victim.pause(2, 20)
    victim.server.start()
    return f"kill -9 of the database, which was back after {waited_s:.0f} s"


def lose_database_for_a_minute(victim: Victim) -> str:
    """Longer than any driver waits by itself."""
    victim.server.kill()
    time.sleep(60)
    victim.server.start()
    return "kill -9 of the database, which was back after 60 s"


def fill_disk(victim: Victim) -> str:
    """Not a byte more can be written to the folders of launches, work and artifacts."""
    status = os.statvfs(victim.disk)
    used = (status.f_blocks - status.f_bfree) * status.f_frsize
    victim.run("mount", "-o", f"remount,size={max(used, SMALLEST_DISK_BYTES)}", str(victim.disk))
    waited_s = victim.pause(3, 8)
    victim.run("mount", "-o", f"remount,size={victim.disk_size}", str(victim.disk))
    return f"disk full for {waited_s:.0f} s"


FAULTS: Mapping[str, Callable[[Victim], str | None]] = {
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
