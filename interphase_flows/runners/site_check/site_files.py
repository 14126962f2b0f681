"""Files of a site, written by ``interphase init --site``: settings, and configuration of FireWorks' own commands.

One description of the site fills all of them, so that they agree. The folder ``launchers`` of the repository contains
them for a fictitious site.
"""

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from interphase_flows.exceptions import InputError, SettingsError
from interphase_flows.runners.cluster_settings import (
    LOCK_EXPIRES_AFTER_S,
    LOST_AFTER_S,
    PING_INTERVAL_S,
    job_name_prefix,
    launchpad_database,
)
from interphase_flows.runners.slurm import Partition, format_walltime, partitions
from interphase_flows.runtime.atomic_files import atomic_path
from interphase_flows.settings import (
    JOB_KINDS,
    ClusterSettings,
    JobKind,
    MongodbSettings,
    Settings,
)

TEMPLATES = resources.files("interphase_flows.runners.site_check") / "site_templates"
SIGNAL_BEFORE_END_S = 300
PRIVATE = ("my_launchpad.yaml", "settings.yaml")
"""Files into which the user may write a password: readable by their owner only."""

_UNQUOTED = re.compile(r"[A-Za-z0-9_./~][A-Za-z0-9_./~@%+=-]*(?: [A-Za-z0-9_./~@%+=-]+)*")


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
    work: str = field(default_factory=lambda: shlex.join([sys.executable, "-P", "-m", "interphase_flows.cli", "work"]))

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


def site_files(site: Site, settings_path: str, available: Sequence[Partition] = ()) -> dict[str, str]:
    """Return the contents of a site's files by name.

    No worker requests more cores or time than its partition, if it is ``available``, has.

    Raises
    ------
    InputError
        A value is invalid.
    """
    settings = _settings_of(site)
    workers = [_within_limits(worker, available) for worker in site.workers()]
    shared = asdict(site) | {
        "workers": workers,
        "launchpad_database": launchpad_database(settings),
        "job_name_prefix": job_name_prefix(settings),
        "signal_before_end_s": SIGNAL_BEFORE_END_S,
        "settings_file": settings_path,
        "ping_s": PING_INTERVAL_S,
        "lost_s": LOST_AFTER_S,
        "lock_s": LOCK_EXPIRES_AFTER_S,
    }
    files = {name: _render(name, shared) for name in ("settings.yaml", "FW_config.yaml", "my_launchpad.yaml")}
    files["my_fworker.yaml"] = _render("my_fworker.yaml", {"fworker": "all-kinds", "kinds": JOB_KINDS})
    for worker in workers:
        one = {"fworker": worker.name, "kinds": worker.kinds}
        files[f"my_fworker_{worker.name}.yaml"] = _render("my_fworker.yaml", one)
        files[f"qadapter_{worker.name}.yaml"] = _render("qadapter.yaml", shared | {"worker": worker})
    _check_settings(files["settings.yaml"])
    return files


def write_site(site: Site, folder: Path, force: bool = False) -> list[Path]:
    """Write the files of a site into a folder; none contains a password.

    Raises
    ------
    InputError
        A file exists, or a value is invalid; no file is written then.
    """
    try:
        available: Sequence[Partition] = partitions()
    except SettingsError:
        available = ()  # written on a machine without Slurm
    folder = folder.expanduser().absolute()
    files = site_files(site, str(folder / "settings.yaml"), available)
    existing = [str(folder / name) for name in files if (folder / name).exists()]
    if existing and not force:
        raise InputError(f"{', '.join(existing)}: exists already; nothing was written. Hint: replace by --force")
    for name, text in files.items():
        with atomic_path(folder / name) as partial:
            partial.touch(mode=0o600 if name in PRIVATE else 0o644)
            partial.write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def next_steps(site: Site, folder: Path) -> list[str]:
    """Return the remaining steps of setting up a site, as shell commands."""
    steps = [f"export INTERPHASE_SETTINGS_FILE={shlex.quote(str(folder.expanduser().absolute() / 'settings.yaml'))}"]
    password_file = Path(site.password_file).expanduser()
    if site.username and not password_file.exists():
        steps.append(
            f"mkdir -p {shlex.quote(str(password_file.parent))}; (umask 077; cat > {shlex.quote(str(password_file))})"
            f"    # the password of {site.username}, then Ctrl-D"
        )
    return [
        *steps,
        "interphase launch --dry-run    # the batch scripts",
        "interphase check --cluster      # runs a job through every worker",
    ]


def _within_limits(worker: SiteWorker, available: Sequence[Partition]) -> SiteWorker:
    """Reduce cores and walltime to what the worker's partition has."""
    partition = next(
        (p for p in available if p.name == worker.partition or (worker.partition is None and p.is_default)),
        None,
    )
    if partition is None:
        return worker
    walltime = worker.walltime
    hours, minutes, seconds = (int(part) for part in walltime.split(":"))
    if partition.time_limit_s is not None and partition.time_limit_s < 3600 * hours + 60 * minutes + seconds:
        walltime = format_walltime(partition.time_limit_s)
    return replace(worker, cores=min(worker.cores, partition.cores_per_node), walltime=walltime)


def _settings_of(site: Site) -> Settings:
    """Return settings with the site's store, regardless of this machine's settings file and environment."""
    fields = ("host", "port", "database", "auth_source")
    try:
        store = MongodbSettings(type="mongodb", **{name: getattr(site, name) for name in fields})
    except ValidationError as error:
        raise _input_error(error, "--", "-") from None
    return Settings.model_construct(store=store, cluster=ClusterSettings())


def _check_settings(settings: str) -> None:
    """Validate the text of a settings file."""
    content = YAML(typ="safe").load(settings)
    try:
        ClusterSettings.model_validate(content["cluster"])
        MongodbSettings.model_validate(content["store"])
    except ValidationError as error:
        raise _input_error(error, "", ".") from None


def _input_error(error: ValidationError, prefix: str, separator: str) -> InputError:
    problems = error.errors()
    return InputError("; ".join(f"{prefix}{separator.join(map(str, p['loc']))}: {p['msg']}" for p in problems))


def _render(template: str, values: dict[str, Any]) -> str:
    environment = Environment(
        loader=FunctionLoader(lambda name: (TEMPLATES / name).read_text(encoding="utf-8")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # YAML, not HTML
    )
    return environment.get_template(template).render(values, yaml=_as_yaml, shell=shlex.quote)


def _as_yaml(value: str) -> str:
    """Return a string as a YAML scalar, without quotes if that reads back as the same string."""
    try:
        needs_no_quotes = _UNQUOTED.fullmatch(value) is not None and YAML(typ="safe").load(value) == value
    except YAMLError:
        needs_no_quotes = False
    return value if needs_no_quotes else json.dumps(value)
