"""SQLite backend of the ledger: one file, one row per document, MongoDB's query language.

Documents are stored as BSON with a checksum. A rollback journal with ``synchronous=FULL`` makes every commit durable.
It is preferred to a write-ahead log because that needs memory shared by all readers, which home folders on NFS or
Lustre do not provide, and because a copy of the single file is then a complete backup.
"""

import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bson
from bson.errors import BSONError
from mongomock_ng.filtering import filter_applies, resolve_sort_key

from interphase_flows.exceptions import CorruptStoreError, DiskFullError, LockedError, StorageError
from interphase_flows.storage.ledger_backend import Criteria, DocumentChange, JsonDocument, SortOrder
from interphase_flows.storage.sqlite_check import check_database

RECOVERY_HINT = (
    "Hint: restore the file from a backup, then resume; or move it and the file with the suffix -journal elsewhere, and "
    "start the campaign again by interphase run FILE: results are computed again, from checkpoints in the work folders "
    "where they exist; artifacts remain"
)
_BUSY_TIMEOUT_S = 30.0


class SqliteBackend:
    """Documents of all kinds in one SQLite file; implements `LedgerBackend`.

    A key is looked up by an index. Other criteria are evaluated on every document of the kind. Several processes, and
    several threads of each, may use one file. The complete file is checked when it is opened. It is created with its
    folder by the first operation; for a read-only backend a missing file is empty.

    Raises
    ------
    StorageError
        By every method, if the file cannot be opened, read or written; a failed write changes nothing.
    CorruptStoreError
        By every method, if the file is damaged.
    LockedError
        By methods that write, if another process has been writing for 30 s.
    """

    def __init__(self, path: str | Path, read_only: bool = False):
        self.path = Path(path)
        self.read_only = read_only
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        # A connection must not be used by, or closed in, a forked child: the child opens its own.
        self._pid = os.getpid()
        self._inherited: list[sqlite3.Connection] = []

    def find(
        self,
        kind: str,
        criteria: Criteria,
        fields: Sequence[str] | None = None,
        sort: SortOrder | None = None,
        limit: int = 0,
    ) -> list[JsonDocument]:
        """Return the matching documents; see `LedgerBackend`. Unsorted, they come in order of insertion."""
        order = sort or {}
        found = [
            ([resolve_sort_key(field, document) for field in order], _project(document, fields))
            for _, document in self._matching(kind, criteria)
        ]
        for position, direction in reversed(list(enumerate(order.values()))):
            found.sort(key=lambda pair: pair[0][position], reverse=direction < 0)
        return [document for _, document in (found[:limit] if limit else found)]

    def count(self, kind: str, criteria: Criteria) -> int:
        """Count the matching documents."""
        if criteria:
            return sum(1 for _ in self._matching(kind, criteria))
        with self._opened() as connection:
            if connection is None:
                return 0
            (row,) = connection.execute("SELECT count(*) FROM documents WHERE kind = ?", (kind,))
            return int(row[0])

    def insert(self, kind: str, document: JsonDocument) -> bool:
        """Insert a document; return False, and change nothing, if its key exists."""
        body = bson.encode(document)
        with self._transaction() as connection:
            inserted = connection.execute(
                "INSERT INTO documents (kind, key, crc, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (kind, document["key"], zlib.crc32(body), body),
            )
            return inserted.rowcount == 1

    def modify(self, kind: str, key: str, change: DocumentChange) -> JsonDocument:
        """Replace the document of a key by ``change(document)`` in one transaction, and return the new one."""
        with self._transaction() as connection:
            _, old = next(self._matching(kind, {"key": key}), (0, None))
            new = change(old)
            _replace(connection, kind, new)
        return new

    def add_to_list(self, kind: str, key: str, field: str, value: str) -> None:
        """Add a value to the list in a field of a document; see `LedgerBackend`."""
        with self._transaction() as connection:
            for _, document in list(self._matching(kind, {"key": key})):
                values = document.get(field) or []
                if value not in values:
                    _replace(connection, kind, document | {field: [*values, value]})

    def remove(self, kind: str, criteria: Criteria) -> None:
        """Remove the matching documents in one transaction."""
        with self._transaction() as connection:
            numbers = [(number,) for number, _ in self._matching(kind, criteria)]
            connection.executemany("DELETE FROM documents WHERE number = ?", numbers)

    def close(self) -> None:
        """Close the file; the next operation opens it again."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None

    def _matching(self, kind: str, criteria: Criteria) -> Iterator[tuple[int, JsonDocument]]:
        """Yield row numbers and documents that match, in order of insertion."""
        sql, values = "SELECT number, crc, body FROM documents WHERE kind = ?", [kind]
        keys = _required_keys(criteria)
        if keys is None:
            sql += " ORDER BY number"
        else:  # the unary plus keeps SQLite from scanning the kind in its order instead of looking keys up
            sql += " AND key IN (SELECT value FROM json_each(?)) ORDER BY +number"
            values.append(json.dumps(keys))
        with self._opened() as connection:
            for number, crc, body in () if connection is None else connection.execute(sql, values):
                if zlib.crc32(body) != crc:
                    raise self._corrupt(f"row {number} of {kind} fails its checksum")
                document = bson.decode(body)
                if filter_applies(criteria, document):
                    yield number, document

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit all writes of the block, or none; no other process writes meanwhile."""
        if self.read_only:
            raise StorageError(
                f"{self.path}: opened read-only. Hint: open the workspace without read_only=True to write"
            )
        with self._opened() as connection:
            assert connection is not None  # only a reader may find no file
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection | None]:
        """Lock and yield the connection, or None for a reader of a file without documents; translate errors."""
        with self._lock, self._translated_errors():
            if self._connection is not None and self._pid != os.getpid():
                self._inherited.append(self._connection)
                self._connection = None
            if self._connection is None:
                self._connection, self._pid = self._connect(), os.getpid()
            yield self._connection

    def _connect(self) -> sqlite3.Connection | None:
        if self.read_only and not self.path.exists():
            return None
        # A reader too opens for writing where permitted: it must roll back the journal of a killed writer.
        writable = not self.read_only or os.access(self.path, os.W_OK)
        if not self.read_only:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()  # with the permissions of the umask: SQLite would deny writing to the group
        mode = ("rw" if self.read_only else "rwc") if writable else "ro"
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=_BUSY_TIMEOUT_S,
        )
        try:
            connection.execute("PRAGMA synchronous=FULL")
            if not self.read_only:
                connection.execute("PRAGMA journal_mode=TRUNCATE")
            else:
                connection.execute("PRAGMA query_only=ON")
            if check_database(connection, create=not self.read_only):
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
        return None

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            text = str(error)
            if "locked" in text or "busy" in text:
                raise LockedError(
                    f"{self.path}: another process has been writing for {_BUSY_TIMEOUT_S:.0f} s. "
                    "Hint: wait for it, or stop it, then resume"
                ) from error
            # "unsupported file format" is from the header, "Could not decode" from the schema
            if any(each in text for each in ("malformed", "unsupported file format", "Could not decode")):
                raise self._corrupt(text) from error
            if "full" in text:
                raise DiskFullError(
                    f"{self.path}: {text}; all committed documents are intact. Hint: free some space, then resume"
                ) from error
            raise StorageError(
                f"{self.path}: {text}; all committed documents are intact. Hint: make the folder writable, then resume"
            ) from error
        except (sqlite3.DatabaseError, BSONError, UnicodeDecodeError) as error:  # the last from an error of the schema
            raise self._corrupt(str(error)) from error
        except OSError as error:
            raise StorageError(
                f"{self.path}: the folder is not usable: {error.strerror}. "
                "Hint: set `root` in the settings to another folder"
            ) from error

    def _corrupt(self, reason: str) -> CorruptStoreError:
        return CorruptStoreError(f"{self.path}: the document store is damaged ({reason}). {RECOVERY_HINT}")


def _replace(connection: sqlite3.Connection, kind: str, document: JsonDocument) -> None:
    """Write a document in place of the one of its key, if there is one."""
    body = bson.encode(document)
    connection.execute(
        "INSERT INTO documents (kind, key, crc, body) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (kind, key) DO UPDATE SET crc = excluded.crc, body = excluded.body",
        (kind, document["key"], zlib.crc32(body), body),
    )


def _required_keys(criteria: Criteria) -> list[str] | None:
    """Return the only keys that can satisfy the criteria, or None if any key may."""
    condition: Any = criteria.get("key")
    if isinstance(condition, str):
        return [condition]
    if isinstance(condition, dict) and set(condition) == {"$in"}:
        keys = list(condition["$in"])
        if all(isinstance(key, str) for key in keys):
            return keys
    return None


def _project(document: JsonDocument, fields: Sequence[str] | None) -> JsonDocument:
    """Return the given fields of a document, all if None; dots select fields of sub-documents."""
    if fields is None:
        return document
    nested: dict[str, list[str] | None] = {}
    for field in fields:
        root, _, rest = field.partition(".")
        selected = nested.setdefault(root, [])
        if not rest:
            nested[root] = None
        elif selected is not None:
            selected.append(rest)
    projected = {}
    for root, value in document.items():
        if root in nested:
            inner = nested[root]
            if inner is None:
                projected[root] = value
            elif isinstance(value, dict):
                projected[root] = _project(value, inner)
            elif isinstance(value, list):
                projected[root] = [_project(item, inner) for item in value if isinstance(item, dict)]
    return projected
