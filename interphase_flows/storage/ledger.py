"""Ledger of results: documents by kind and content key, written once.

A job looks its key up before it computes, and inserts its result only if the key is absent. This makes resuming,
launching a job twice, and sharing labels between campaigns safe.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import bson
from pydantic import BaseModel, ValidationError

from interphase_flows.exceptions import StorageError
from interphase_flows.settings import MongodbSettings
from interphase_flows.storage.ledger_backend import (
    Criteria,
    DocumentChange,
    JsonDocument,
    LedgerBackend,
    SortOrder,
)
from interphase_flows.storage.ledger_entry import (
    KINDS,
    LEDGER_FIELDS,
    MAX_DOCUMENT_BYTES,
    STATE_KINDS,
    invalid_document,
    make_entry,
    of_campaign,
)
from interphase_flows.storage.mongodb_backend import MongodbBackend
from interphase_flows.storage.sqlite_backend import SqliteBackend

__all__ = ["KINDS", "LEDGER_FIELDS", "MAX_DOCUMENT_BYTES", "STATE_KINDS", "Ledger", "of_campaign"]

INVALIDATED = "invalidated"
"""Detail of a failure: the document that was removed, to compute its result again."""

_Model = TypeVar("_Model", bound=BaseModel)


class Ledger:
    """Results and states of campaigns by kind and key.

    Raises
    ------
    StorageError
        By every method, for an unknown kind, or if the database does not respond.
    """

    def __init__(self, backend: LedgerBackend, campaign: str | None = None):
        self.backend = backend
        self.campaign = campaign

    @classmethod
    def embedded(cls, path: str | Path, campaign: str | None = None, read_only: bool = False) -> "Ledger":
        """Return a ledger in one SQLite file."""
        return cls(SqliteBackend(path, read_only), campaign)

    @classmethod
    def in_mongodb(cls, settings: MongodbSettings, campaign: str | None = None, read_only: bool = False) -> "Ledger":
        """Return a ledger in MongoDB, shared by all campaigns of the database."""
        return cls(MongodbBackend(settings, read_only), campaign)

    def get(self, kind: str, key: str) -> JsonDocument | None:
        """Return the document of a key, or None."""
        found = self.find(kind, {"key": key}, limit=1)
        return found[0] if found else None

    def get_as(self, kind: str, key: str, model: type[_Model]) -> _Model | None:
        """Return the document of a key as a pydantic model, or None; fields of the ledger alone are left out.

        Raises
        ------
        CorruptStoreError
            It does not have the fields of the model.
        """
        document = self.get(kind, key)
        if document is None:
            return None
        own = {k: v for k, v in document.items() if k not in LEDGER_FIELDS or k in model.model_fields}
        try:
            return model.model_validate(own)
        except ValidationError as error:
            raise invalid_document(kind, key, error) from error

    def put(self, kind: str, key: str, document: JsonDocument | BaseModel) -> JsonDocument:
        """Write a result unless its key exists; return the stored document, this one or the one that was stored first.

        Raises
        ------
        DocumentTooLargeError
            It is over 1 MB.
        StorageError
            It cannot be written, or conflicts with a field of the ledger.
        """
        if kind in STATE_KINDS:
            raise StorageError(f"ledger: {kind!r} holds states that change; use set_state()")
        existing = self.get(kind, key)
        if existing is not None:
            return existing
        entry = make_entry(kind, key, self.campaign, document)
        if self.backend.insert(kind, entry):
            return entry
        return self.get(kind, key) or entry

    def mark_used(self, kind: str, document: JsonDocument) -> None:
        """Record that this campaign uses a stored result, which another one may have computed."""
        campaign = self.campaign
        if campaign is not None and campaign not in document.get("used_by", [document.get("campaign")]):
            self.backend.add_to_list(kind, document["key"], "used_by", campaign)

    def add_copy(self, kind: str, document: JsonDocument) -> JsonDocument:
        """Store a result of another ledger, with its campaign and time, unless its key exists; return the stored."""
        users = document.get("used_by", [document.get("campaign")])
        copy = document | {"used_by": [*users, *({self.campaign} - {*users})]}
        self.backend.insert(kind, copy)
        return self.get(kind, document["key"]) or copy

    def set_state(self, kind: str, key: str, document: JsonDocument | BaseModel) -> JsonDocument:
        """Write or replace a state; ``created_at`` remains that of the first.

        Raises
        ------
        StorageError
            ``kind`` is not one of :data:`STATE_KINDS`.
        """
        _check_state_kind(kind)
        entry = make_entry(kind, key, self.campaign, document)
        entry["updated_at"] = entry["created_at"]
        return self.backend.modify(kind, key, lambda old: entry | ({"created_at": old["created_at"]} if old else {}))

    def claim(self, key: str, document: JsonDocument) -> JsonDocument:
        """Write a state of the kind ``progress`` unless its key exists; return the stored one."""
        entry = make_entry("progress", key, self.campaign, document)
        return self.backend.modify("progress", key, lambda old: old or entry)

    def change_state(self, kind: str, key: str, change: DocumentChange) -> JsonDocument:
        """Replace a state by ``change(state)`` atomically, and return the new one.

        ``change`` takes the state, or None if there is none, and may be called several times. Of two concurrent writers
        one succeeds if the state has a counter ``serial`` that every change raises.
        """
        _check_state_kind(kind)

        def entry(old: JsonDocument | None) -> JsonDocument:
            new = make_entry(kind, key, self.campaign, change(old))
            return new if old is None else new | {"created_at": old["created_at"]}

        return self.backend.modify(kind, key, entry)

    def remove_state(self, kind: str, key: str, only_if: Criteria | None = None) -> None:
        """Remove a state if it exists and its fields match ``only_if``."""
        _check_state_kind(kind)
        self.backend.remove(kind, {"key": key, **(only_if or {})})

    def record_failure(self, kind: str, key: str, reason: str, details: JsonDocument | None = None) -> JsonDocument:
        """Record that the result of a kind and key could not be computed; a repetition raises ``tries``.

        The kind is ``jobs`` for a job that failed before it had a key. ``reason`` is an identifier for queries, such as
        ``max_force``; ``details`` are numbers and messages. The document of an earlier :meth:`invalidate` stays in them.
        """
        if kind != "jobs":
            _check_kind(kind)
        failure = {"failed_kind": kind, "failed_key": key, "reason": reason, "details": dict(details or {})}
        entry = make_entry("failures", f"{kind}:{key}", self.campaign, failure)
        entry["last_at"] = entry["created_at"]

        def repeat(old: JsonDocument | None) -> JsonDocument:
            if old is None:
                return entry | {"tries": 1}
            users = list(dict.fromkeys([*old.get("used_by", [old["campaign"]]), *entry["used_by"]]))
            details = {field: value for field, value in old["details"].items() if field == INVALIDATED} | entry[
                "details"
            ]
            kept = {"created_at": old["created_at"], "used_by": users, "details": details}
            return entry | kept | {"tries": old["tries"] + 1}

        return self.backend.modify("failures", entry["key"], repeat)

    def failure(self, kind: str, key: str) -> JsonDocument | None:
        """Return the recorded failure of a kind and key, or None."""
        return self.get("failures", f"{kind}:{key}")

    def invalidate(self, kind: str, key: str, reason: str) -> None:
        """Move a document, if it exists, to the failures, so that its result is computed again."""
        document = self.get(kind, key)
        if document is None:
            return
        # a document near the size limit would exceed it with the record around it
        fits = len(bson.encode(document)) < MAX_DOCUMENT_BYTES // 2
        stored = document if fits else {field: document.get(field) for field in LEDGER_FIELDS}
        self.record_failure(kind, key, reason, {INVALIDATED: stored})
        self.backend.remove(kind, {"key": key})

    def find(
        self,
        kind: str,
        criteria: Criteria | None = None,
        properties: Sequence[str] | None = None,
        sort: SortOrder | None = None,
        limit: int = 0,
    ) -> list[JsonDocument]:
        """Return matching documents, oldest first unless sorted.

        ``criteria`` is a filter in MongoDB's query language, ``properties`` are the fields to return, ``sort`` has 1
        for ascending and -1 for descending; a ``limit`` of 0 means no limit.
        """
        _check_kind(kind)
        return self.backend.find(kind, criteria or {}, properties, sort or {"created_at": 1}, limit)

    def count(self, kind: str, criteria: Criteria | None = None) -> int:
        """Count matching documents."""
        _check_kind(kind)
        return self.backend.count(kind, criteria or {})

    def close(self) -> None:
        """Close the database; the next use opens it again."""
        self.backend.close()


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise StorageError(f"ledger: unknown kind {kind!r}; kinds are {', '.join(KINDS)}")


def _check_state_kind(kind: str) -> None:
    if kind not in STATE_KINDS:
        raise StorageError(f"ledger: {kind!r} is written once; states are {', '.join(STATE_KINDS)}; use put()")
