"""Identity of a worker, recorded with every job that it takes, to detect later that it is gone."""

import os
import signal

from interphase_flows.runners.slurm import is_job_id
from interphase_flows.storage.leases import ProcessIdentity, is_alive, this_process
from interphase_flows.storage.ledger_backend import JsonDocument

MAX_NAME_LENGTH = 255


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
    """Return the identity of the worker of a launch; None if another program, such as `rlaunch`, ran it.

    A document that names no process, or no job id of Slurm, is not an identity.
    """
    identity = (launch.get("fworker") or {}).get("env")
    if not isinstance(identity, dict):
        return None
    found: JsonDocument = {name: identity.get(name) for name in WorkerIdentity.__annotations__}
    found["slurm_restarts"] = identity.get("slurm_restarts", 0)
    is_valid = (
        type(found["pid"]) is int
        and found["pid"] > 0
        and type(found["slurm_restarts"]) is int
        and _is_name(found["host"])
        and all(found[name] is None or _is_name(found[name]) for name in ("started", "slurm_cluster"))
        and (found["slurm_job_id"] is None or is_job_id(found["slurm_job_id"]))
    )
    return WorkerIdentity(**found) if is_valid else None  # type: ignore[typeddict-item]


def is_on_another_cluster(worker: WorkerIdentity, local: str | None) -> bool:
    """Return whether the allocation of a worker is on another cluster than ``local``, whose job ids may be the same."""
    return None not in (local, worker["slurm_cluster"]) and worker["slurm_cluster"] != local


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= MAX_NAME_LENGTH


def request_checkpoint(worker: WorkerIdentity) -> bool:
    """Send SIGUSR1 to a worker of this machine, which stops at its next checkpoint; return whether it was sent.

    Never sent to process 1, nor to a process whose recorded start time is unknown or different.
    """
    if worker["pid"] <= 1 or not is_alive(worker):
        return False
    try:
        os.kill(worker["pid"], signal.SIGUSR1)
    except (ProcessLookupError, PermissionError):  # it has just ended, or belongs to another user
        return False
    return True
