"""MongoDB backend of the ledger: one collection per kind of document, shared by many machines and processes."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, OperationFailure

from interphase_flows.exceptions import StorageError
from interphase_flows.settings import MongodbSettings
from interphase_flows.storage.bson_dates import criteria_of_dates, with_dates, with_iso_times
from interphase_flows.storage.indexes import collection_of, indexes_of, make_indexes
from interphase_flows.storage.ledger_backend import Criteria, DocumentChange, JsonDocument, SortOrder
from interphase_flows.storage.mongodb import NOT_AUTHORIZED, open_client, run_operation

_MAX_TRIES = 100
_COUNTERS = ("tries", "serial")
"""Fields that every change raises: compared before a replacement, so that no concurrent change is lost."""

_Result = TypeVar("_Result")


class MongodbBackend:
    """Documents in a MongoDB database; implements `LedgerBackend`.

    Every operation is idempotent, and is repeated while the server restarts. A read-only backend creates no index.

    Raises
    ------
    StorageError
        By every method, if the server does not respond or rejects the operation.
    """

    def __init__(self, settings: MongodbSettings, read_only: bool = False):
        self.settings = settings
        self.read_only = read_only
        self._lock = threading.RLock()
        self._client: MongoClient[JsonDocument] | None = None
        self._with_unique_key: set[str] = set()
        self._with_indexes: set[str] = set()

    def find(
        self, kind: str, criteria: Criteria, fields: Sequence[str] | None, sort: SortOrder, limit: int
    ) -> list[JsonDocument]:
        """Return the matching documents; see `LedgerBackend`."""
        projection = {"_id": 0} | dict.fromkeys(fields or (), 1)

        def find(collection: Collection[JsonDocument]) -> list[JsonDocument]:
            # read completely, so that a lost connection repeats no document
            found = collection.find(criteria_of_dates(criteria), projection, sort=list(sort.items()), limit=limit)
            return [with_iso_times(document) for document in found]

        return self._run(kind, find)

    def count(self, kind: str, criteria: Criteria) -> int:
        """Count the matching documents."""
        if not criteria:
            return self._run(kind, lambda collection: collection.estimated_document_count())
        return self._run(kind, lambda collection: collection.count_documents(criteria_of_dates(criteria)))

    def insert(self, kind: str, document: JsonDocument) -> bool:
        """Insert a document; return False if its key exists, also if an interrupted try has inserted it."""
        self._prepare_writing(kind)
        try:
            self._run(kind, lambda collection: collection.insert_one(with_dates(document)))
        except DuplicateKeyError:
            return False
        return True

    def modify(self, kind: str, key: str, change: DocumentChange) -> JsonDocument:
        """Replace the document of a key by ``change(document)``, by compare-and-swap of its counter.

        Raises
        ------
        StorageError
            Other writers win a hundred times.
        """
        self._prepare_writing(kind)

        def replace(collection: Collection[JsonDocument]) -> JsonDocument:
            for _ in range(_MAX_TRIES):
                old = collection.find_one({"key": key}, {"_id": 0})
                new = change(None if old is None else with_iso_times(old))
                if old is None:
                    try:
                        collection.insert_one(with_dates(new))
                    except DuplicateKeyError:
                        continue
                    return new
                guard = {counter: old[counter] for counter in _COUNTERS if counter in old}
                if collection.replace_one({"key": key, **guard}, with_dates(new)).matched_count:
                    return new
            raise StorageError(
                f"{collection.name} {key}: other processes keep changing it. Hint: stop one of them, then resume"
            )

        return self._run(kind, replace)

    def add_to_list(self, kind: str, key: str, field: str, value: str) -> None:
        """Add a value to the list in a field of a document; see `LedgerBackend`."""
        self._prepare_writing(kind)
        self._run(kind, lambda collection: collection.update_one({"key": key}, {"$addToSet": {field: value}}))

    def remove(self, kind: str, criteria: Criteria) -> None:
        """Remove the matching documents."""
        self._prepare_writing(kind)
        self._run(kind, lambda collection: collection.delete_many(criteria_of_dates(criteria)))

    def close(self) -> None:
        """Close the client; the next operation opens another."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None
            self._with_unique_key.clear()
            self._with_indexes.clear()

    def _prepare_writing(self, kind: str) -> None:
        """Create the indexes of a kind before the first write; raises `StorageError` if read-only."""
        name = collection_of(kind)
        if self.read_only:
            raise StorageError(
                f"mongodb/{self.settings.database}/{name}: opened read-only. Hint: open the workspace without "
                "read_only=True to write"
            )
        if kind not in self._with_indexes:
            self._run(kind, lambda collection: make_indexes(collection, indexes_of(name)))
            self._with_indexes.add(kind)

    def _run(self, kind: str, operation: Callable[[Collection[JsonDocument]], _Result]) -> _Result:
        name = collection_of(kind)
        subject = f"{name} in the database {self.settings.database!r}"
        with self._lock:
            if self._client is None:
                self._client = open_client(self.settings)
            collection = self._client[self.settings.database][name]
            if not self.read_only and kind not in self._with_unique_key:
                try:
                    run_operation(lambda: _ensure_unique_key(collection), self.settings, subject)
                except StorageError:
                    self.close()
                    raise
                self._with_unique_key.add(kind)
        return run_operation(lambda: operation(collection), self.settings, subject)


def _ensure_unique_key(collection: Collection[JsonDocument]) -> None:
    """Create the unique index on ``key``; raises `StorageError` if documents share a key."""
    for index in collection.index_information().values():
        if index["key"] == [("key", 1)] and index.get("unique", False):
            return
    try:
        collection.create_index("key", unique=True)
    except OperationFailure as error:
        if error.code in NOT_AUTHORIZED:
            raise
        raise StorageError(
            f"ledger: no unique index on 'key' of mongodb/{collection.database.name}/{collection.name}: documents share "
            "a key, or there is an index that is not unique. Hint: drop that index, or move the collection elsewhere, "
            "then resume"
        ) from None
