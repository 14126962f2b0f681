"""Settings of a cluster: the workers that Slurm starts, the kinds of job they take, and what they ask of the queue."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

JobKind = Literal["dft", "train", "md", "analysis"]
JOB_KINDS: tuple[JobKind, ...] = get_args(JobKind)

_WALLTIME = re.compile(r"(?:(\d+)-)?(\d{1,2}):(\d{2}):(\d{2})")
_WORKER_NAME = re.compile(r"[a-z][a-z0-9_-]{0,11}")
_OPTION = re.compile(r"[a-z][a-z-]*")
OWN_OPTIONS = (
    "time",
    "nodes",
    "partition",
    "account",
    "qos",
    "job-name",
    "signal",
    "output",
    "error",
    "parsable",
)
"""Options of sbatch that have a setting or a purpose here."""


class WorkerSettings(BaseModel):
    """One kind of allocation: what it takes, and what it asks for.

    Attributes
    ----------
    kinds
        Kinds of job that it takes: ``dft``, ``train``, ``md``, ``analysis``.
    walltime
        Of one allocation, ``HH:MM:SS`` or ``D-HH:MM:SS``. Work that needs longer is put down in time and goes on in the
        next one.
    partition, account, qos
        Slurm's; its defaults if None.
    nodes, cores, gpus, memory_gb
        Of one allocation; cores and memory are those of a node.
    max_in_queue
        Allocations of this worker that wait or run at a time.
    jobs_per_allocation
        Ready jobs for which one allocation is asked; it takes more as long as there are any and time is left.
    wait_for_work_s
        An allocation without work waits so long for new jobs before it ends.
    before
        Lines of shell before the work: ``module load vasp``.
    sbatch
        Further options of sbatch, without dashes: ``{constraint: milan}``.
    environment
        Variables for the work, such as ``{OMP_NUM_THREADS: "1"}``; settings of this package by their ``INTERPHASE_``
        names, so that one worker may have another ``vasp_command`` or ``device``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: Annotated[tuple[JobKind, ...], Field(min_length=1)]
    walltime: str = "04:00:00"
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    nodes: int = Field(default=1, ge=1)
    cores: int = Field(default=1, ge=1)
    gpus: int = Field(default=0, ge=0)
    memory_gb: float | None = Field(default=None, gt=0)
    max_in_queue: int = Field(default=4, ge=1)
    jobs_per_allocation: int = Field(default=1, ge=1)
    wait_for_work_s: float = Field(default=30.0, ge=0)
    before: tuple[str, ...] = ()
    sbatch: dict[str, str] = {}
    environment: dict[str, str] = {}

    @field_validator("walltime")
    @classmethod
    def _is_a_time(cls, walltime: str) -> str:
        found = _WALLTIME.fullmatch(walltime)
        if found is None or not any(int(part or 0) for part in found.groups()):
            raise ValueError('must be a time as "HH:MM:SS" or "D-HH:MM:SS", in quotes')
        return walltime

    @field_validator("sbatch")
    @classmethod
    def _are_options(cls, options: dict[str, str]) -> dict[str, str]:
        for name, value in options.items():
            if not _OPTION.fullmatch(name) or "\n" in value:
                raise ValueError(f"{name!r}: must be an option of sbatch without dashes, its value one line")
            if name in OWN_OPTIONS:
                raise ValueError(f"{name!r}: has a setting of its own, or is set by the launch")
        return options

    @property
    def walltime_s(self) -> int:
        """The walltime in seconds."""
        found = _WALLTIME.fullmatch(self.walltime)
        assert found is not None  # validated
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return ((24 * days + hours) * 60 + minutes) * 60 + seconds


def _a_worker_per_kind() -> Mapping[str, WorkerSettings]:
    return {kind: WorkerSettings(kinds=(kind,)) for kind in JOB_KINDS}


class ClusterSettings(BaseModel):
    """How campaigns run on Slurm.

    Attributes
    ----------
    workers
        Kinds of allocation by name; by default one for each kind of job. Every kind needs a worker.
    launchpad_database
        Database of FireWorks; that of the store with ``_fireworks`` if None.
    folder
        Where allocations have their scripts and logs; ``launches`` below ``root`` if None.
    signal_before_end_s
        So long before the walltime Slurm sends SIGUSR1, upon which work is put down.
    lease_s
        A process that holds work with checkpoints and gives no sign of life for so long may lose it to another one.
    unresponsive_after_s
        Time without a heartbeat, while the database responds, after which a job is rerun although its worker may be
        alive; its lease keeps that worker from writing.
    max_in_queue
        Allocations of all workers together that wait or run at a time; no limit but those of the workers if None.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: Mapping[str, WorkerSettings] = Field(default_factory=_a_worker_per_kind)
    launchpad_database: str | None = None
    folder: Path | None = None
    signal_before_end_s: int = Field(default=120, ge=10)
    lease_s: float = Field(default=60.0, ge=2)
    unresponsive_after_s: float = Field(default=300.0, ge=10)
    max_in_queue: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _every_kind_is_taken(self) -> Self:
        for name in self.workers:
            if not _WORKER_NAME.fullmatch(name):
                raise ValueError(
                    f"workers: {name!r}: use lower-case letters, digits, '-' and '_', at most 12"
                )
        taken = {kind for worker in self.workers.values() for kind in worker.kinds}
        missing = [kind for kind in JOB_KINDS if kind not in taken]
        if missing:
            raise ValueError(f"workers: no worker takes {', '.join(missing)}: its jobs would wait for ever")
        return self
