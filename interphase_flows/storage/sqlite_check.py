"""Tables of a SQLite ledger, and a check of the complete file: schema, B-trees, indexes, checksums of documents."""

import sqlite3
import zlib

_TABLES = (
    "CREATE TABLE documents (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, "
    "crc INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (kind, key))",
    "CREATE INDEX documents_by_kind ON documents (kind)",
)
_SCHEMA = [
    ("table", "documents", _TABLES[0]),
    ("index", "sqlite_autoindex_documents_1", None),
    ("index", "documents_by_kind", _TABLES[1]),
]


def check_database(connection: sqlite3.Connection, create: bool) -> bool:
    """Check that nothing is damaged; return whether the file has tables, which ``create`` creates in an empty file.

    SQLite finds a damaged page only when a query reads it. A document whose kind or index entry is damaged is missing
    from the results of queries without an error.

    Raises
    ------
    sqlite3.DatabaseError
        The file is damaged.
    """
    connection.execute("BEGIN")
    try:
        if _is_ledger(connection):
            return True
    finally:
        connection.execute("ROLLBACK")
    if create:
        connection.execute("BEGIN IMMEDIATE")
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():  # else another process has created them
            for table in _TABLES:
                connection.execute(table)
        connection.execute("COMMIT")
    return create


def _is_ledger(connection: sqlite3.Connection) -> bool:
    schema = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    if not schema and connection.execute("PRAGMA page_count").fetchone() == (0,):
        return False
    if schema != _SCHEMA:
        raise sqlite3.DatabaseError("its tables are not those of a ledger")
    findings = connection.execute("PRAGMA integrity_check(1)").fetchall()
    if findings != [("ok",)]:
        raise sqlite3.DatabaseError(str(findings[0][0]).replace("\n", " "))
    for number, kind, crc, body in connection.execute("SELECT number, kind, crc, body FROM documents"):
        if not isinstance(body, bytes) or zlib.crc32(body) != crc:
            raise sqlite3.DatabaseError(f"row {number} of {kind} fails its checksum")
    return True
