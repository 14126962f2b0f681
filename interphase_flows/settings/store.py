"""Settings of the store of documents: a file, or MongoDB and how its password is found."""

import os
import stat
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from interphase_flows.exceptions import SettingsError

PASSWORD_VARIABLE = "INTERPHASE_MONGODB_PASSWORD"
_SECRET_OPTIONS = ("username", "password", "authmechanismproperties", "tlscertificatekeyfilepassword")


class EmbeddedSettings(BaseModel):
    """Documents in a file per campaign: one machine, one process that writes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: Literal["embedded"] = "embedded"


class MongodbSettings(BaseModel):
    """Documents in MongoDB: many machines, many processes.

    The password is the first of: ``password``, the file ``password_file`` (readable by its owner only), the
    environment variable ``INTERPHASE_MONGODB_PASSWORD``. It never appears in a representation, dump or error. A
    settings file that holds it, or a ``uri`` with it, must be readable by its owner only.

    ``options`` are those of MongoDB's addresses, such as ``tlsCAFile``, ``replicaSet`` or ``authMechanism``; they go
    to every client as they are.

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
    def _is_no_address(cls, host: str) -> str:
        # pymongo would take an address for a host, and a host is no secret: it is shown
        if not host or set(host) & set("/@ "):
            raise ValueError("must be the name of a machine alone; write an address with a user as store.uri")
        return host

    @field_validator("options")
    @classmethod
    def _hold_no_secret(
        cls, options: dict[str, str | int | float | bool]
    ) -> dict[str, str | int | float | bool]:
        # options are shown, in the log of settings as in an error
        secret = sorted(name for name in options if name.lower() in _SECRET_OPTIONS)
        if secret:
            raise ValueError(f"{', '.join(secret)} may hold a secret; write it into store.uri")
        return options

    @property
    def client_options(self) -> dict[str, str | int | float | bool]:
        """What a client is made with besides address, user and password."""
        return ({"tls": True} if self.tls else {}) | self.options

    @property
    def server(self) -> str:
        """Which server it is, to tell it from others in this process; not to be shown."""
        return f"{self.host}:{self.port}" if self.uri is None else self.uri.get_secret_value()

    def resolve_password(self) -> SecretStr | None:
        """The password, or None if there is none.

        Raises
        ------
        SettingsError
            If ``password_file`` is missing, or others than its owner may read it.
        """
        if self.password is not None:
            return self.password
        if self.password_file is None:
            from_environment = os.environ.get(PASSWORD_VARIABLE)
            return None if from_environment is None else SecretStr(from_environment)
        path = self.password_file.expanduser()
        if not path.is_file():
            raise SettingsError(
                f"store.password_file: {path}: no such file; write the password there, mode 600"
            )
        if others_may_read(path):
            raise SettingsError(f"store.password_file: {path}: others may read it; run `chmod 600 {path}`")
        return SecretStr(path.read_text().strip())


def others_may_read(path: Path) -> bool:
    """Whether users other than its owner may read a file."""
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
