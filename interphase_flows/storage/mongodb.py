"""Connections to MongoDB: client, retries while the server restarts, and errors without secrets."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pymongo import MongoClient
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
)

from interphase_flows.exceptions import ServerUnavailableError, SettingsError, StorageError
from interphase_flows.settings import MongodbSettings
from interphase_flows.storage.ledger_backend import JsonDocument

NOT_AUTHORIZED = (13, 18, 8000)
"""Error codes: Unauthorized, AuthenticationFailed, and Atlas's own for both."""

SERVER_SELECTION_TIMEOUT_MS = 10_000
SOCKET_TIMEOUT_MS = 60_000
_FIRST_DELAY_S = 0.05
_MAX_DELAY_S = 2.0

_reached_servers: set[str] = set()
"""Servers that have answered this process."""

_Result = TypeVar("_Result")


def client_arguments(settings: MongodbSettings) -> JsonDocument:
    """Return the arguments of ``pymongo.MongoClient`` for a server.

    Raises
    ------
    SettingsError
        The password cannot be read.
    """
    arguments: JsonDocument = {
        "serverSelectionTimeoutMS": SERVER_SELECTION_TIMEOUT_MS,
        "socketTimeoutMS": SOCKET_TIMEOUT_MS,
        **settings.client_options,
    }
    if settings.uri is not None:
        return {"host": settings.uri.get_secret_value(), **arguments}
    arguments |= {"host": settings.host, "port": settings.port}
    if settings.username:
        password = settings.resolve_password()
        arguments |= {
            "username": settings.username,
            "password": "" if password is None else password.get_secret_value(),
            "authSource": settings.auth_source or settings.database,
        }
    return arguments


@contextmanager
def readable_address_errors(settings: MongodbSettings) -> Iterator[None]:
    """Translate errors of making a client, whose own text may repeat the address with its password.

    Raises
    ------
    SettingsError
        The address or an option is malformed, or a certificate file cannot be read.
    """
    try:
        with warnings.catch_warnings():
            # the driver only warns of an option in the address that it does not know (tls=yes), and ignores it
            warnings.simplefilter("error", UserWarning)
            yield
    except (PyMongoError, ValueError, TypeError, OSError, UserWarning) as error:
        key = "store.uri" if settings.uri is not None else "store"
        raise SettingsError(
            f"{key}: not an address of a MongoDB ({type(error).__name__}). Hint: write "
            "mongodb://USER:PASSWORD@HOST:PORT, with special characters of user and password as %XX and only options "
            "that MongoDB has, or set store.host, store.port, store.username and store.options"
        ) from None


def open_client(settings: MongodbSettings) -> MongoClient[JsonDocument]:
    """Return a client; the first operation connects to the server.

    Raises
    ------
    SettingsError
        The address or an option is invalid, or the password cannot be read.
    """
    arguments = client_arguments(settings)
    with readable_address_errors(settings):
        return MongoClient(**arguments)


def retry_while_reconnecting(operation: Callable[[], _Result], settings: MongodbSettings) -> _Result:
    """Call an idempotent operation; repeat it with exponential backoff while the connection is lost.

    pymongo itself repeats a write only in a replica set, and only once. A server that this process has never reached
    indicates wrong settings rather than a restart, and is not retried.

    Raises
    ------
    pymongo.errors.AutoReconnect
        The server did not come back within ``store.reconnect_timeout_s``.
    """
    end = time.monotonic() + settings.reconnect_timeout_s
    delay_s = _FIRST_DELAY_S
    while True:
        try:
            result = operation()
        except AutoReconnect:
            if settings.server not in _reached_servers or time.monotonic() + delay_s > end:
                raise
        else:
            _reached_servers.add(settings.server)
            return result
        time.sleep(delay_s)
        delay_s = min(2 * delay_s, _MAX_DELAY_S)


def run_operation(operation: Callable[[], _Result], settings: MongodbSettings, subject: str) -> _Result:
    """Call an idempotent operation with retries, and translate the driver's errors.

    Raises
    ------
    StorageError
        The server does not respond, or rejects the operation.
    pymongo.errors.DuplicateKeyError
        A unique value exists.
    """
    try:
        return retry_while_reconnecting(operation, settings)
    except DuplicateKeyError:
        raise
    except PyMongoError as error:
        raise storage_error(settings, subject, error) from None


def storage_error(settings: MongodbSettings, subject: str, error: PyMongoError) -> StorageError:
    """Translate a driver's error, without its own text, which may hold the address with its password."""
    where = "store.uri" if settings.uri is not None else f"{settings.host}:{settings.port} (store.host, store.port)"
    if isinstance(error, ConnectionFailure):
        return ServerUnavailableError(
            f"{subject}: no server reachable at {where} ({type(error).__name__}). Hint: start it, or correct the address "
            "in the settings, then resume"
        )
    if isinstance(error, OperationFailure) and error.code in NOT_AUTHORIZED:
        reason = "user or password are wrong, or the user may not write there"
        source = settings.auth_source or settings.database
        hint = f"check store.username, the password and store.auth_source (now {source!r})"
    elif isinstance(error, ConfigurationError):
        reason, hint = "invalid configuration", f"correct {where} and store.options in the settings"
    else:
        code = f" with code {error.code}" if isinstance(error, OperationFailure) else ""
        reason, hint = f"MongoDB failed{code}", "check store in the settings and the log of the server"
    return StorageError(f"{subject}: {reason} ({type(error).__name__}). Hint: {hint}")
