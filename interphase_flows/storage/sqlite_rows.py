"""Documents as rows of one SQLite file: the part of :class:`SqliteStore` that touches the disk.

A collection is a table with a row per document (BSON, with a checksum), and a table of values that must be
unique. A rollback journal with ``synchronous=FULL`` makes every commit durable; it is preferred to a
write-ahead log because that one needs memory shared by all readers, which a home folder on NFS or Lustre does
not give, and because a copy of the one file is then a whole backup.
"""

import os
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bson
from bson.errors import BSONError
from pymongo.errors import DuplicateKeyError

from interphase_flows.exceptions import CorruptStoreError, LockedError, StorageError

__all__ = ["SqliteRows"]

_BUSY_TIMEOUT_S = 30.0
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")


class SqliteRows:
    """The rows of one collection in one file.

    Parameters
    ----------
    path
        The SQLite file; made with its folder unless ``read_only``.
    collection_name
        Letters, digits, ``_``, ``.``, ``-``.
    read_only
        Refuse to write; an absent file or table then reads as empty.

    Raises
    ------
    StorageError
        If the name cannot be a table, or the file cannot be opened.
    CorruptStoreError
        If the file is damaged.
    """

    def __init__(self, path: Path, collection_name: str, read_only: bool = False):
        if not _NAME.fullmatch(collection_name) or collection_name.lower().startswith("sqlite_"):
            raise StorageError(
                f"{path}: {collection_name!r} cannot name a collection; use letters, digits, '_', '.' and "
                "'-', starting with a letter"
            )
        self.path = path
        self.read_only = read_only
        self._table = f'"{collection_name}"'
        self._unique = f'"{collection_name}:unique"'
        self._connection: sqlite3.Connection | None = None
        # A connection must not be used by, or closed in, a forked child: the child opens its own.
        self._pid = os.getpid()
        self._inherited: list[sqlite3.Connection] = []
        self.open()

    def open(self) -> bool:
        """Open the file unless it is open; False if there is nothing to read yet."""
        if self._connection is not None and self._pid != os.getpid():
            self._inherited.append(self._connection)
            self._connection = None
        if self._connection is not None:
            return True
        if self.read_only and not self.path.exists():
            return False
        with self._in_words():
            self._connection = self._connect()
        self._pid = os.getpid()
        return True

    def _connect(self) -> sqlite3.Connection:
        # A reader too opens for writing where it may: to read, it must roll back a killed writer's journal.
        writable = not self.read_only or os.access(self.path, os.W_OK)
        if not self.read_only:
            self.path.parent.mkdir(parents=True, exist_ok=True)
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
            if self.read_only:
                connection.execute("PRAGMA query_only=ON")
                return connection
            connection.execute("PRAGMA journal_mode=TRUNCATE")
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {self._table} (born INTEGER PRIMARY KEY AUTOINCREMENT, "
                "id BLOB NOT NULL UNIQUE, revision INTEGER NOT NULL UNIQUE, crc INTEGER NOT NULL, "
                "body BLOB NOT NULL)"
            )
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {self._unique} (field TEXT NOT NULL, id BLOB NOT NULL, "
                "value BLOB NOT NULL, PRIMARY KEY (field, id), UNIQUE (field, value)) WITHOUT ROWID"
            )
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None and self._pid == os.getpid():
            self._connection.close()
        self._connection = None

    def version(self) -> tuple[int, int]:
        """Changes when another connection has committed, or when this process was forked."""
        if not self.open():
            return os.getpid(), -1
        return os.getpid(), int(self._execute("PRAGMA data_version").fetchone()[0])

    def count(self) -> int:
        """How many documents there are."""
        if not self._has_table():
            return 0
        return int(self._execute(f"SELECT count(*) FROM {self._table}").fetchone()[0])

    def newer_than(self, revision: int) -> tuple[int, list[dict[str, Any]]]:
        """The documents changed since ``revision``, oldest first, and the revision they lead to.

        Raises
        ------
        CorruptStoreError
            If a row is not what was written.
        """
        if not self._has_table():
            return revision, []
        sql = f"SELECT revision, crc, body FROM {self._table} WHERE revision > ? ORDER BY born"
        documents = []
        with self._in_words():
            for row_revision, crc, body in self._execute(sql, (revision,)):
                if zlib.crc32(body) != crc:
                    raise self._damaged(f"row {row_revision} of {self._table} fails its checksum")
                documents.append(bson.decode(body))
                revision = max(revision, row_revision)
        return revision, documents

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes of the block, or none; no other process writes meanwhile.

        Raises
        ------
        StorageError
            If the store is read-only or the disk is full; nothing was then written.
        LockedError
            If another process keeps writing for half a minute.
        """
        if self.read_only:
            raise StorageError(
                f"{self.path}: opened read-only; open the workspace without read_only=True to write"
            )
        self.open()
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def write(self, identity: Any, body: bytes, unique_values: Mapping[str, bytes | None]) -> int:
        """Insert or replace a document within a :meth:`transaction`; returns its revision.

        Revisions count the writes to the file and never repeat, so that "newer than" is exact.

        Raises
        ------
        pymongo.errors.DuplicateKeyError
            If another document has one of the unique values.
        """
        row_id = _encode(identity)
        revision = int(self._execute("PRAGMA user_version").fetchone()[0]) + 1
        self._execute(f"PRAGMA user_version = {revision}")
        self._execute(
            f"INSERT INTO {self._table} (id, revision, crc, body) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE "
            "SET revision = excluded.revision, crc = excluded.crc, body = excluded.body",
            (row_id, revision, zlib.crc32(body), body),
        )
        for field, value in unique_values.items():
            self.claim(identity, field, value)
        return revision

    def claim(self, identity: Any, field: str, value: bytes | None) -> None:
        """Record that a document alone has ``value`` in ``field`` (None: has none), in a :meth:`transaction`.

        Raises
        ------
        pymongo.errors.DuplicateKeyError
            If another document has it.
        """
        if value is None:
            self._execute(
                f"DELETE FROM {self._unique} WHERE field = ? AND id = ?", (field, _encode(identity))
            )
            return
        sql = f"INSERT INTO {self._unique} (field, id, value) VALUES (?, ?, ?) "
        sql += "ON CONFLICT (field, id) DO UPDATE SET value = excluded.value"
        try:
            self._execute(sql, (field, _encode(identity), value))
        except sqlite3.IntegrityError as error:
            raise DuplicateKeyError(
                f"E11000 duplicate key in {self._table}: field {field!r}", 11000
            ) from error

    def delete(self, identity: Any, unique_fields: Iterable[str]) -> None:
        """Delete a document within a :meth:`transaction`."""
        self._execute(f"DELETE FROM {self._table} WHERE id = ?", (_encode(identity),))
        for field in unique_fields:
            self.claim(identity, field, None)

    def _has_table(self) -> bool:
        if not self.open():
            return False
        sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return self._execute(sql, (self._table.strip('"'),)).fetchone() is not None

    def _execute(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        if self._connection is None:
            raise StorageError(f"{self.path}: the store is closed; connect() it first")
        with self._in_words():
            return self._connection.execute(sql, values)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Say what SQLite reports in words of this package."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.OperationalError as error:
            text = str(error)
            if "locked" in text or "busy" in text:
                raise LockedError(
                    f"{self.path}: another process has been writing for {_BUSY_TIMEOUT_S:.0f} s; "
                    "wait for it, or stop it, then resume"
                ) from error
            if "malformed" in text:
                raise self._damaged(text) from error
            raise StorageError(
                f"{self.path}: {text}. Free some space if the disk is full, make the folder writable if "
                "it is not, then resume; every acknowledged document is still there"
            ) from error
        except (sqlite3.DatabaseError, BSONError) as error:
            raise self._damaged(str(error)) from error
        except OSError as error:
            raise StorageError(
                f"{self.path}: the folder cannot be used: {error.strerror}; "
                "set `root` in the settings to one that can"
            ) from error

    def _damaged(self, what: str) -> CorruptStoreError:
        return CorruptStoreError(
            f"{self.path}: the document store is damaged ({what}). Restore the file from a backup; or move "
            f"it and {self.path.name}-journal away and resume: results are computed again, from the "
            "checkpoints in the work folders where there are any; artifacts remain"
        )


def _encode(identity: Any) -> bytes:
    return bson.encode({"v": identity})
