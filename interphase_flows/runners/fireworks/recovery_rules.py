"""Rules of recovery: how often a lost or failed job is rerun, by reason."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """How often a job is rerun for a reason, and a hint for the user when that is not enough."""

    max_tries: int
    hint: str


RULES: Mapping[str, Rule] = {
    # Slurm's states, in lower case
    "timeout": Rule(
        10, "its worker was killed before it could write a checkpoint: give it a longer walltime"
    ),
    "node_fail": Rule(10, "nodes keep failing: exclude them by sbatch: {exclude: ...}"),
    "boot_fail": Rule(10, "nodes do not boot: exclude them by sbatch: {exclude: ...}"),
    "preempted": Rule(100, "its allocations are preempted: use another partition"),
    "requeued": Rule(100, "its allocation is requeued repeatedly: see the reason by scontrol show job"),
    "cancelled": Rule(5, "its allocations are cancelled repeatedly: find out by whom"),
    "out_of_memory": Rule(2, "it needs more memory: raise memory_gb of its worker"),
    "deadline": Rule(5, "its partition has a deadline"),
    "failed": Rule(5, "its worker ended with an error: see the worker's log in the launch folder"),
    "completed": Rule(
        5, "its worker ended without an error message: see the worker's log in the launch folder"
    ),
    "gone": Rule(5, "its allocation is unknown to Slurm"),
    "process_gone": Rule(5, "its process was killed: check the system log, in particular for lack of memory"),
    "unresponsive": Rule(5, "its worker sends no heartbeat: check its node"),
    # transient errors of the machines around a job
    "LeaseLostError": Rule(20, "another worker held its lease"),
    "AutoReconnect": Rule(20, "the database is not reachable"),
    "ServerSelectionTimeoutError": Rule(20, "the database is not reachable"),
    "NetworkTimeout": Rule(20, "the database does not respond in time"),
    "ServerUnavailableError": Rule(8, "the database is not reachable"),
    "DiskFullError": Rule(8, "a disk is full"),
    "OSError": Rule(8, "a disk is full or not mounted"),
}
"""Reason -> rule. Any other error is caused by the job itself, and a rerun would end in it again."""
