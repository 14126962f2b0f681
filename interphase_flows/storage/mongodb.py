"""A maggma store in MongoDB that keeps its secrets, waits for a server that restarts, and fails in words.

Every operation is such that doing it twice is doing it once, and is repeated while the connection comes and goes.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from maggma.core import Sort
from maggma.stores.mongolike import MongoStore
from monty.json import jsanitize
from pymongo import MongoClient
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
)

from interphase_flows.exceptions import SettingsError, StorageAwayError, StorageError
from interphase_flows.settings import MongodbSettings, load_settings
from interphase_flows.storage.indexes import NOT_ALLOWED, indexes_of, make_indexes
from interphase_flows.storage.ledger_entry import check_size
from interphase_flows.storage.retry import patiently

__all__ = ["MongodbStore", "change_document", "client_arguments", "readable_address_errors", "storage_error"]

_MAX_TRIES = 100
_SERVER_TIMEOUT_MS = 10_000
_SOCKET_TIMEOUT_MS = 60_000
_COUNTS = ("tries", "serial")

_Answer = TypeVar("_Answer")
_Sort = dict[str, Sort | int]


class MongodbStore(MongoStore):
    """A collection of the MongoDB that the settings name.

    Its serialised form holds neither address nor password: whoever reads it back connects by the settings of
    the machine it then is on.

    Parameters
    ----------
    collection_name
        The collection.
    key
        The field that tells documents apart in ``update``.
    settings
        Where the server is; that of this machine's settings if None.
    read_only
        Refuse to write, and make no index.
    kwargs
        Further arguments of maggma's ``Store``.

    Raises
    ------
    SettingsError
        If the password cannot be read, or the settings name no MongoDB.
    """

    _coll: Any

    def __init__(
        self,
        collection_name: str,
        key: str = "key",
        settings: MongodbSettings | None = None,
        read_only: bool = False,
        **kwargs: Any,
    ):
        settings = _of_this_machine() if settings is None else settings
        super().__init__(
            database=settings.database,
            collection_name=collection_name,
            mongoclient_kwargs=client_arguments(settings),
            key=key,
            **kwargs,
        )
        self._settings = settings
        self.read_only = read_only
        self._has_indexes = False

    @property
    def name(self) -> str:
        """The database and the collection; maggma's own would be the address with its password."""
        return f"mongodb/{self.database}/{self.collection_name}"

    def __repr__(self) -> str:
        """The name."""
        return f"{type(self).__name__}({self.name})"

    def as_dict(self) -> dict[str, Any]:
        """What to make it from, on any machine; no address and no secret."""
        return {
            "@module": type(self).__module__,
            "@class": type(self).__name__,
            "collection_name": self.collection_name,
            "key": self.key,
        }

    @classmethod
    def from_dict(cls, dct: dict[str, Any]) -> Self:
        """The store of these settings that was meant."""
        return cls(dct["collection_name"], dct["key"])

    def connect(self, force_reset: bool = False) -> None:
        """Make a client; the server is asked by the first operation.

        Raises
        ------
        SettingsError
            If the address cannot be one.
        """
        if self._coll is None or force_reset:
            with readable_address_errors(self._settings):
                client: MongoClient[dict[str, Any]] = MongoClient(**self.mongoclient_kwargs)
            self._coll = client[self.database][self.collection_name]

    def close(self) -> None:
        """Close the client, if there is one."""
        if self._coll is not None:
            super().close()

    def query(
        self,
        criteria: dict | None = None,
        properties: dict | list | None = None,
        sort: _Sort | None = None,
        hint: _Sort | None = None,
        skip: int = 0,
        limit: int = 0,
        **kwargs: Any,
    ) -> Iterator[dict]:
        """Documents that match; read whole, so that a lost connection does not repeat any of them."""
        ask = super().query
        yield from self._patiently(lambda: list(ask(criteria, properties, sort, hint, skip, limit, **kwargs)))

    def count(self, criteria: dict | None = None, hint: _Sort | None = None) -> int:
        """How many documents match."""
        ask = super().count
        return int(self._patiently(lambda: ask(criteria, hint)))

    def update(self, docs: list[dict] | dict, key: list | str | None = None) -> None:
        """Insert documents, or replace those with the same key.

        Raises
        ------
        DocumentTooLargeError
            If one is over 1 MB; nothing was then written.
        """
        for each in docs if isinstance(docs, list) else [docs]:
            plain = jsanitize(each, allow_bson=True, recursive_msonable=True)
            check_size(f"{self.name}: {each.get('name', each.get(self.key))}", plain)
        self._ready_to_write()
        write = super().update
        self._patiently(lambda: write(docs, key))

    def remove_docs(self, criteria: dict) -> None:
        """Remove the documents that match."""
        self._ready_to_write()
        remove = super().remove_docs
        self._patiently(lambda: remove(criteria))

    def insert(self, document: dict[str, Any]) -> None:
        """Insert one document, and refuse to replace any.

        Raises
        ------
        pymongo.errors.DuplicateKeyError
            If a unique value is taken; also if it was this document that an earlier try had left there.
        """
        self._ready_to_write()
        plain = jsanitize(document, allow_bson=True, recursive_msonable=True)
        self._patiently(lambda: self._collection.insert_one(dict(plain)))

    def change(self, key: str, change: Callable[[dict[str, Any] | None], dict[str, Any]]) -> dict[str, Any]:
        """Replace the document of a key by what ``change`` makes of it; see :func:`change_document`."""
        self._ready_to_write()
        return self._patiently(lambda: change_document(self, key, change))

    def ensure_index(self, key: str, unique: bool | None = False) -> bool:
        """Index a field; False if it is to be unique and documents share a value, or an index says otherwise."""
        return self.read_only or self._patiently(lambda: self._has_or_makes_index(key, bool(unique)))

    def _ready_to_write(self) -> None:
        """Make the collection's indexes, once; whoever only reads makes none.

        Raises
        ------
        StorageError
            If this store is to be read only.
        """
        if self.read_only:
            raise StorageError(
                f"{self.name}: opened read-only; open the workspace without read_only=True to write"
            )
        if not self._has_indexes:
            self._patiently(lambda: make_indexes(self._collection, indexes_of(self.collection_name)))
            self._has_indexes = True

    def _has_or_makes_index(self, key: str, unique: bool) -> bool:
        # maggma takes any index on the field for the one that is wanted
        for index in self._collection.index_information().values():
            if index["key"] == [(key, 1)] and (index.get("unique", False) or not unique):
                return True
        try:
            self._collection.create_index(key, unique=unique)
        except OperationFailure as error:
            if error.code in NOT_ALLOWED:
                raise
            return False
        return True

    def _patiently(self, operation: Callable[[], _Answer]) -> _Answer:
        """Do it, again if the connection was lost, within the patience of the settings.

        Raises
        ------
        StorageError
            If the server does not do it.
        """
        try:
            return patiently(operation, self._settings.server, self._settings.patience_s)
        except DuplicateKeyError:
            raise
        except PyMongoError as error:
            raise storage_error(
                self._settings, f"{self.collection_name} in the database {self.database!r}", error
            ) from None


def client_arguments(settings: MongodbSettings) -> dict[str, Any]:
    """Return the arguments of ``pymongo.MongoClient`` for a server.

    Raises
    ------
    SettingsError
        The password cannot be read.
    """
    arguments: dict[str, Any] = {
        "serverSelectionTimeoutMS": _SERVER_TIMEOUT_MS,
        "socketTimeoutMS": _SOCKET_TIMEOUT_MS,
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


def storage_error(settings: MongodbSettings, what: str, error: PyMongoError) -> StorageError:
    """Translate a driver's error, without its own text, which may hold the address with its password.

    Parameters
    ----------
    settings
        Settings of the server.
    what
        The collection or database, with which the message begins.
    error
        The driver's error.
    """
    where = (
        "store.uri"
        if settings.uri is not None
        else f"{settings.host}:{settings.port} (store.host, store.port)"
    )
    if isinstance(error, ConnectionFailure):
        return StorageAwayError(
            f"{what}: no server answers at {where} ({type(error).__name__}). Hint: start it, or correct the address in "
            "the settings, then resume"
        )
    if isinstance(error, OperationFailure) and error.code in NOT_ALLOWED:
        reason = "user or password are wrong, or the user may not write there"
        hint = f"check store.username, the password and store.auth_source (now {settings.auth_source!r})"
    elif isinstance(error, ConfigurationError):
        reason, hint = "invalid configuration", f"correct {where} and store.options in the settings"
    else:
        code = f" code {error.code}" if isinstance(error, OperationFailure) else ""
        reason, hint = f"MongoDB failed{code}", "check store in the settings and the log of the server"
    return StorageError(f"{what}: {reason} ({type(error).__name__}). Hint: {hint}")


def change_document(
    store: MongoStore, key: str, change: Callable[[dict[str, Any] | None], dict[str, Any]]
) -> dict[str, Any]:
    """Replace the document of a key by what ``change`` makes of it, without losing another writer's change.

    A count (``tries``, ``serial``) is compared and swapped, so that no change is lost between two writers.

    Parameters
    ----------
    store
        With a unique index on ``key``.
    key
        Of the document.
    change
        Takes the document, or None if there is none, and returns the new one; may be called several times.

    Raises
    ------
    StorageError
        If other writers win a hundred times.
    """
    collection = store._collection
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
        guard = {count: old[count] for count in _COUNTS if count in old}
        if collection.replace_one({"key": key, **guard}, new).matched_count:
            return new
    raise StorageError(
        f"{store.collection_name} {key}: other processes keep changing it; stop one of them, then resume"
    )


def _of_this_machine() -> MongodbSettings:
    store = load_settings().store
    if not isinstance(store, MongodbSettings):
        raise SettingsError(
            "store.type: embedded, but a job's store is in MongoDB: set store in this machine's settings"
        )
    return store
