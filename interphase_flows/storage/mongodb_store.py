"""jobflow's store of job outputs in MongoDB: a maggma store that retries and keeps its secrets."""

from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

from maggma.core import Sort
from maggma.stores.mongolike import MongoStore
from monty.json import jsanitize

from interphase_flows.exceptions import SettingsError, StorageError
from interphase_flows.settings import MongodbSettings, load_settings
from interphase_flows.storage.indexes import indexes_of, make_indexes
from interphase_flows.storage.ledger_backend import JsonDocument
from interphase_flows.storage.ledger_entry import check_size
from interphase_flows.storage.mongodb import open_client, run_operation

_Result = TypeVar("_Result")
_Sort = dict[str, Sort | int]


class MongodbStore(MongoStore):
    """A collection of the MongoDB database that the settings name.

    The serialised form contains neither address nor password: the reader connects by the settings of its machine.
    Without ``settings``, they are those of this machine. A read-only store creates no index.

    Raises
    ------
    SettingsError
        The password cannot be read, or the settings name no MongoDB.
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
        self.settings = _settings_of_this_machine() if settings is None else settings
        super().__init__(
            database=self.settings.database,
            collection_name=collection_name,
            host=self.settings.host,
            port=self.settings.port,
            key=key,
            **kwargs,
        )
        self.read_only = read_only
        self._has_indexes = False

    @property
    def name(self) -> str:
        """The database and the collection; maggma's own name would include the address."""
        return f"mongodb/{self.database}/{self.collection_name}"

    def __repr__(self) -> str:
        """The name."""
        return f"{type(self).__name__}({self.name})"

    def as_dict(self) -> JsonDocument:
        """Return the serialised form, without address and secrets."""
        return {
            "@module": type(self).__module__,
            "@class": type(self).__name__,
            "collection_name": self.collection_name,
            "key": self.key,
        }

    @classmethod
    def from_dict(cls, dct: JsonDocument) -> Self:
        """Return the store of that collection in the database of this machine's settings."""
        return cls(dct["collection_name"], dct["key"])

    def connect(self, force_reset: bool = False) -> None:
        """Create a client; the first operation connects to the server.

        Raises
        ------
        SettingsError
            The address is invalid.
        """
        if self._coll is None or force_reset:
            self._coll = open_client(self.settings)[self.database][self.collection_name]

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
        """Yield matching documents; they are read completely first, so that a lost connection repeats none."""
        query = super().query
        yield from self._run(lambda: list(query(criteria, properties, sort, hint, skip, limit, **kwargs)))

    def count(self, criteria: dict | None = None, hint: _Sort | None = None) -> int:
        """Count matching documents."""
        count = super().count
        return int(self._run(lambda: count(criteria, hint)))

    def update(self, docs: list[dict] | dict, key: list | str | None = None) -> None:
        """Insert documents, or replace those with the same key.

        Raises
        ------
        DocumentTooLargeError
            One is over 1 MB; none is written.
        """
        for document in docs if isinstance(docs, list) else [docs]:
            sanitized = jsanitize(document, allow_bson=True, recursive_msonable=True)
            check_size(f"{self.name}: {document.get('name', document.get(self.key))}", sanitized)
        self._prepare_writing()
        update = super().update
        self._run(lambda: update(docs, key))

    def remove_docs(self, criteria: dict) -> None:
        """Remove matching documents."""
        self._prepare_writing()
        remove = super().remove_docs
        self._run(lambda: remove(criteria))

    def ensure_index(self, key: str, unique: bool | None = False) -> bool:
        """Index a field; see maggma."""
        ensure = super().ensure_index
        return self.read_only or bool(self._run(lambda: ensure(key, unique)))

    def _prepare_writing(self) -> None:
        """Create the indexes of the collection before the first write; raises `StorageError` if read-only."""
        if self.read_only:
            raise StorageError(
                f"{self.name}: opened read-only. Hint: open the workspace without read_only=True to write"
            )
        if not self._has_indexes:
            self._run(lambda: make_indexes(self._collection, indexes_of(self.collection_name)))
            self._has_indexes = True

    def _run(self, operation: Callable[[], _Result]) -> _Result:
        return run_operation(operation, self.settings, f"{self.collection_name} in the database {self.database!r}")


def _settings_of_this_machine() -> MongodbSettings:
    store = load_settings().store
    if not isinstance(store, MongodbSettings):
        raise SettingsError(
            "store.type: embedded, but the store of the job is in MongoDB. Hint: set store in this machine's settings"
        )
    return store
