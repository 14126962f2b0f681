"""The embedded store behaves as MemoryStore does, and keeps what it acknowledged."""

import datetime

import bson
import numpy as np
import pytest
from maggma.core import StoreError
from maggma.stores import MemoryStore
from monty.json import MontyDecoder
from pymongo.errors import DuplicateKeyError

from interphase_flows.exceptions import CorruptStoreError, StorageError
from interphase_flows.storage.sqlite_store import SqliteStore


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store" / "documents.sqlite"


@pytest.fixture
def store(path):
    with SqliteStore(path, key="key", unique_keys=["key"]) as store:
        yield store


def reopened(path, **kwargs):
    store = SqliteStore(path, key="key", unique_keys=["key"], **kwargs)
    store.connect()
    return store


def without_id(documents):
    return [{k: v for k, v in d.items() if k != "_id"} for d in documents]


def test_documents_survive_closing(store, path):
    """All that jobflow stores comes back as it went in, and in its order."""
    document = {
        "key": "a",
        "number": np.float64(1.5),
        "array": np.arange(3),
        "time": datetime.datetime(2024, 1, 2, 3, 4, 5, 6000),
        "bytes": b"\x00\xff",
        "nested": {"list": [{"x": None}, True, float("inf")]},
        "id": bson.ObjectId("0" * 24),
        "large": 2**60,
    }
    store.update([document, {"key": "b"}])
    here = list(store.query())
    with reopened(path) as again:
        assert list(again.query()) == here
    assert here[0]["array"] == [0, 1, 2]
    assert here[0]["time"] == document["time"]
    assert here[0]["bytes"] == b"\x00\xff"
    assert here[0]["id"] == document["id"]


def test_update_replaces_and_keeps_identity_and_place(store, path):
    """A document with a known key is replaced where it stands."""
    store.update([{"key": "a", "x": 1, "y": 1}, {"key": "b", "x": 2}])
    identity = store.query_one({"key": "a"})["_id"]
    store.update({"key": "a", "x": 3})
    with reopened(path) as again:
        for one in (store, again):
            assert without_id(one.query()) == [{"key": "a", "x": 3}, {"key": "b", "x": 2}]
            assert one.query_one({"key": "a"})["_id"] == identity


def test_the_last_of_one_batch_wins(store):
    """Two documents of one key in one update are one document."""
    store.update([{"key": "a", "x": 1}, {"key": "a", "x": 2}])
    assert without_id(store.query()) == [{"key": "a", "x": 2}]


def test_update_by_several_fields(store):
    """jobflow tells outputs apart by uuid and index."""
    store.unique_keys.clear()
    store.update([{"uuid": "u", "index": i, "x": i} for i in (1, 2)], key=["uuid", "index"])
    store.update({"uuid": "u", "index": 2, "x": 5}, key=["uuid", "index"])
    assert [d["x"] for d in store.query(sort={"index": 1})] == [1, 5]


@pytest.mark.parametrize(
    "criteria",
    [
        None,
        {"key": "k3"},
        {"key": {"$in": ["k1", "k2", "absent"]}},
        {"key": "k3", "x": {"$gt": 100}},
        {"key": {"$regex": "k1"}},
        {"key": None},
        {"x": {"$gte": 5}},
        {"$or": [{"key": "k1"}, {"x": 4}]},
        {"tags": "b"},
        {"nested.z": 3},
    ],
)
def test_queries_answer_as_memory_store_does(store, criteria):
    """Criteria, properties, sort, skip, limit, count and distinct agree with maggma's own."""
    documents = [{"key": f"k{i}", "x": i, "tags": ["a", "b"][: i % 3], "nested": {"z": i}} for i in range(12)]
    memory = MemoryStore(key="key")
    memory.connect()
    for one in (store, memory):
        one.update(documents)
        one.ensure_index("tags")
    kwargs = {
        "criteria": criteria,
        "properties": ["key", "nested.z"],
        "sort": {"x": -1},
        "skip": 1,
        "limit": 4,
    }
    assert without_id(store.query(**kwargs)) == without_id(memory.query(**kwargs))
    assert without_id(store.query(criteria)) == without_id(memory.query(criteria))
    assert store.count(criteria) == memory.count(criteria)
    assert sorted(store.distinct("key", criteria)) == sorted(memory.distinct("key", criteria))


def test_what_is_returned_is_a_copy(store):
    """Changing an answer, or what was handed over, changes nothing stored."""
    document = {"key": "a", "list": [1]}
    store.update(document)
    document["list"].append(2)
    store.query_one({"key": "a"})["list"].append(3)
    next(store.query())["list"].append(4)
    assert store.query_one()["list"] == [1]


def test_removed_documents_stay_removed(store, path):
    """And their unique values are free again."""
    store.update([{"key": "a"}, {"key": "b"}])
    store.remove_docs({"key": "a"})
    with reopened(path) as again:
        assert [d["key"] for d in again.query()] == ["b"]
    store.insert({"key": "a"})


def test_unique_values_are_refused_and_nothing_is_changed(store, path):
    """One transaction: with one bad document, none is written."""
    store.insert({"key": "a"})
    with pytest.raises(DuplicateKeyError):
        store.insert({"key": "a"})
    with pytest.raises(DuplicateKeyError):
        store.update([{"n": 1, "key": "c"}, {"n": 2, "key": "a"}], key="n")
    with reopened(path) as again:
        assert [d["key"] for one in (store, again) for d in one.query()] == ["a", "a"]


def test_an_identity_is_not_inserted_twice(store):
    """insert() never replaces."""
    store.insert({"_id": "i", "key": "a"})
    with pytest.raises(DuplicateKeyError):
        store.insert({"_id": "i", "key": "b"})


def test_a_unique_index_may_come_later(store):
    """It is refused if documents already share a value."""
    store.update([{"key": "a", "x": 1, "y": 1}, {"key": "b", "x": 1, "y": 2}])
    assert not store.ensure_index("x", unique=True)
    assert store.ensure_index("y", unique=True)
    with pytest.raises(DuplicateKeyError):
        store.insert({"key": "c", "y": 2})


def test_two_connections_see_each_other(store, path):
    """Inserted, replaced and removed: at the next look."""
    with reopened(path) as other, reopened(path, read_only=True) as reader:
        store.update([{"key": "a", "x": 1}, {"key": "b", "x": 1}])
        assert other.count() == reader.count({"x": 1}) == 2
        other.update({"key": "a", "x": 2})
        store.remove_docs({"key": "b"})
        other.insert({"key": "c"})
        for one in (store, other, reader):
            assert [d["key"] for d in one.query(sort={"key": 1})] == ["a", "c"]
        with pytest.raises(DuplicateKeyError):
            store.insert({"key": "c"})


def test_a_reader_does_not_write(store, path, tmp_path):
    """And an absent file reads as empty, until there is one."""
    with reopened(path, read_only=True) as reader, pytest.raises(StorageError, match="read-only"):
        reader.update({"key": "a"})
    later = tmp_path / "later.sqlite"
    with reopened(later, read_only=True) as reader:
        assert reader.count() == 0
        assert not later.exists()
        with reopened(later) as writer:
            writer.insert({"key": "a"})
        assert reader.query_one()["key"] == "a"


def test_it_travels_as_a_dictionary(store, path):
    """As JobStore and FireWorks demand."""
    store.insert({"key": "a"})
    with MontyDecoder().process_decoded(store.as_dict()) as again:
        assert again == store
        assert hash(again) == hash(store)
        assert again.query_one()["key"] == "a"
        assert again.unique_keys == ["key"]


def test_newer_in_and_last_updated(store):
    """maggma's incremental builds work."""
    old, new = datetime.datetime(2024, 1, 1), datetime.datetime(2025, 1, 1)
    store.update([{"key": "a", "last_updated": old}])
    with MemoryStore(key="key") as target:
        target.update([{"key": "a", "last_updated": new}, {"key": "b", "last_updated": new}])
        assert sorted(store.newer_in(target, exhaustive=True)) == ["a", "b"]
    assert store.last_updated == old


def test_it_must_be_connected(path):
    """As every maggma store."""
    with pytest.raises(StoreError):
        SqliteStore(path).count()
    with pytest.raises(StoreError):
        SqliteStore(path).update({"uuid": 1})


@pytest.mark.parametrize("damage", ["header", "middle", "cut"])
def test_damage_is_told_in_words(store, path, damage):
    """The message names the file and what to do."""
    store.update([{"key": f"k{i}", "text": "x" * 500} for i in range(200)])
    store.close()
    data = bytearray(path.read_bytes())
    if damage == "header":
        data[:16] = b"not a database!!"
    elif damage == "middle":
        at = data.index(b"x" * 400) + 100
        data[at] ^= 1
    else:
        del data[len(data) // 2 :]
    path.write_bytes(data)
    with pytest.raises(CorruptStoreError, match=r"documents\.sqlite: .*damaged.*Restore .*resume"):
        reopened(path).count()


def test_a_full_disk_changes_nothing(store, path):
    """Everything acknowledged stays, in memory and on the disk, and the store goes on when there is space."""
    store.insert({"key": "a"})
    connection = store._rows._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match=r"documents\.sqlite: database or disk is full.*Free some space"):
        store.update([{"key": "b", "text": "x" * 100_000}])
    assert store.count() == 1
    connection.execute("PRAGMA max_page_count = 1000000")
    store.insert({"key": "b"})
    with reopened(path) as again:
        assert again.count() == 2


def test_a_name_that_is_no_table_is_refused(path):
    """Quotes cannot break out of the SQL."""
    with pytest.raises(StorageError, match="cannot name a collection"):
        reopened(path, collection_name='a"; DROP TABLE x')


def test_a_folder_that_cannot_be_used_is_told(tmp_path):
    """A file where the folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        reopened(tmp_path / "file" / "a.sqlite")


def test_the_cost_of_an_update_does_not_grow_with_what_is_stored(store):
    """Counted, not timed: no statement scans the table, no document is looked at for its key."""
    store.update([{"key": f"k{i}"} for i in range(300)])
    seen = []
    store._rows._connection.set_trace_callback(seen.append)
    store.update([{"key": f"k{i}", "x": 1} for i in range(10)])
    store._rows._connection.set_trace_callback(None)
    assert len(seen) < 60
    assert not any("count(*)" in sql for sql in seen)
