"""The files of a site, which ``interphase init --site`` writes: settings, and what FireWorks' own commands read.

One description of the site fills all of them, so that they say the same; the folder ``launchers`` of the repository
holds them for a site that does not exist.
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
from interphase_flows.runners.fireworks.launchpad import (
    LOCK_EXPIRES_AFTER_S,
    LOST_AFTER_S,
    PING_INTERVAL_S,
    launchpad_database,
)
from interphase_flows.runners.slurm.commands import Partition, job_name_prefix, partitions, told_walltime
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
"""Files in which a password may be written by hand: for their owner alone."""

_PLAIN = re.compile(r"[A-Za-z0-9_./~][A-Za-z0-9_./~@%+=-]*(?: [A-Za-z0-9_./~@%+=-]+)*")


@dataclass(frozen=True)
class SiteWorker:
    """A worker as the files describe it; see ``WorkerSettings`` for what each field asks of Slurm."""

    name: str
    kinds: tuple[JobKind, ...]
    what: str
    partition: str | None
    walltime: str
    cores: int
    max_in_queue: int
    jobs_per_allocation: int
    gpus: int = 0
    wait_for_work_s: int | None = None


@dataclass(frozen=True)
class Site:
    """What a site says of itself.

    Parameters
    ----------
    host, port, database, username, password_file, auth_source
        Of MongoDB; no user if ``username`` is None.
    root
        Folder that every node sees.
    partition, gpu_partition, shared_partition
        Slurm's, for DFT, for training and dynamics, for short jobs of a core. Slurm's default partition if None; no
        GPU is asked for without ``gpu_partition``; ``shared_partition`` is ``partition`` if None.
    account
        Slurm's.
    work
        Shell words that start ``interphase work``.
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
        """Return a worker for DFT, one for potentials (on GPUs if there is a partition of them), one for the rest."""
        dft = SiteWorker(
            name="cpu",
            kinds=("dft",),
            what="labels and energies of phases",
            partition=self.partition,
            walltime="12:00:00",
            cores=32,
            max_in_queue=20,
            jobs_per_allocation=10,
        )
        learn = SiteWorker(
            name="gpu" if self.gpu_partition else "learn",
            kinds=("train", "md"),
            what="training, and molecular dynamics",
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
            what="everything else: seconds to a minute each, one allocation does them all",
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
"""The site of the folder ``launchers``."""


def site_of(told: Mapping[str, str]) -> Site:
    """Return a site from what was told of it, by the names of its fields; ``host`` may be ``NAME:PORT``.

    Raises
    ------
    InputError
        The port is no number.
    """
    values: dict[str, Any] = dict(told)
    name, colon, port = values.get("host", "").partition(":")
    if colon:
        if not port.isdecimal():
            # what was written may be an address with a password
            raise InputError(
                "--host: write NAME or NAME:PORT; for a whole address set store.uri in the settings"
            )
        values |= {"host": name, "port": int(port)}
    for path in ("root", "password_file"):
        if path in values and not values[path].startswith("~"):
            values[path] = str(Path(values[path]).absolute())
    return Site(**values)


def site_files(site: Site, settings_path: str, there: Sequence[Partition] = ()) -> dict[str, str]:
    """Return the files of a site by name.

    Parameters
    ----------
    site
        What it says of itself.
    settings_path
        Where its settings will be.
    there
        Slurm's partitions; no worker asks for more cores or time than its partition has.

    Raises
    ------
    InputError
        A value cannot be.
    """
    settings = _settings_of(site)
    workers = [_within(worker, there) for worker in site.workers()]
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
    files = {name: _filled(name, shared) for name in ("settings.yaml", "FW_config.yaml", "my_launchpad.yaml")}
    files["my_fworker.yaml"] = _filled("my_fworker.yaml", {"fworker": "all-kinds", "kinds": JOB_KINDS})
    for worker in workers:
        one = {"fworker": worker.name, "kinds": worker.kinds}
        files[f"my_fworker_{worker.name}.yaml"] = _filled("my_fworker.yaml", one)
        files[f"qadapter_{worker.name}.yaml"] = _filled("qadapter.yaml", shared | {"worker": worker})
    _must_be_read(files["settings.yaml"])
    return files


def write_site(site: Site, folder: Path, force: bool = False) -> list[Path]:
    """Write the files of a site into a folder; none holds a password.

    Raises
    ------
    InputError
        A file is there already, or a value cannot be; none is written then.
    """
    try:
        there: Sequence[Partition] = partitions()
    except SettingsError:
        there = ()  # written on a machine without Slurm
    folder = folder.expanduser().absolute()
    files = site_files(site, str(folder / "settings.yaml"), there)
    taken = [str(folder / name) for name in files if (folder / name).exists()]
    if taken and not force:
        raise InputError(f"{', '.join(taken)}: already there; nothing was written. Replace by --force")
    for name, text in files.items():
        with atomic_path(folder / name) as partial:
            partial.touch(mode=0o600 if name in PRIVATE else 0o644)
            partial.write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def next_steps(site: Site, folder: Path) -> list[str]:
    """Return what is left to do by hand, a line of shell each where it is one."""
    steps = [
        f"export INTERPHASE_SETTINGS_FILE={shlex.quote(str(folder.expanduser().absolute() / 'settings.yaml'))}"
    ]
    password_file = Path(site.password_file).expanduser()
    if site.username and not password_file.exists():
        steps.append(
            f"mkdir -p {shlex.quote(str(password_file.parent))}; (umask 077; cat > {shlex.quote(str(password_file))})"
            f"    # the password of {site.username}, then Ctrl-D"
        )
    return [
        *steps,
        "interphase launch --dry-run    # the batch scripts",
        "interphase check --cluster      # proves it",
    ]


def _within(worker: SiteWorker, there: Sequence[Partition]) -> SiteWorker:
    """Ask for no more than the partition has."""
    mine = next(
        (p for p in there if p.name == worker.partition or (worker.partition is None and p.is_default)), None
    )
    if mine is None:
        return worker
    walltime = worker.walltime
    hours, minutes, seconds = (int(part) for part in walltime.split(":"))
    if mine.time_limit_s is not None and mine.time_limit_s < 3600 * hours + 60 * minutes + seconds:
        walltime = told_walltime(mine.time_limit_s)
    return replace(worker, cores=min(worker.cores, mine.cores_per_node), walltime=walltime)


def _settings_of(site: Site) -> Settings:
    """Return settings with the site's store, without what this machine's file or environment may say."""
    try:
        store = MongodbSettings(
            type="mongodb",
            host=site.host,
            port=site.port,
            database=site.database,
            auth_source=site.auth_source,
        )
    except ValidationError as error:
        raise InputError(
            "; ".join(f"--{'-'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        ) from None
    return Settings.model_construct(store=store, cluster=ClusterSettings())


def _must_be_read(settings: str) -> None:
    content = YAML(typ="safe").load(settings)
    try:
        ClusterSettings.model_validate(content["cluster"])
        MongodbSettings.model_validate(content["store"])
    except ValidationError as error:
        raise InputError(
            "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        ) from None


def _filled(template: str, values: dict[str, Any]) -> str:
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
    """Return a string as YAML writes it: plain if it is read back as what it is."""
    try:
        is_plain = _PLAIN.fullmatch(value) is not None and YAML(typ="safe").load(value) == value
    except YAMLError:
        is_plain = False
    return value if is_plain else json.dumps(value)
