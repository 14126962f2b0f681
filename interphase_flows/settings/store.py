"""Settings of the document store: a file, or MongoDB with its credentials."""

import os
import stat
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from interphase_flows.exceptions import SettingsError

PASSWORD_VARIABLE = "INTERPHASE_MONGODB_PASSWORD"
_SECRET_OPTIONS = ("username", "password", "authmechanismproperties", "tlscertificatekeyfilepassword")


_FORBIDDEN_IN_NAMES = frozenset('/\\. "$*<>:|?')
_LONGEST_NAME = 63


def check_database_name(name: str) -> str:
    """Return the name of a database of MongoDB, which is also part of names of Slurm jobs; others raise ValueError."""
    if not (0 < len(name.encode()) <= _LONGEST_NAME and name.isprintable()) or set(name) & _FORBIDDEN_IN_NAMES:
        raise ValueError(f'must be a name of at most {_LONGEST_NAME} bytes without spaces and / \\ . " $ * < > : | ?')
    return name


class EmbeddedSettings(BaseModel):
    """Documents in one file per campaign: one machine, one writing process."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: Literal["embedded"] = "embedded"


class MongodbSettings(BaseModel):
    """Documents in MongoDB: many machines, many processes.

    The password is the first of: ``password``, the file ``password_file`` (readable by its owner only), the
    environment variable ``INTERPHASE_MONGODB_PASSWORD``. It never appears in a representation, dump or error. A
    settings file that contains it, or a ``uri`` with it, must be readable by its owner only.

    ``options`` are those of MongoDB's connection strings, such as ``tlsCAFile``, ``replicaSet`` or ``authMechanism``;
    they are passed to every client unchanged.

    While a server restarts, operations are retried for ``reconnect_timeout_s`` seconds. Then the job fails; its result
    stays on disk, and the next attempt commits it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: Literal["mongodb"]
    host: str = "localhost"
    port: int = Field(default=27017, gt=0, lt=65536)
    database: str = "interphase"
    username: str = ""
    password: SecretStr | None = None
    password_file: Path | None = None
    auth_source: str | None = None
    tls: bool = False
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    reconnect_timeout_s: float = Field(default=180.0, ge=0)
    uri: SecretStr | None = Field(default=None, description="replaces host, port, username and password")

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        # pymongo accepts an address as host, and messages show the host
        if not host or set(host) & set("/@ "):
            raise ValueError("must be the name of a machine alone. Hint: write an address with a user as store.uri")
        return host

    @field_validator("database")
    @classmethod
    def _check_database(cls, database: str) -> str:
        return check_database_name(database)

    @field_validator("options")
    @classmethod
    def _check_no_secret(cls, options: dict[str, str | int | float | bool]) -> dict[str, str | int | float | bool]:
        # messages and logs show options
        secret = sorted(name for name in options if name.lower() in _SECRET_OPTIONS)
        if secret:
            raise ValueError(f"{', '.join(secret)} may contain a secret. Hint: write it into store.uri")
        return options

    @property
    def client_options(self) -> dict[str, str | int | float | bool]:
        """Options of a client besides address, user and password."""
        return ({"tls": True} if self.tls else {}) | self.options

    @property
    def server(self) -> str:
        """Identifier of the server within this process; may contain the password."""
        return f"{self.host}:{self.port}" if self.uri is None else self.uri.get_secret_value()

    def resolve_password(self) -> SecretStr | None:
        """Return the password, or None if there is none.

        Raises
        ------
        SettingsError
            ``password_file`` is missing, or other users may read it.
        """
        if self.password is not None:
            return self.password
        if self.password_file is None:
            from_environment = os.environ.get(PASSWORD_VARIABLE)
            return None if from_environment is None else SecretStr(from_environment)
        path = self.password_file.expanduser()
        if not path.is_file():
            raise SettingsError(
                f"store.password_file: {path}: no such file. Hint: create it with the password, mode 600"
            )
        if others_may_read(path):
            raise SettingsError(f"store.password_file: {path}: other users may read it. Hint: run `chmod 600 {path}`")
        return SecretStr(path.read_text().strip())


def others_may_read(path: Path) -> bool:
    """Return whether users other than its owner may read a file."""
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
