"""The SQLite backend answers as MongoDB does, and keeps every committed document."""

import contextlib
import datetime
import threading

import bson
import mongomock_ng
import numpy as np
import pytest

from interphase_flows.exceptions import CorruptStoreError, DiskFullError, StorageError
from interphase_flows.storage.sqlite_backend import SqliteBackend


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store" / "documents.sqlite"


@pytest.fixture
def backend(path):
    backend = SqliteBackend(path)
    yield backend
    backend.close()


def put(backend, key, kind="labels", **fields):
    return backend.modify(kind, key, lambda _: {"key": key, **fields})


def keys(backend, kind="labels", criteria=None, **kwargs):
    return [document["key"] for document in backend.find(kind, criteria or {}, **kwargs)]


def test_documents_are_read_back_after_closing(backend, path):
    document = {
        "key": "a",
        "time": datetime.datetime(2024, 1, 2, 3, 4, 5, 6000),
        "bytes": b"\x00\xff",
        "nested": {"list": [{"x": None}, True, float("inf")]},
        "id": bson.ObjectId("0" * 24),
        "large": 2**60,
    }
    assert backend.insert("labels", document)
    backend.close()
    for one in (backend, SqliteBackend(path, read_only=True)):
        assert one.find("labels", {}) == [document]
        one.close()


def test_modify_replaces_a_document_and_keeps_its_place(backend):
    put(backend, "a", x=1, y=1)
    put(backend, "b", x=2)
    seen = []
    new = backend.modify("labels", "a", lambda old: seen.append(old) or {"key": "a", "x": 3})
    assert seen == [{"key": "a", "x": 1, "y": 1}]
    assert backend.find("labels", {}) == [new, {"key": "b", "x": 2}]


def test_modify_that_raises_changes_nothing(backend):
    put(backend, "a", x=1)
    with pytest.raises(ZeroDivisionError):
        backend.modify("labels", "a", lambda old: {"x": 1 / 0})
    put(backend, "b")
    assert keys(backend) == ["a", "b"]


@pytest.mark.parametrize(
    "criteria",
    [
        {},
        {"key": "k3"},
        {"key": {"$in": ["k1", "k2", "absent"]}},
        {"key": {"$in": []}},
        {"key": "k3", "x": {"$gt": 100}},
        {"key": {"$regex": "k1"}},
        {"key": None},
        {"x": {"$gte": 5}},
        {"$or": [{"key": "k1"}, {"x": 4}]},
        {"$and": [{"key": "k1"}, {"x": 1}]},
        {"tags": "b"},
        {"nested.z": 3},
        {"list.y": {"$lt": 2}},
    ],
)
def test_queries_agree_with_mongodb(backend, criteria):
    documents = [
        {
            "key": f"k{i}",
            "x": i,
            "tags": ["a", "b"][: i % 3],
            "nested": {"z": i},
            "list": [{"y": i}, {"z": 1}],
        }
        for i in range(12)
    ]
    reference = mongomock_ng.MongoClient().db.labels
    reference.insert_many([dict(document) for document in documents])
    for document in documents:
        backend.insert("labels", document)
        backend.insert("models", document)
    fields = ["key", "nested.z", "list.y", "absent"]
    assert backend.find("labels", criteria) == list(reference.find(criteria, {"_id": 0}))
    assert backend.find("labels", criteria, fields, {"x": -1}, 4) == list(
        reference.find(criteria, {"_id": 0} | dict.fromkeys(fields, 1), sort=[("x", -1)], limit=4)
    )
    assert backend.count("labels", criteria) == reference.count_documents(criteria)


def test_sort_by_several_fields_keeps_the_order_of_insertion_of_equal_documents(backend):
    for i, (x, y) in enumerate([(1, 1), (0, 2), (1, 2), (0, 2), (None, 3)]):
        put(backend, str(i), x=x, y=y)
    assert keys(backend, sort={"x": -1, "y": 1}) == ["0", "2", "1", "3", "4"]


def test_an_existing_key_is_not_inserted(backend):
    assert backend.insert("labels", {"key": "a", "x": 1})
    assert not backend.insert("labels", {"key": "a", "x": 2})
    assert backend.insert("models", {"key": "a", "x": 3})
    assert backend.find("labels", {}) == [{"key": "a", "x": 1}]


def test_removed_documents_stay_removed_and_their_keys_are_free(backend, path):
    for key in "abc":
        put(backend, key, x=key == "c")
    backend.remove("labels", {"key": "a"})
    backend.remove("labels", {"x": True})
    other = SqliteBackend(path)
    assert keys(backend) == keys(other) == ["b"]
    assert other.insert("labels", {"key": "a"})
    other.close()


def test_connections_see_each_others_commits(backend, path):
    other, reader = SqliteBackend(path), SqliteBackend(path, read_only=True)
    put(backend, "a", x=1)
    put(backend, "b", x=1)
    assert other.count("labels", {}) == reader.count("labels", {"x": 1}) == 2
    put(other, "a", x=2)
    backend.remove("labels", {"key": "b"})
    other.insert("labels", {"key": "c"})
    for one in (backend, other, reader):
        assert keys(one) == ["a", "c"]
    assert not backend.insert("labels", {"key": "c"})
    other.close()
    reader.close()


def test_threads_share_a_backend(backend):
    def count_up():
        for _ in range(25):
            backend.modify("progress", "p", lambda old: {"key": "p", "n": (old or {"n": 0})["n"] + 1})

    threads = [threading.Thread(target=count_up) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert backend.find("progress", {})[0]["n"] == 75


def test_a_reader_rejects_writes_and_creates_no_file(backend, path, tmp_path):
    put(backend, "a")
    for write in (
        lambda reader: reader.insert("labels", {"key": "b"}),
        lambda reader: put(reader, "a"),
        lambda reader: reader.remove("labels", {}),
    ):
        with pytest.raises(StorageError, match="read-only"):
            write(SqliteBackend(path, read_only=True))
    later = tmp_path / "later.sqlite"
    reader, writer = SqliteBackend(later, read_only=True), SqliteBackend(later)
    assert reader.count("labels", {}) == 0
    assert not later.exists()
    put(writer, "a")
    assert keys(reader) == ["a"]
    reader.close()
    writer.close()


@pytest.mark.parametrize("damage", ["header", "middle", "truncated"])
def test_damage_raises_with_the_file_and_a_hint(backend, path, damage):
    for i in range(200):
        put(backend, f"k{i}", text="x" * 500)
    backend.close()
    data = bytearray(path.read_bytes())
    if damage == "header":
        data[:16] = b"not a database!!"
    elif damage == "middle":
        at = data.index(b"x" * 400) + 100
        data[at] ^= 1
    else:
        del data[len(data) // 2 :]
    path.write_bytes(data)
    with pytest.raises(CorruptStoreError, match=r"documents\.sqlite: .*damaged.*restore .*resume"):
        backend.find("labels", {})


def test_no_flipped_bit_changes_what_is_read(backend, path):
    """SQLite alone finds no damage in the text of rows, and in pages that a query does not read."""
    for i in range(12):
        put(backend, f"k{i}", kind=["labels", "models"][i % 2], text="x" * 300)
    backend.remove("labels", {"key": {"$in": ["k2", "k4"]}})
    before = [backend.find(kind, {}) for kind in ("labels", "models")]
    backend.close()
    content = path.read_bytes()
    rng = np.random.default_rng()
    n_detected = 0
    # bytes 44 to 47 are the schema format number, for which SQLite raises another error
    for at in [44, 45, 46, 47, *rng.integers(0, 100, 20), *rng.integers(0, len(content), 130)]:
        damaged = bytearray(content)
        damaged[at] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            assert [backend.find(kind, {}) for kind in ("labels", "models")] == before, f"byte {at}"
        except CorruptStoreError:
            n_detected += 1
        backend.close()
    assert n_detected > 10
    path.write_bytes(content)


def test_no_bit_of_the_schema_escapes_as_another_error(backend, path):
    """Text that is not UTF-8 makes the sqlite3 module fail to write its own error."""
    put(backend, "a")
    backend.close()
    content = path.read_bytes()
    start = content.index(b"CREATE TABLE documents")
    for at in range(start - 120, start + 200):
        damaged = bytearray(content)
        damaged[at] ^= 0x80
        path.write_bytes(damaged)
        with contextlib.suppress(CorruptStoreError):
            assert keys(backend) == ["a"], f"byte {at}"
        backend.close()
    path.write_bytes(content)


def test_a_full_disk_changes_nothing(backend, path):
    """Committed documents stay; writing continues when there is space."""
    put(backend, "a")
    connection = backend._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFullError, match=r"documents\.sqlite: database or disk is full.*free some space"):
        put(backend, "b", text="x" * 100_000)
    with pytest.raises(DiskFullError):
        backend.insert("labels", {"key": "b", "text": "x" * 100_000})
    assert backend.count("labels", {}) == 1
    connection.execute("PRAGMA max_page_count = 1000000")
    put(backend, "b")
    other = SqliteBackend(path)
    assert other.count("labels", {}) == 2
    other.close()


def test_an_unusable_folder_raises(tmp_path):
    """A file is in the place of the folder."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file.*Hint: set `root`"):
        SqliteBackend(tmp_path / "file" / "a.sqlite").count("labels", {})


def test_keys_are_looked_up_by_an_index(backend):
    """Counted, not timed: neither reading nor writing by key scans the documents."""
    for i in range(50):
        put(backend, f"k{i}")
    statements = []
    backend._connection.set_trace_callback(statements.append)
    put(backend, "k7", x=1)
    backend.insert("labels", {"key": "new"})
    backend.find("labels", {"key": "k3"})
    backend.find("labels", {"key": {"$in": ["k3", "k4"]}, "x": 1})
    backend.remove("labels", {"key": "k3"})
    backend._connection.set_trace_callback(None)
    assert len(statements) < 20
    queries = [sql for sql in statements if sql.startswith("SELECT")]
    assert len(queries) == 4
    for sql in queries:
        plan = [row[3] for row in backend._connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
        assert any("(kind=? AND key=?)" in step for step in plan), plan
