"""Description of a site: its MongoDB server, its Slurm partitions and its workers."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interphase_flows.exceptions import InputError
from interphase_flows.settings import JobKind


@dataclass(frozen=True)
class SiteWorker:
    """A worker in the files of a site; see ``WorkerSettings`` for the fields."""

    name: str
    kinds: tuple[JobKind, ...]
    comment: str
    partition: str | None
    walltime: str
    cores: int
    max_in_queue: int
    jobs_per_allocation: int
    gpus: int = 0
    wait_for_work_s: int | None = None


@dataclass(frozen=True)
class Site:
    """Description of a site: its MongoDB server, the folder that all nodes share, and its Slurm partitions.

    ``partition`` is for DFT (Slurm's default if None), ``gpu_partition`` for training and dynamics (on CPUs if None),
    ``shared_partition`` for short serial jobs (``partition`` if None). ``work`` is the shell command that starts
    ``interphase work``.
    """

    host: str = "localhost"
    port: int = 27017
    database: str = "interphase"
    username: str | None = None
    password_file: str = "~/.config/interphase/mongodb-password"
    auth_source: str | None = None
    root: str = "~/interphase"
    partition: str | None = None
    gpu_partition: str | None = None
    shared_partition: str | None = None
    account: str | None = None
    work: str = field(
        default_factory=lambda: shlex.join([sys.executable, "-m", "interphase_flows.cli", "work"])
    )

    def workers(self) -> list[SiteWorker]:
        """Return a worker for DFT, one for potentials (on GPUs if there is a GPU partition), and one for the rest."""
        dft = SiteWorker(
            name="cpu",
            kinds=("dft",),
            comment="labels and energies of phases",
            partition=self.partition,
            walltime="12:00:00",
            cores=32,
            max_in_queue=20,
            jobs_per_allocation=10,
        )
        learn = SiteWorker(
            name="gpu" if self.gpu_partition else "learn",
            kinds=("train", "md"),
            comment="training, and molecular dynamics",
            partition=self.gpu_partition or self.partition,
            walltime="24:00:00",
            cores=8 if self.gpu_partition else 4,
            gpus=1 if self.gpu_partition else 0,
            max_in_queue=4,
            jobs_per_allocation=1,
        )
        rest = SiteWorker(
            name="shared",
            kinds=("analysis",),
            comment="everything else: seconds to a minute each, one allocation runs them all",
            partition=self.shared_partition or self.partition,
            walltime="04:00:00",
            cores=1,
            max_in_queue=1,
            jobs_per_allocation=1000,
            wait_for_work_s=600,
        )
        return [dft, learn, rest]


EXAMPLE = Site(
    host="mongodb.example.org",
    username="alice",
    root="/shared/interphase",
    partition="cpu",
    gpu_partition="gpu",
    shared_partition="shared",
    account="my-project",
    work="interphase work",
)
"""The fictitious site of the folder ``launchers``."""


def site_from_options(options: Mapping[str, str]) -> Site:
    """Return a site from values of its fields; ``host`` may be ``NAME:PORT``."""
    values: dict[str, Any] = dict(options)
    name, colon, port = values.get("host", "").partition(":")
    if colon:
        if not port.isdecimal():
            # not repeated in the message: the value may be an address with a password
            raise InputError(
                "--host: expected NAME or NAME:PORT. Hint: set a complete address as store.uri in the settings"
            )
        values |= {"host": name, "port": int(port)}
    for path in ("root", "password_file"):
        if path in values and not values[path].startswith("~"):
            values[path] = str(Path(values[path]).absolute())
    return Site(**values)
