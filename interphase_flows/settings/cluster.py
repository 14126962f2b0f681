"""Settings of a cluster: the workers that Slurm starts, their kinds of job, and their resources."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from interphase_flows.settings.store import check_database_name

JobKind = Literal["dft", "train", "md", "analysis"]
JOB_KINDS: tuple[JobKind, ...] = get_args(JobKind)

_WALLTIME = re.compile(r"(?:(\d+)-)?(\d{1,2}):(\d{2}):(\d{2})")
_WORKER_NAME = re.compile(r"[a-z][a-z0-9_-]{0,11}")
_OPTION = re.compile(r"[a-z][a-z-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
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
"""Options of sbatch that have a setting, or that the launch sets."""
REJECTED_OPTIONS: Mapping[str, str] = {
    "array": "every task would be a worker that the limits of the queue do not count",
    "chdir": "the launch sets the folder",
    "clusters": "allocations on another cluster are in no queue that the launch reads; run interphase there",
    "dependency": "an allocation that waits for another one blocks its worker",
    "export": "a worker needs the variables of the submission; set further ones by environment",
    "export-file": "a worker needs the variables of the submission; set further ones by environment",
    "hold": "an allocation that is held never starts; use interphase submit --hold",
    "test-only": "nothing would be submitted",
    "wait": "the launch would wait for the end of the allocation",
    "wrap": "it replaces the script of the worker",
}
"""Options of sbatch that break the counting of allocations or the worker, and why."""


class WorkerSettings(BaseModel):
    """One kind of allocation: its kinds of job and its resources.

    Attributes
    ----------
    kinds
        Kinds of job that it runs: ``dft``, ``train``, ``md``, ``analysis``.
    walltime
        Of one allocation, ``HH:MM:SS`` or ``D-HH:MM:SS``. Longer work stops at a checkpoint and continues in the next
        allocation.
    partition, account, qos
        Options of Slurm; its defaults if None.
    nodes, cores, gpus, memory_gb
        Resources of one allocation; cores and memory are per node.
    max_in_queue
        Maximum number of pending and running allocations of this worker.
    jobs_per_allocation
        Number of ready jobs for which one allocation is submitted; it runs more while there are any and time is left.
    wait_for_work_s
        An allocation without work ends after waiting this long for new jobs.
    before
        Shell commands to run first: ``module load vasp``.
    sbatch
        Further options of sbatch, without dashes: ``{constraint: milan}``; flags without a value as ``{exclusive:
        true}``.
    environment
        Environment variables, such as ``{OMP_NUM_THREADS: "1"}``; with the ``INTERPHASE_`` names of settings, a worker
        can have a different ``vasp_command`` or ``device``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kinds: Annotated[tuple[JobKind, ...], Field(min_length=1)]
    walltime: str = "04:00:00"
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    nodes: int = Field(default=1, ge=1, le=100_000)
    cores: int = Field(default=1, ge=1, le=100_000)
    gpus: int = Field(default=0, ge=0, le=1000)
    memory_gb: float | None = Field(default=None, ge=0.001, le=1e6)
    max_in_queue: int = Field(default=4, ge=1, le=10_000)
    jobs_per_allocation: int = Field(default=1, ge=1, le=1_000_000)
    wait_for_work_s: float = Field(default=30.0, ge=0, le=1e7)
    before: tuple[str, ...] = ()
    sbatch: dict[str, str] = {}
    environment: dict[str, str] = {}

    @field_validator("walltime")
    @classmethod
    def _check_walltime(cls, walltime: str) -> str:
        found = _WALLTIME.fullmatch(walltime)
        if found is None or not any(int(part or 0) for part in found.groups()):
            raise ValueError('must be a time as "HH:MM:SS" or "D-HH:MM:SS", in quotes')
        return walltime

    @field_validator("sbatch", mode="before")
    @classmethod
    def _write_options_as_text(cls, options: Any) -> Any:
        """Write numbers as text, and flags (true, or no value) as an empty text."""
        if not isinstance(options, Mapping):
            return options
        found: dict[Any, Any] = {}
        for name, value in options.items():
            if value is False:
                raise ValueError(f"{str(name)[:40]!r}: false; leave out a flag that is not set")
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            found[name] = "" if value is True or value is None else str(value) if is_number else value
        return found

    @field_validator("sbatch")
    @classmethod
    def _check_sbatch_options(cls, options: dict[str, str]) -> dict[str, str]:
        for name, value in options.items():
            if not _OPTION.fullmatch(name) or not _is_one_line(value):
                raise ValueError(f"{name[:40]!r}: must be an option of sbatch without dashes, its value one line")
            if any(own.startswith(name) for own in OWN_OPTIONS):  # sbatch accepts unique beginnings of options
                raise ValueError(f"{name!r}: has a separate setting, or is set by the launch")
            if rejected := next((option for option in REJECTED_OPTIONS if option.startswith(name)), None):
                raise ValueError(f"{name!r}: not supported: {REJECTED_OPTIONS[rejected]}")
        return options

    @field_validator("partition", "account", "qos")
    @classmethod
    def _check_one_line(cls, value: str | None) -> str | None:
        if value is not None and not _is_one_line(value):
            raise ValueError("must be one line without control characters")
        return value

    @field_validator("before")
    @classmethod
    def _check_before(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        for line in lines:
            if not _is_one_line(line):
                raise ValueError(f"{line[:40]!r}: each command must be one line. Hint: write a list of commands")
            if line.lstrip().startswith("#SBATCH"):
                raise ValueError(f"{line[:40]!r}: not a command. Hint: write options into sbatch")
        return lines

    @field_validator("environment")
    @classmethod
    def _check_environment(cls, variables: dict[str, str]) -> dict[str, str]:
        for name, value in variables.items():
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"{name[:40]!r}: must be the name of an environment variable")
            if "\0" in value:
                raise ValueError(f"{name}: must not contain a NUL character")
        return variables

    @property
    def walltime_s(self) -> int:
        """The walltime in seconds."""
        found = _WALLTIME.fullmatch(self.walltime)
        assert found is not None  # validated
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return ((24 * days + hours) * 60 + minutes) * 60 + seconds


def _is_one_line(text: str) -> bool:
    """Return whether a text has no newline or other control character."""
    return not any(ord(character) < 32 and character != "\t" for character in text) and "\x7f" not in text


def _one_worker_per_kind() -> Mapping[str, WorkerSettings]:
    return {kind: WorkerSettings(kinds=(kind,)) for kind in JOB_KINDS}


class ClusterSettings(BaseModel):
    """Settings of campaigns on Slurm.

    Attributes
    ----------
    workers
        Kinds of allocation by name; by default one per kind of job. Every kind of job needs a worker.
    launchpad_database
        Database of FireWorks; the database of the store with the suffix ``_fireworks`` if None.
    folder
        Folder for scripts and logs of allocations; ``launches`` below ``root`` if None.
    signal_before_end_s
        Slurm sends SIGUSR1 this long before the walltime, and work stops at a checkpoint.
    lease_s
        A process that does not renew the lease of its work folder for this time may lose it to another process.
    unresponsive_after_s
        A job without a heartbeat for this time, while the database is reachable, is rerun even if its worker may be
        alive; fencing keeps that worker from writing.
    max_in_queue
        Maximum number of pending and running allocations of all workers together; unlimited if None.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    workers: Mapping[str, WorkerSettings] = Field(default_factory=_one_worker_per_kind)
    launchpad_database: Annotated[str, AfterValidator(check_database_name)] | None = None
    folder: Path | None = None
    signal_before_end_s: int = Field(default=120, ge=10, le=86_400)
    lease_s: float = Field(default=60.0, ge=2, le=86_400)
    unresponsive_after_s: float = Field(default=300.0, ge=10, le=1e7)
    max_in_queue: int | None = Field(default=None, ge=1, le=100_000)

    @model_validator(mode="after")
    def _check_every_kind_has_a_worker(self) -> Self:
        for name in self.workers:
            if not _WORKER_NAME.fullmatch(name):
                raise ValueError(f"workers: {name!r}: use lower-case letters, digits, '-' and '_', at most 12")
        covered = {kind for worker in self.workers.values() for kind in worker.kinds}
        missing = [kind for kind in JOB_KINDS if kind not in covered]
        if missing:
            raise ValueError(f"workers: no worker runs {', '.join(missing)}: its jobs would wait forever")
        return self
