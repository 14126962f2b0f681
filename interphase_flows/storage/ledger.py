"""The ledger: what has been computed, by content key; a result is written once and never changes.

One maggma store per kind of document, with a unique index on ``key``. Looking a key up before computing, and
inserting only if absent after, is all that resuming, double-launched jobs and shared labels need.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import bson
from maggma.stores import MemoryStore
from maggma.stores.mongolike import MongoStore
from pydantic import BaseModel
from pymongo.errors import DuplicateKeyError

from interphase_flows.exceptions import StorageError
from interphase_flows.settings import MongodbSettings
from interphase_flows.storage.indexes import collection_of
from interphase_flows.storage.ledger_entry import (
    KINDS,
    LEDGER_FIELDS,
    MAX_DOCUMENT_BYTES,
    STATE_KINDS,
    make_entry,
)
from interphase_flows.storage.mongodb import MongodbStore, change_document
from interphase_flows.storage.sqlite_store import SqliteStore

__all__ = ["KINDS", "LEDGER_FIELDS", "MAX_DOCUMENT_BYTES", "STATE_KINDS", "Ledger"]

_Model = TypeVar("_Model", bound=BaseModel)


class Ledger:
    """Documents by kind and key.

    Parameters
    ----------
    make_store
        Gives the maggma store of a kind, not yet connected; called once per kind, when it is first needed.
    campaign
        Name written into new documents.
    """

    def __init__(self, make_store: Callable[[str], MongoStore], campaign: str | None = None):
        self._make_store = make_store
        self._stores: dict[str, MongoStore] = {}
        self.campaign = campaign

    @classmethod
    def embedded(cls, path: str | Path, campaign: str | None = None, read_only: bool = False) -> "Ledger":
        """A ledger in one SQLite file."""
        return cls(
            lambda kind: SqliteStore(path, kind, "key", unique_keys=["key"], read_only=read_only), campaign
        )

    @classmethod
    def in_memory(cls, campaign: str | None = None) -> "Ledger":
        """A ledger that ends with the process, for tests and trials."""
        return cls(lambda kind: MemoryStore(kind, key="key"), campaign)

    @classmethod
    def in_mongodb(
        cls, settings: MongodbSettings, campaign: str | None = None, read_only: bool = False
    ) -> "Ledger":
        """A ledger in MongoDB, shared by every campaign of the database."""
        return cls(lambda kind: MongodbStore(collection_of(kind), "key", settings, read_only), campaign)

    def store(self, kind: str) -> MongoStore:
        """The connected maggma store of a kind, for queries this class does not offer.

        Raises
        ------
        StorageError
            If there is no such kind, or the database does not answer.
        """
        if kind not in KINDS:
            raise StorageError(f"ledger: unknown kind {kind!r}; kinds are {', '.join(KINDS)}")
        if kind not in self._stores:
            store = self._make_store(kind)
            store.connect()
            try:
                indexed = store.ensure_index("key", unique=True)
            except BaseException:
                store.close()
                raise
            if not indexed:
                store.close()
                raise StorageError(
                    f"ledger: no unique index on 'key' of {store.name}: documents share a key, or there is an "
                    "index that is not unique. Drop that index, or move the collection away, then resume"
                )
            self._stores[kind] = store
        return self._stores[kind]

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The document of that key, or None."""
        found = self.find(kind, {"key": key}, limit=1)
        return found[0] if found else None

    def get_as(self, kind: str, key: str, model: type[_Model]) -> _Model | None:
        """The document of that key as a pydantic model, or None; fields of the ledger only are left out."""
        document = self.get(kind, key)
        if document is None:
            return None
        own = {k: v for k, v in document.items() if k not in LEDGER_FIELDS or k in model.model_fields}
        return model.model_validate(own)

    def put(self, kind: str, key: str, document: Mapping[str, Any] | BaseModel) -> dict[str, Any]:
        """Write a result, unless its key is there.

        Parameters
        ----------
        kind
            One of :data:`KINDS` but not of :data:`STATE_KINDS`.
        key
            Its content key.
        document
            A mapping or a pydantic model.

        Returns
        -------
        dict
            The document that the ledger holds: this one, or the one that was there first.

        Raises
        ------
        DocumentTooLargeError
            If it is over 1 MB.
        StorageError
            If it cannot be written, or has its own idea of a field of the ledger.
        """
        if kind in STATE_KINDS:
            raise StorageError(f"ledger: {kind!r} holds states that change; use set_state()")
        existing = self.get(kind, key)
        if existing is not None:
            return existing
        complete = make_entry(kind, key, self.campaign, document)
        store = self.store(kind)
        try:
            if isinstance(store, SqliteStore | MongodbStore):
                store.insert(complete)
            else:
                store._collection.insert_one(dict(complete))
        except DuplicateKeyError:
            winner = self.get(kind, key)
            if winner is None:
                raise
            return winner
        return complete

    def set_state(self, kind: str, key: str, document: Mapping[str, Any] | BaseModel) -> dict[str, Any]:
        """Write a state over the one before; ``created_at`` stays that of the first.

        Raises
        ------
        StorageError
            If ``kind`` is not one of :data:`STATE_KINDS`.
        """
        self._must_be_a_state(kind)
        complete = make_entry(kind, key, self.campaign, document)
        complete["updated_at"] = complete["created_at"]
        return self._change(
            kind, key, lambda old: complete | ({"created_at": old["created_at"]} if old else {})
        )

    def claim(self, key: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Write a state of the kind ``progress`` unless there is one of that key; returns the one that holds."""
        complete = make_entry("progress", key, self.campaign, document)
        return self._change("progress", key, lambda old: old or complete)

    def change_state(
        self, kind: str, key: str, change: Callable[[dict[str, Any] | None], dict[str, Any]]
    ) -> dict[str, Any]:
        """Make a new state of the one before, with no other writer in between.

        Parameters
        ----------
        kind, key
            One of :data:`STATE_KINDS`, and its key.
        change
            Takes the state, or None if there is none, and returns the new one; may be called several times. Of two
            writers one wins if the state has a count ``serial`` that every change raises.

        Returns
        -------
        dict
            The state that holds now.
        """
        self._must_be_a_state(kind)

        def complete(old: dict[str, Any] | None) -> dict[str, Any]:
            new = make_entry(kind, key, self.campaign, change(old))
            return new if old is None else new | {"created_at": old["created_at"]}

        return self._change(kind, key, complete)

    def remove_state(self, kind: str, key: str, only_if: Mapping[str, Any]) -> None:
        """Remove a state if its fields are as said; no matter if it is absent."""
        self._must_be_a_state(kind)
        self.store(kind).remove_docs({"key": key, **only_if})

    def record_failure(
        self, kind: str, key: str, reason: str, details: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Write down that the result of a kind and key could not be had; a repetition counts ``tries`` up.

        Parameters
        ----------
        kind, key
            What failed: a result of that kind and key, or one of ``jobs`` before it had any.
        reason
            In a word to query by: ``max_force``, ``not_converged``.
        details
            Numbers and messages.

        Returns
        -------
        dict
            The document: ``failed_kind``, ``failed_key``, ``reason``, ``details``, ``tries``, ``last_at``.
        """
        if kind not in (*KINDS, "jobs"):
            raise StorageError(f"ledger: unknown kind {kind!r}; kinds are {', '.join(KINDS)}")
        failure = {"failed_kind": kind, "failed_key": key, "reason": reason, "details": dict(details or {})}
        complete = make_entry("failures", f"{kind}:{key}", self.campaign, failure)
        complete["last_at"] = complete["created_at"]

        def repeat(old: dict[str, Any] | None) -> dict[str, Any]:
            if old is None:
                return complete | {"tries": 1}
            return complete | {"tries": old["tries"] + 1, "created_at": old["created_at"]}

        return self._change("failures", complete["key"], repeat)

    def failure(self, kind: str, key: str) -> dict[str, Any] | None:
        """The failure on record of a kind and key, or None."""
        return self.get("failures", f"{kind}:{key}")

    def invalidate(self, kind: str, key: str, reason: str) -> None:
        """Move a document to the failures, so that its result is computed again; no matter if it is absent.

        Parameters
        ----------
        kind, key
            Whose artifact, say, is damaged.
        reason
            Why, in a word.
        """
        document = self.get(kind, key)
        if document is None:
            return
        # near the limit, the record around it would push it over
        fits = len(bson.encode(document)) < MAX_DOCUMENT_BYTES // 2
        kept = document if fits else {field: document.get(field) for field in LEDGER_FIELDS}
        self.record_failure(kind, key, reason, {"invalidated": kept})
        self.store(kind).remove_docs({"key": key})

    def find(
        self,
        kind: str,
        criteria: Mapping[str, Any] | None = None,
        properties: list[str] | None = None,
        sort: Mapping[str, int] | None = None,
        limit: int = 0,
    ) -> list[dict[str, Any]]:
        """Documents that match.

        Parameters
        ----------
        kind
            One of :data:`KINDS`.
        criteria
            A filter of MongoDB; all if None.
        properties
            Fields to return; all if None.
        sort
            Fields to sort by: 1 ascending, -1 descending; oldest first if None.
        limit
            At most so many; 0 is all.
        """
        by = dict(sort or {"created_at": 1})
        store = self.store(kind)
        found = list(store.query(dict(criteria or {}), properties, by, limit=limit))
        for document in found:
            document.pop("_id", None)
        return found

    def count(self, kind: str, criteria: Mapping[str, Any] | None = None) -> int:
        """How many documents match."""
        return int(self.store(kind).count(dict(criteria or {})))

    def close(self) -> None:
        """Close the stores; the next use opens them again."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()

    def _must_be_a_state(self, kind: str) -> None:
        if kind not in STATE_KINDS:
            raise StorageError(
                f"ledger: {kind!r} is written once; states are {', '.join(STATE_KINDS)}; use put()"
            )

    def _change(
        self, kind: str, key: str, change: Callable[[dict[str, Any] | None], dict[str, Any]]
    ) -> dict[str, Any]:
        store = self.store(kind)
        if isinstance(store, SqliteStore):
            changed = store.modify({"key": key}, change)
        elif isinstance(store, MongodbStore):
            changed = store.change(key, change)
        else:
            changed = change_document(store, key, change)
        return {field: value for field, value in changed.items() if field != "_id"}
