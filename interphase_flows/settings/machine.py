"""Settings of this machine, and where they are read from."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from interphase_flows.exceptions import SettingsError
from interphase_flows.settings.cluster import ClusterSettings, WorkerSettings
from interphase_flows.settings.store import EmbeddedSettings, MongodbSettings, others_may_read

FILE_VARIABLE = "INTERPHASE_SETTINGS_FILE"


class _FileSource(PydanticBaseSettingsSource):
    """Values of the settings file."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        path = settings_file()
        if path is None:
            return {}
        content = _read_yaml(path)
        _must_be_private(path, content)
        return content


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
        Threads of one job. More than one does not help a small potential (for the quickstart's, two are
        slower), and a run repeats to the last bit only with the same number.
    device
        What potentials are evaluated on.
    campaign
        Campaign of a job that is run by itself, by a launcher.
    gpaw_command
        How a label by GPAW is started: `mpirun -np 4 gpaw python` runs four processes; this Python, serially, if None.
    vasp_command
        How VASP is started, `mpirun vasp_std`; the environment's ``VASP_CMD`` if None.
    vasp_parallel
        KPAR and NCORE for this machine; they change no number.
    memory_limit_gb
        Address space of one process of a label by GPAW or VASP; a calculation that needs more ends as a label with a
        reason. GPAW's libraries take 0.6 of it (work spaces of OpenBLAS), little of which is in use. No limit if None.
    walltime_s
        Seconds from the start of a command after which work is put down: no label, training or segment of dynamics is
        begun, a label keeps its density, a training its last epoch, dynamics a checkpoint; the next `interphase resume`
        goes on. Slurm's own end of a job (``SLURM_JOB_END_TIME``), less a minute, if None, and none if that is not set
        either.
    cluster
        Workers of the queue: which kinds of job each takes, and what it asks of Slurm.
    """

    model_config = SettingsConfigDict(
        env_prefix="INTERPHASE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    root: Path = Path("runs")
    store: Annotated[EmbeddedSettings | MongodbSettings, Field(discriminator="type")] = EmbeddedSettings()
    artifacts_url: str | None = None
    n_threads: int = Field(default=1, ge=1)
    device: Literal["cpu", "cuda"] = "cpu"
    campaign: str | None = None
    gpaw_command: str | None = None
    vasp_command: str | None = None
    vasp_parallel: dict[Literal["KPAR", "NCORE"], Annotated[int, Field(ge=1)]] = {}
    memory_limit_gb: float | None = Field(default=None, gt=0)
    walltime_s: float | None = Field(default=None, gt=0)
    cluster: ClusterSettings = ClusterSettings()

    @field_validator("root")
    @classmethod
    def _absolute(cls, root: Path) -> Path:
        # jobs run in folders of their own
        return root.expanduser().absolute()

    @field_validator("artifacts_url")
    @classmethod
    def _is_without_password(cls, url: str | None) -> str | None:
        # it is no secret: messages and logs show it
        if url is not None and "://" in url and "@" in url.split("://", 1)[1].split("/", 1)[0]:
            raise ValueError(
                "must hold no user or password; give them the way of the file system, such as AWS_PROFILE"
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
        """Arguments, then the environment, then the file."""
        return init_settings, env_settings, _FileSource(settings_cls)


def settings_file() -> Path | None:
    """The settings file that is read, or None.

    Raises
    ------
    SettingsError
        If ``INTERPHASE_SETTINGS_FILE`` names a file that is not there.
    """
    if named := os.environ.get(FILE_VARIABLE):
        path = Path(named).expanduser()
        if not path.is_file():
            raise SettingsError(f"{FILE_VARIABLE}={named}: no such file; write it, or unset the variable")
        return path
    candidates = (Path("interphase.yaml"), Path("~/.config/interphase/settings.yaml").expanduser())
    return next((path for path in candidates if path.is_file()), None)


def load_settings(**overrides: Any) -> Settings:
    """Read the settings.

    Parameters
    ----------
    overrides
        Values that win over the environment and the file.

    Raises
    ------
    SettingsError
        Listing everything that is wrong, without any value of a secret.
    """
    source = settings_file()
    try:
        return Settings(**overrides)
    except ValidationError as error:
        mistakes = [_in_words(mistake["loc"], mistake["type"], mistake["msg"]) for mistake in error.errors()]
    except SourceError as error:
        mistakes = [f"{error}; write JSON, or one variable per key as in INTERPHASE_STORE__TYPE=mongodb"]
    where = f"{source} or the environment (INTERPHASE_*)" if source else "the environment (INTERPHASE_*)"
    # not "from error": the value that is wrong may be a password
    raise SettingsError(f"settings from {where}:\n" + "\n".join(f"  {mistake}" for mistake in mistakes))


def _in_words(location: tuple[int | str, ...], kind: str, message: str) -> str:
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


def _must_be_private(path: Path, content: dict[str, Any]) -> None:
    """Refuse a file that holds a password and that others may read."""
    store = content.get("store")
    if not isinstance(store, dict):
        return
    secret = [
        key for key in ("password", "uri") if store.get(key) and (key == "password" or "@" in str(store[key]))
    ]
    if secret and others_may_read(path):
        raise SettingsError(
            f"{path}: holds store.{secret[0]}, and others may read it; run `chmod 600 {path}`, or keep the password "
            "in store.password_file"
        )


def _model_at(keys: Sequence[str]) -> type[BaseModel]:
    """Return the model whose key is unknown."""
    if keys[:2] == ["cluster", "workers"] and len(keys) > 3:
        return WorkerSettings
    return ClusterSettings if keys[0] == "cluster" and len(keys) > 1 else Settings


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = YAML(typ="safe", pure=True).load(path)
    except (YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f":{mark.line + 1}"
        # the line itself may hold a password: it is not repeated
        problem = getattr(error, "problem", None) or type(error).__name__
        raise SettingsError(
            f"{path}{line}: not YAML: {problem}; indent with spaces, one `key: value` a line"
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: must be a mapping of `key: value`, is a {type(content).__name__}")
    return content
