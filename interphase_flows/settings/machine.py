"""Settings of this machine, read from the environment and a YAML file."""

import difflib
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as SourceError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from interphase_flows.exceptions import SettingsError
from interphase_flows.settings.cluster import ClusterSettings, WorkerSettings
from interphase_flows.settings.store import PASSWORD_VARIABLE, EmbeddedSettings, MongodbSettings, others_may_read
from interphase_flows.settings.yaml_limits import YamlLimitError, compose, read_text, shown_key

FILE_VARIABLE = "INTERPHASE_SETTINGS_FILE"
FILE_IN_FOLDER = Path("interphase.yaml")
PREFIX = "INTERPHASE_"
LONGEST_PATH = 3000
SIMILAR = 0.75
"""Similarity above which an unknown variable is a typing error of a known one."""


class Settings(BaseSettings):
    """Settings of this machine; see :func:`load_settings`.

    Attributes
    ----------
    root
        Folder of all campaigns.
    store
        ``{type: embedded}`` or ``{type: mongodb, ...}``.
    artifacts_url
        Where files go, a folder or an fsspec URL; below ``root`` if None.
    n_threads
        Threads of one job. More than one does not accelerate a small potential (two are slower for that of the
        quickstart). A run is reproducible to the last bit only with the same number.
    n_workers
        Number of worker processes of `interphase run`; results do not depend on it. If None, one for every `n_threads`
        cores that this process may use, but only one if the device is a GPU or if gpaw_command or vasp_command is set.
    device
        Device on which potentials are evaluated.
    compile_potentials
        ``auto`` compiles the potentials of a campaign once if this machine has a C++ compiler; ``never`` evaluates them
        eagerly, three times slower.
    campaign
        Campaign of a job that is run alone, by FireWorks.
    gpaw_command
        Command that starts GPAW: `mpirun -np 4 gpaw python` runs four processes; this Python, serially, if None.
    vasp_command
        Command that starts VASP, `mpirun vasp_std`; the environment variable ``VASP_CMD`` if None.
    vasp_parallel
        KPAR and NCORE for this machine; they do not change results.
    memory_limit_gb
        Address space of one process of GPAW or VASP; a calculation that needs more is a rejected label. GPAW's libraries
        reserve 0.6 GB of it (work spaces of OpenBLAS), and use little. Unlimited if None.
    walltime_s
        Seconds from the start of a command after which work stops: no label, training or segment of dynamics is begun;
        labels keep their density, training its last epoch, dynamics a checkpoint; `interphase resume` continues. If
        None, one minute before the end of the Slurm job (``SLURM_JOB_END_TIME``), and unlimited outside Slurm.
    cluster
        Workers on Slurm: the kinds of job of each, and its resources.
    """

    model_config = SettingsConfigDict(
        env_prefix="INTERPHASE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    root: Path = Path("runs")
    store: Annotated[EmbeddedSettings | MongodbSettings, Field(discriminator="type")] = EmbeddedSettings()
    artifacts_url: str | None = None
    n_threads: int = Field(default=1, ge=1, le=4096)
    n_workers: int | None = Field(default=None, ge=1, le=4096)
    device: Literal["cpu", "cuda"] = "cpu"
    compile_potentials: Literal["auto", "never"] = "auto"
    campaign: str | None = None
    gpaw_command: str | None = None
    vasp_command: str | None = None
    vasp_parallel: dict[Literal["KPAR", "NCORE"], Annotated[int, Field(ge=1)]] = {}
    memory_limit_gb: float | None = Field(default=None, ge=0.001, le=1e6)
    walltime_s: float | None = Field(default=None, ge=0.001, le=1e9)
    cluster: ClusterSettings = ClusterSettings()

    @field_validator("root")
    @classmethod
    def _resolve(cls, root: Path) -> Path:
        if "\0" in str(root) or len(str(root)) > LONGEST_PATH:
            raise ValueError(f"must be a path of at most {LONGEST_PATH} characters, without NUL")
        try:
            # jobs run in other folders
            return root.expanduser().absolute()
        except RuntimeError as error:  # no such user
            raise ValueError(str(error)) from None

    @field_validator("artifacts_url")
    @classmethod
    def _check_no_password(cls, url: str | None) -> str | None:
        # messages and logs show it
        if url is not None and "://" in url and "@" in url.split("://", 1)[1].split("/", 1)[0]:
            raise ValueError(
                "must not contain a user or password. Hint: use the mechanism of the file system, such as AWS_PROFILE"
            )
        return url

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, then the environment, then the file."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, _file_content())


def settings_file() -> Path | None:
    """Return the settings file, or None.

    Raises
    ------
    SettingsError
        ``INTERPHASE_SETTINGS_FILE`` names a file that does not exist, or the file in the current folder belongs to
        another user.
    """
    if named := os.environ.get(FILE_VARIABLE):
        path = Path(named).expanduser()
        if not path.is_file():
            raise SettingsError(f"{FILE_VARIABLE}={named}: no such file. Hint: create it, or unset the variable")
        return path
    if FILE_IN_FOLDER.is_file():
        _check_owner(FILE_IN_FOLDER)
        return FILE_IN_FOLDER
    path = Path("~/.config/interphase/settings.yaml").expanduser()
    return path if path.is_file() else None


def _check_owner(path: Path) -> None:
    """Reject a settings file that another user has written: settings contain commands that are run."""
    found = path.stat()
    if found.st_uid != os.geteuid():
        problem = f"belongs to {'root' if found.st_uid == 0 else f'user {found.st_uid}'}, not to you"
    elif found.st_mode & stat.S_IWOTH:
        problem = "may be written by every user"
    else:
        return
    raise SettingsError(
        f"{path.absolute()}: {problem}; settings contain commands that are run, so the file is not used. Hint: if you "
        f"trust it, set {FILE_VARIABLE}={path.absolute()}; otherwise work in another folder"
    )


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; overrides take precedence over the environment and the file.

    Raises
    ------
    SettingsError
        Lists all mistakes, without the values of secrets.
    """
    source = settings_file()
    check_variables(os.environ)
    try:
        return Settings(**overrides)
    except ValidationError as error:
        mistakes = [_describe(mistake["loc"], mistake["type"], mistake["msg"]) for mistake in error.errors()]
    except SourceError as error:
        mistakes = [f"{error}. Hint: write JSON, or one variable per key as in INTERPHASE_STORE__TYPE=mongodb"]
    where = f"{source} or the environment (INTERPHASE_*)" if source else "the environment (INTERPHASE_*)"
    # not "from error": the invalid value may be a password
    raise SettingsError(f"settings from {where}:\n" + "\n".join(f"  {mistake}" for mistake in mistakes))


def check_variables(environment: Iterable[str]) -> None:
    """Raise SettingsError if the name of a variable is nearly that of a setting: it would have no effect."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    accepted = {*known, FILE_VARIABLE, PASSWORD_VARIABLE}
    for variable in environment:
        name = variable.upper().split("__")[0]
        if not name.startswith(PREFIX) or name in accepted:
            continue
        nearest = difflib.get_close_matches(
            name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in accepted], n=1, cutoff=SIMILAR
        )
        if nearest:
            raise SettingsError(
                f"environment: {shown_key(variable)} is no setting and has no effect. Hint: did you mean "
                f"{PREFIX}{nearest[0]}? Otherwise unset it"
            )


def _describe(location: tuple[int | str, ...], kind: str, message: str) -> str:
    tags: dict[str, type[BaseModel]] = {"embedded": EmbeddedSettings, "mongodb": MongodbSettings}
    tag = next((str(part) for part in location[1:2] if part in tags), None)
    keys = [str(part) for i, part in enumerate(location) if not (i == 1 and part in tags)]
    if kind == "extra_forbidden":
        model = tags[tag] if tag else _model_at(keys)
        allowed = sorted(model.model_fields)
        nearest = difflib.get_close_matches(keys[-1], allowed, n=1)
        meant = f"did you mean {nearest[0]!r}? " if nearest else ""
        return f"{'.'.join(keys)}: unknown key; {meant}allowed: {', '.join(allowed)}"
    return f"{'.'.join(keys)}: {message}"


def _check_permissions(path: Path, content: dict[str, Any]) -> None:
    """Reject a file that contains a password and is readable by other users."""
    store = content.get("store")
    if not isinstance(store, dict):
        return
    secret = [key for key in ("password", "uri") if store.get(key) and (key == "password" or "@" in str(store[key]))]
    if secret and others_may_read(path):
        raise SettingsError(
            f"{path}: contains store.{secret[0]}, and other users may read it. Hint: run `chmod 600 {path}`, or set "
            "store.password_file"
        )


def _model_at(keys: Sequence[str]) -> type[BaseModel]:
    """Return the model that rejects the last of the keys."""
    if keys[:2] == ["cluster", "workers"] and len(keys) > 3:
        return WorkerSettings
    return ClusterSettings if keys[0] == "cluster" and len(keys) > 1 else Settings


def _file_content() -> dict[str, Any]:
    path = settings_file()
    if path is None:
        return {}
    content = _read_yaml(path)
    _check_permissions(path, content)
    return content


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = read_text(path)
        compose(text)  # checks the limits
        content = YAML(typ="safe", pure=True).load(text)
    except YamlLimitError as error:
        raise SettingsError(f"{path}:{error.line}: {error}. Hint: write the values themselves, in UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (YAMLError, ValueError, OverflowError, TypeError, LookupError, AttributeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f":{mark.line + 1}"
        # the line itself may contain a password
        problem = getattr(error, "problem", None) or type(error).__name__
        raise SettingsError(
            f"{path}{line}: not YAML: {problem}. Hint: indent with spaces, one `key: value` per line"
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        kind = "one with keys that are not text" if isinstance(content, dict) else f"a {type(content).__name__}"
        raise SettingsError(f"{path}: must be a mapping of `key: value`, but is {kind}")
    return content
