"""Documents in memory, found by the value of a field without looking at every one of them.

mongomock scans a whole collection for every query, so that n updates into N documents cost n*N. Here a few
fields carry an index; an index answers with a superset of what matches, and mongomock filters that.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import mongomock_ng as mongomock
from maggma.stores import MemoryStore
from mongomock_ng.filtering import filter_applies

__all__ = ["FieldIndex", "IndexedCollection"]


class FieldIndex:
    """Identities of documents by the value of a field.

    Parameters
    ----------
    field
        A top-level field.
    """

    def __init__(self, field: str):
        self.field = field
        # dicts as ordered sets: candidates come in the order of insertion, like a scan
        self._by_value: dict[Any, dict[Any, None]] = {}
        # lists and sub-documents match in ways of their own (an element, a whole): always candidates
        self._others: dict[Any, None] = {}

    def add(self, identity: Any, document: Mapping[str, Any]) -> None:
        """Note a document."""
        value = document.get(self.field)
        if isinstance(value, list | dict):
            self._others[identity] = None
        else:
            self._by_value.setdefault(value, {})[identity] = None

    def discard(self, identity: Any, document: Mapping[str, Any]) -> None:
        """Forget a document as it was noted."""
        value = document.get(self.field)
        if isinstance(value, list | dict):
            self._others.pop(identity, None)
            return
        same_value = self._by_value.get(value, {})
        same_value.pop(identity, None)
        if not same_value:
            self._by_value.pop(value, None)

    def candidates(self, condition: Any) -> list[Any] | None:
        """Identities that may satisfy ``{field: condition}``, or None if any document may."""
        if isinstance(condition, Mapping):
            return self._union(condition["$in"]) if set(condition) == {"$in"} else None
        return self._union([condition])

    def _union(self, values: Iterable[Any]) -> list[Any] | None:
        found: dict[Any, None] = {}
        for value in values:
            # None also matches absent fields; patterns and containers match by rules of their own
            if not isinstance(value, str | int | float):
                return None
            found.update(self._by_value.get(value, {}))
        return [*found, *(identity for identity in self._others if identity not in found)]


class IndexedCollection:
    """A mongomock collection with an index per field of interest.

    Parameters
    ----------
    name
        Name of the collection.
    """

    def __init__(self, name: str):
        self.collection: Any = mongomock.MongoClient().db[name]
        self._indexes: dict[str, FieldIndex] = {}
        # mongomock offers no public way to put a document without a scan; its own store is a dict by identity
        self._documents: Any = self.collection._store

    def __len__(self) -> int:
        return len(self._documents)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The documents themselves, in order of insertion: not to be changed."""
        return iter(list(self._documents.documents))

    def get(self, identity: Any) -> dict[str, Any]:
        """The document of that identity itself: not to be changed."""
        return self._documents[identity]

    def put(self, document: dict[str, Any]) -> None:
        """Insert a document, or replace the one of the same identity; it is not copied."""
        identity = document["_id"]
        self.drop(identity, keep_place=True)
        self._documents[identity] = document
        for index in self._indexes.values():
            index.add(identity, document)

    def drop(self, identity: Any, keep_place: bool = False) -> None:
        """Remove a document if it is there; with ``keep_place``, only from the indexes."""
        if identity not in self._documents:
            return
        for index in self._indexes.values():
            index.discard(identity, self._documents[identity])
        if not keep_place:
            del self._documents[identity]

    def index(self, field: str) -> None:
        """Index a field from now on."""
        if field in self._indexes:
            return
        self._indexes[field] = index = FieldIndex(field)
        for document in self:
            index.add(document["_id"], document)

    def matching(self, criteria: Mapping[str, Any] | None) -> list[Any]:
        """Identities of the documents that match, in order of insertion."""
        found = self._candidates(criteria)
        documents = self if found is None else map(self.get, found)
        return [document["_id"] for document in documents if filter_applies(criteria or {}, document)]

    def narrowed(self, criteria: Mapping[str, Any] | None) -> MemoryStore | None:
        """A store with no documents but those that may match, or None if any may."""
        found = self._candidates(criteria)
        if found is None:
            return None
        store = MemoryStore()
        store.connect()
        for identity in found:
            store._collection._store[identity] = self.get(identity)
        return store

    def _candidates(self, criteria: Mapping[str, Any] | None) -> list[Any] | None:
        best: list[Any] | None = None
        for field, condition in (criteria or {}).items():
            if field in self._indexes:
                found = self._indexes[field].candidates(condition)
                if found is not None and (best is None or len(found) < len(best)):
                    best = found
        return best
