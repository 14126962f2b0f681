"""Interface between the ledger and the database that stores its documents."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

JsonDocument = dict[str, Any]
"""A document as the database stores it; its fields depend on its kind."""

Criteria = Mapping[str, Any]
"""A filter in MongoDB's query language."""

SortOrder = Mapping[str, int]
"""Fields to sort by, the most significant first: 1 ascending, -1 descending."""

DocumentChange = Callable[[JsonDocument | None], JsonDocument]
"""Returns the new document for the stored one, or for None if there is none."""


class LedgerBackend(Protocol):
    """Documents by kind and key; within a kind, ``key`` is unique.

    Every write is durable and visible to other processes when the method returns.
    """

    def find(
        self, kind: str, criteria: Criteria, fields: Sequence[str] | None, sort: SortOrder, limit: int
    ) -> list[JsonDocument]:
        """Return the matching documents with the given fields (all if None); a limit of 0 means no limit."""

    def count(self, kind: str, criteria: Criteria) -> int:
        """Count the matching documents."""

    def insert(self, kind: str, document: JsonDocument) -> bool:
        """Insert a document; return False, and change nothing, if its key exists."""

    def modify(self, kind: str, key: str, change: DocumentChange) -> JsonDocument:
        """Replace the document of a key by ``change(document)`` atomically, and return the new one.

        ``change`` may be called several times, and may raise to leave the document as it is.
        """

    def add_to_list(self, kind: str, key: str, field: str, value: str) -> None:
        """Add a value to the list in a field of a document unless it is there; a missing document is left so."""

    def remove(self, kind: str, criteria: Criteria) -> None:
        """Remove the matching documents."""

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
