"""Stores in MongoDB, and changing a document there that others change too."""

from collections.abc import Callable
from typing import Any

from maggma.stores.mongolike import MongoStore
from pymongo.errors import DuplicateKeyError, PyMongoError

from interphase_flows.exceptions import StorageError
from interphase_flows.settings import MongodbSettings

__all__ = ["change_in_mongodb", "mongo_store", "unreachable"]

_MAX_TRIES = 100
_SERVER_TIMEOUT_MS = 10_000


def mongo_store(settings: MongodbSettings, collection_name: str, key: str) -> MongoStore:
    """A maggma store, not yet connected.

    Parameters
    ----------
    settings
        Where the server is.
    collection_name
        The collection.
    key
        The field that tells documents apart.

    Raises
    ------
    SettingsError
        If the password cannot be read.
    """
    client: dict[str, Any] = {"serverSelectionTimeoutMS": _SERVER_TIMEOUT_MS}
    if settings.tls:
        client["tls"] = True
    password = settings.resolve_password()
    return MongoStore(
        database=settings.database,
        collection_name=collection_name,
        host=settings.host,
        port=settings.port,
        username=settings.username,
        password="" if password is None else password.get_secret_value(),
        auth_source=settings.auth_source,
        mongoclient_kwargs=client,
        uri=None if settings.uri is None else settings.uri.get_secret_value(),
        key=key,
    )


def change_in_mongodb(
    store: MongoStore,
    key: str,
    change: Callable[[dict[str, Any] | None], dict[str, Any]],
    kind: str,
) -> dict[str, Any]:
    """Replace the document of a key by what ``change`` makes of it.

    A count ``tries`` is compared and swapped, so that no repetition is lost between two writers.

    Raises
    ------
    StorageError
        If the server does not answer, or other writers win a hundred times.
    """
    collection = store._collection
    try:
        for _ in range(_MAX_TRIES):
            old = collection.find_one({"key": key})
            new = change(None if old is None else dict(old))
            new.pop("_id", None)
            if old is None:
                try:
                    collection.insert_one(dict(new))
                except DuplicateKeyError:
                    continue
                return new
            guard = {"tries": old["tries"]} if "tries" in old else {}
            if collection.replace_one({"key": key, **guard}, new).matched_count:
                return new
    except PyMongoError as error:
        raise unreachable(kind, error) from None
    raise StorageError(
        f"ledger: {kind} {key}: other processes keep changing it; stop one of them, then resume"
    )


def unreachable(kind: str, error: PyMongoError) -> StorageError:
    """Words for a server that does not do what is asked.

    The text of a driver's error may hold the address with its password: only its class is repeated.
    """
    return StorageError(
        f"ledger: {kind}: MongoDB answered {type(error).__name__}. Check `store` in the settings, that the "
        "server runs and that its user may write"
    )
