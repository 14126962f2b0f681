"""The changes of one transaction of :class:`SqliteStore`, on their way from the caller to disk and memory."""

from typing import Any

import bson

from interphase_flows.storage.indexed_collection import IndexedCollection
from interphase_flows.storage.sqlite_rows import SqliteRows

__all__ = ["SqliteChanges"]


class SqliteChanges:
    """What one transaction writes: to the disk at once, to the memory once it is committed.

    Parameters
    ----------
    memory
        The documents as they were before.
    rows
        The disk, within a transaction.
    unique_keys
        Fields whose values no two documents may share.
    """

    def __init__(self, memory: IndexedCollection, rows: SqliteRows, unique_keys: list[str]):
        self.memory = memory
        self.unique_keys = unique_keys
        self.bodies: dict[Any, bytes | None] = {}
        self.revision = 0
        self._rows = rows

    def write(self, document: dict) -> Any:
        """Insert or replace; returns the identity."""
        identity = document.setdefault("_id", bson.ObjectId())
        body = bson.encode(document)
        values = {field: _token(document, field) for field in self.unique_keys}
        self.revision = self._rows.write(identity, body, values)
        self.bodies[identity] = body
        return identity

    def delete(self, identity: Any) -> None:
        """Remove."""
        self._rows.delete(identity, self.unique_keys)
        self.bodies[identity] = None

    def claim_all(self, field: str) -> None:
        """Make the values that documents have in a field unique."""
        for document in self.memory:
            self._rows.claim(document["_id"], field, _token(document, field))


def _token(document: dict, field: str) -> bytes | None:
    return bson.encode({"v": document[field]}) if field in document else None
