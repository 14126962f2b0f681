"""Identity of a worker, recorded with every job that it takes, to detect later that it is gone."""

import os
import socket

from interphase_flows.storage.leases import ProcessIdentity, process_start, this_process
from interphase_flows.storage.ledger_backend import JsonDocument


class WorkerIdentity(ProcessIdentity):
    """Identity of the process of a worker, its cluster, and the number of restarts of its allocation."""

    slurm_restarts: int
    slurm_cluster: str | None


def worker_identity() -> WorkerIdentity:
    """Return the identity of this process as a worker."""
    return {
        **this_process(),
        "slurm_restarts": int(os.environ.get("SLURM_RESTART_COUNT", "0")),
        "slurm_cluster": os.environ.get("SLURM_CLUSTER_NAME"),
    }


def worker_of(launch: JsonDocument) -> WorkerIdentity | None:
    """Return the identity of the worker of a launch; None if another program, such as `rlaunch`, ran it."""
    identity: WorkerIdentity | None = (launch.get("fworker") or {}).get("env")
    return identity if identity and "pid" in identity else None


def runs_on_this_machine(worker: WorkerIdentity) -> bool:
    """Return whether a worker outside Slurm is a process that still exists on this machine."""
    return worker.get("host") == socket.gethostname() and process_start(worker["pid"]) == worker["started"]
