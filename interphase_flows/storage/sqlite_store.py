"""An embedded maggma store: documents in memory for queries, in one SQLite file for good.

It behaves as maggma's ``MemoryStore`` does, and writes through: an ``update`` or ``remove_docs`` is one
transaction, durable when it returns, whole or absent after a crash. The cost of a write depends on what
changes, not on what is stored. Several stores, also of several processes, may share a file: each sees what
the others committed.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bson
from maggma.core import Sort, StoreError
from maggma.stores import MemoryStore
from monty.json import jsanitize
from pymongo.errors import DuplicateKeyError

from interphase_flows.storage.indexed_collection import IndexedCollection
from interphase_flows.storage.ledger_entry import check_size
from interphase_flows.storage.sqlite_changes import SqliteChanges
from interphase_flows.storage.sqlite_rows import SqliteRows

__all__ = ["SqliteStore"]

_Sort = dict[str, Sort | int]


class SqliteStore(MemoryStore):
    """A maggma store in one file.

    Parameters
    ----------
    path
        The SQLite file; several collections may share it.
    collection_name
        The collection; a table of the file.
    key
        The field that tells documents apart in ``update``.
    unique_keys
        Fields whose values no two documents may share (an absent field is not compared).
    read_only
        Refuse to write; an absent file reads as empty.
    kwargs
        Further arguments of maggma's ``Store``.

    Notes
    -----
    Writes through ``_collection`` would stay in memory; nothing in maggma or jobflow makes any.
    """

    def __init__(
        self,
        path: str | Path,
        collection_name: str = "documents",
        key: str = "uuid",
        unique_keys: list[str] | tuple[str, ...] = (),
        read_only: bool = False,
        **kwargs: Any,
    ):
        super().__init__(collection_name=collection_name, key=key, **kwargs)
        self.kwargs = kwargs
        self.path = str(path)
        self.unique_keys = list(unique_keys)
        self.read_only = read_only
        self._lock = threading.RLock()
        self._forget()

    def _forget(self) -> None:
        self._coll: Any = None
        self._memory: IndexedCollection | None = None
        self._rows: SqliteRows | None = None
        self._revision = 0
        self._version: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """Where the documents are."""
        return f"sqlite://{self.path}/{self.collection_name}"

    def connect(self, force_reset: bool = False) -> None:
        """Open the file and load its documents.

        Raises
        ------
        CorruptStoreError
            If the file is damaged.
        StorageError
            If it cannot be opened.
        """
        if self._coll is None or force_reset:
            self.close()
            self._rows = SqliteRows(Path(self.path), self.collection_name, self.read_only)
            self._load()

    def close(self) -> None:
        """Close the file."""
        if self._rows is not None:
            self._rows.close()
        self._forget()

    @property
    def _collection(self) -> Any:
        """The documents as of now, as a mongomock collection."""
        if self._coll is not None:
            with self._lock:
                self._refresh()
        return super()._collection

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
        """Documents that match, as ``MongoStore.query`` finds them."""
        narrowed = self._narrowed(criteria)
        query = super().query if narrowed is None else narrowed.query
        yield from query(criteria, properties, sort, hint, skip, limit, **kwargs)

    def count(self, criteria: dict | None = None, hint: _Sort | None = None) -> int:
        """How many documents match."""
        narrowed = self._narrowed(criteria)
        return int(super().count(criteria, hint) if narrowed is None else narrowed.count(criteria, hint))

    def update(self, docs: list[dict] | dict, key: list | str | None = None) -> None:
        """Insert documents, or replace those with the same key, in one transaction.

        Parameters
        ----------
        docs
            A document or several.
        key
            Field or fields that tell documents apart; the store's own key if None.

        Raises
        ------
        DocumentTooLargeError
            If one is over 1 MB; nothing was then changed.
        StorageError
            If the file cannot be written; nothing was then changed.
        pymongo.errors.DuplicateKeyError
            If a unique value is taken; nothing was then changed.
        """
        fields = key or self.key
        fields = [fields] if isinstance(fields, str) else list(fields)
        valid = [d for d in map(_plain, docs if isinstance(docs, list) else [docs]) if self._is_valid(d)]
        if not valid:
            return
        for document in valid:
            check_size(f"{self.name}: {document.get('name', document.get(self.key))}", document)
        with self._changes() as changes:
            for field in fields:
                changes.memory.index(field)
            placed: dict[bytes, Any] = {}
            for document in valid:
                wanted = {field: document[field] for field in fields}
                token = bson.encode(wanted)
                found = [placed[token]] if token in placed else changes.memory.matching(wanted)
                if found:
                    document["_id"] = found[0]
                placed[token] = changes.write(document)

    def insert(self, document: dict) -> None:
        """Insert one document, and refuse to replace any.

        Raises
        ------
        pymongo.errors.DuplicateKeyError
            If a unique value is taken, by whichever process.
        """
        document = _plain(document)
        with self._changes() as changes:
            if "_id" in document and changes.memory.matching({"_id": document["_id"]}):
                raise DuplicateKeyError(f"E11000 duplicate key in {self.name}: field '_id'", 11000)
            changes.write(document)

    def modify(self, criteria: dict, change: Callable[[dict | None], dict]) -> dict:
        """Read a document, change it, write it back, with no other writer in between.

        Parameters
        ----------
        criteria
            Finds the document; the first that matches is meant.
        change
            Takes the document, or None if there is none, and returns the new one.

        Returns
        -------
        dict
            The new document.
        """
        with self._changes() as changes:
            found = changes.memory.matching(criteria)
            old = bson.decode(bson.encode(changes.memory.get(found[0]))) if found else None
            document = _plain(change(old))
            if found:
                document["_id"] = found[0]
            changes.write(document)
        return document

    def remove_docs(self, criteria: dict) -> None:
        """Remove the documents that match, in one transaction."""
        with self._changes() as changes:
            for identity in changes.memory.matching(criteria):
                changes.delete(identity)

    def ensure_index(self, key: str, unique: bool | None = False) -> bool:
        """Index a top-level field; with ``unique``, False if documents already share a value."""
        if self.read_only or not unique or key in self.unique_keys:
            with self._lock:
                self._connected()[0].index(key)
            return True
        try:
            with self._changes() as changes:
                changes.memory.index(key)
                changes.unique_keys.append(key)
                changes.claim_all(key)
        except DuplicateKeyError:
            return False
        self.unique_keys.append(key)
        return True

    def __eq__(self, other: object) -> bool:
        """Two stores are equal if they are the same collection of the same file."""
        return isinstance(other, SqliteStore) and self.name == other.name

    def __hash__(self) -> int:
        """Hash of the name."""
        return hash(self.name)

    def _is_valid(self, document: dict) -> bool:
        if self.validator is None or self.validator.is_valid(document):
            return True
        if self.validator.strict:
            raise ValueError(self.validator.validation_errors(document))
        self.logger.error(self.validator.validation_errors(document))
        return False

    def _connected(self) -> tuple[IndexedCollection, SqliteRows]:
        if self._memory is None or self._rows is None:
            raise StoreError(f"{self.name}: connect() the store before using it")
        return self._memory, self._rows

    def _load(self) -> None:
        """Read every document from the file."""
        self._memory = IndexedCollection(self.collection_name)
        for field in {self.key, *self.unique_keys} if isinstance(self.key, str) else self.unique_keys:
            self._memory.index(field)
        self._coll = self._memory.collection
        self._revision, self._version = 0, None
        self._read_newer()

    def _refresh(self) -> None:
        """Take over what other connections committed since the last look."""
        memory, rows = self._connected()
        if rows.version() != self._version:
            self._read_newer()
            if len(memory) != rows.count():  # something was removed
                self._load()

    def _read_newer(self) -> None:
        memory, rows = self._connected()
        # the version before the rows: a commit in between is then read twice, not never
        version = rows.version()
        revision, documents = rows.newer_than(self._revision)
        for document in documents:
            memory.put(document)
        self._revision, self._version = revision, version

    def _narrowed(self, criteria: dict | None) -> MemoryStore | None:
        if not criteria or self._coll is None:
            return None
        with self._lock:
            self._refresh()
            memory, _ = self._connected()
            narrowed = memory.narrowed(criteria)
        if narrowed is not None:
            narrowed.default_sort = self.default_sort
        return narrowed

    @contextmanager
    def _changes(self) -> Iterator[SqliteChanges]:
        """One transaction; what it wrote reaches the memory once it is on the disk."""
        with self._lock:
            _, rows = self._connected()
            with rows.transaction():
                self._refresh()
                memory, _ = self._connected()
                changes = SqliteChanges(memory, rows, list(self.unique_keys))
                yield changes
            for identity, body in changes.bodies.items():
                if body is None:
                    memory.drop(identity)
                else:
                    memory.put(bson.decode(body))
            self._revision = max(self._revision, changes.revision)


def _plain(document: dict) -> dict:
    # as MongoStore.update does: numpy, MSONable and pathlib become what BSON can hold
    return jsanitize(document, allow_bson=True, recursive_msonable=True)
