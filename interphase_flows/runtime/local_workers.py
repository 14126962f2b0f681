"""Worker processes of this machine: how many may run, and how many there are."""

from pathlib import Path

import psutil
from joblib import cpu_count

from interphase_flows.settings import Settings

WORKER_MEMORY_GB = 1.5
"""Available memory without which no other worker is started: about what one uses that trains or labels."""

_CGROUP = Path("/sys/fs/cgroup")

_n_workers = 1


def set_local_workers(n_workers: int) -> None:
    """Record how many worker processes share the jobs of this campaign."""
    global _n_workers
    _n_workers = n_workers


def local_workers() -> int:
    """Return how many worker processes share the jobs of this campaign on this machine: one by default."""
    return _n_workers


def usable_cores() -> int:
    """Return the number of cores that this process may use, as limited by affinity and control group."""
    return int(cpu_count())


def default_workers(settings: Settings) -> int:
    """Return the number of worker processes: that of the settings, else as many as there are cores for.

    It is one if potentials run on a GPU, or if the command of GPAW or VASP is set, which may use all cores.
    """
    if settings.n_workers is not None:
        return settings.n_workers
    if settings.device != "cpu" or settings.gpaw_command or settings.vasp_command:
        return 1
    return max(1, usable_cores() // settings.n_threads)


def available_memory_gb() -> float:
    """Return the memory that new processes may use in GB, as limited by the machine and by the control group."""
    available = float(psutil.virtual_memory().available)
    try:
        limit, used = (float((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        statistics = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no control group of version 2, or no limit ("max")
        return available / 1e9
    # cached files, which the kernel drops when memory is needed, count as used
    return min(available, limit - used + float(statistics.get("inactive_file", 0))) / 1e9
