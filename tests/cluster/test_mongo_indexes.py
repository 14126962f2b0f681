"""Documented queries use indexes, which the first writer creates."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
import typer
from pymongo import MongoClient

from interphase_flows.cli import app
from interphase_flows.exceptions import StorageError
from interphase_flows.settings import MongodbSettings
from interphase_flows.storage.indexes import INDEXES, JOB_INDEXES, collection_of, indexes_of, make_indexes
from interphase_flows.storage.ledger import KINDS, STATE_KINDS, Ledger
from interphase_flows.storage.mongodb import open_client
from interphase_flows.storage.mongodb_store import MongodbStore
from interphase_flows.storage.queries import check_fields, expand, fields_of, parse_filters, parse_sort
from mongo_server import MongoServer

pytestmark = pytest.mark.cluster

PAGE = Path(__file__).parents[2] / "docs" / "query.md"
LINE = re.compile(r"\| `interphase query ([^`]*)` \| `([^`]*)` \|")
N_DOCUMENTS = 20


def documented_queries() -> list[tuple[str, tuple[str, ...]]]:
    """Return the arguments and the index of every query on the page."""
    found = LINE.findall(PAGE.read_text(encoding="utf-8"))
    return [(arguments, tuple(fields.split(", "))) for arguments, fields in found]


def parsed(arguments: str) -> tuple[str, list[str], list[str]]:
    """Return kind, filters and sort order as the command parses them."""
    command = typer.main.get_command(app).commands["query"]  # type: ignore[attr-defined]
    given = command.make_context("query", shlex.split(arguments)).params
    kind = given["kind"]
    sort = given["sort"].split(",") if given["sort"] else []
    return kind, [expand(kind, f) for f in given["filters"] or []], [expand(kind, s) for s in sort]


@pytest.fixture(scope="module")
def filled(mongo: MongodbSettings, mongo_uri: str) -> Iterator[Any]:
    """Yield the database after the ledger has written documents of every kind."""
    ledger = Ledger.in_mongodb(mongo, "mine")
    for kind in KINDS:
        for i in range(N_DOCUMENTS):
            document = {"status": ["a", "b"][i % 2], "energy_eV": -1.0 * i, "index": i, "first_step": i}
            if kind == "failures":
                ledger.record_failure("labels", str(i), "max_force")
            elif kind in STATE_KINDS:
                ledger.set_state(kind, str(i), document)
            else:
                ledger.put(kind, str(i), document)
    ledger.close()
    client: MongoClient[Any] = MongoClient(mongo_uri)
    yield client[mongo.database]
    client.close()


def keys_of_indexes(collection: Any) -> set[tuple[str, ...]]:
    return {tuple(field for field, _ in i["key"]) for i in collection.index_information().values()}


def stages(plan: dict[str, Any]) -> list[dict[str, Any]]:
    inputs = [plan["inputStage"]] if "inputStage" in plan else plan.get("inputStages", [])
    return [plan, *(stage for each in inputs for stage in stages(each))]


@pytest.mark.parametrize(("arguments", "fields"), documented_queries())
def test_documented_query_uses_its_index(arguments: str, fields: tuple[str, ...], filled: Any) -> None:
    """The index exists, starts with the filtered fields, and the server scans no collection."""
    kind, filters, sort = parsed(arguments)
    collection = filled[collection_of(kind)]
    assert fields in keys_of_indexes(collection)
    filtered = fields_of(filters)
    order = parse_sort(sort) or {"created_at": 1}
    assert fields[0] in (filtered or order)
    assert set(fields[: len(filtered)]) == set(filtered)
    plan = collection.find(parse_filters(filters)).sort(list(order.items())).explain()
    found = stages(plan["queryPlanner"]["winningPlan"])
    if filtered:  # to sort alone, SecantusDB scans the collection, but MongoDB uses the index
        assert {"IXSCAN"} <= {stage["stage"] for stage in found}, plan
        (scan,) = (stage for stage in found if stage["stage"] == "IXSCAN")
        assert set(scan["keyPattern"]) & set(filtered)
        assert "COLLSCAN" not in {stage["stage"] for stage in found}


def test_every_index_is_documented() -> None:
    """Except those that several kinds have in common."""
    documented = {(parsed(arguments)[0], fields) for arguments, fields in documented_queries()}
    for kind, indexes in INDEXES.items():
        for fields in indexes:
            check_fields(kind, fields)
            common = fields[-1] == "created_at" and fields[0] in ("created_at", "campaign", "used_by")
            common |= fields == ("analysis_key",)
            assert common or (kind, fields) in documented, (kind, fields)
    assert set(INDEXES) == set(KINDS)


def test_outputs_of_jobs_are_found_by_an_index(mongo: MongodbSettings, filled: Any) -> None:
    """jobflow queries the newest index of a uuid."""
    for name, key in (("interphase_jobs", "uuid"), ("interphase_job_data", "blob_uuid")):
        store = MongodbStore(name, key, mongo)
        store.connect()
        store.update({key: "u", "index": 1})
        assert set(JOB_INDEXES[name]) <= keys_of_indexes(filled[name])
        store.close()
    plan = filled["interphase_jobs"].find({"uuid": "u"}).sort("index", -1).explain()
    assert "IXSCAN" in {stage["stage"] for stage in stages(plan["queryPlanner"]["winningPlan"])}


def test_indexes_are_created_once_per_connection(mongo: MongodbSettings, filled: Any) -> None:
    for kind in KINDS:
        name = collection_of(kind)
        assert make_indexes(filled[name], indexes_of(name)) == 0
    ledger = Ledger.in_mongodb(mongo, "mine")
    ledger.put("labels", "first", {})
    filled[collection_of("labels")].drop_index("energy_eV_1")
    ledger.put("labels", "second", {})
    assert ("energy_eV",) not in keys_of_indexes(filled[collection_of("labels")])
    ledger.close()
    ledger.put("labels", "third", {})  # opened again
    assert ("energy_eV",) in keys_of_indexes(filled[collection_of("labels")])
    ledger.close()


def test_reader_creates_no_collection_and_no_index(mongo: MongodbSettings, mongo_uri: str) -> None:
    """Although the database does not exist; and it cannot write."""
    empty = mongo.model_copy(update={"database": f"{mongo.database}_empty"})
    ledger = Ledger.in_mongodb(empty, "mine", read_only=True)
    assert [ledger.count(kind) for kind in KINDS] == [0] * len(KINDS)
    for write in (
        lambda: ledger.put("labels", "a", {}),
        lambda: ledger.set_state("progress", "a", {}),
        lambda: ledger.record_failure("labels", "a", "x"),
        lambda: ledger.backend.remove("labels", {}),
    ):
        with pytest.raises(StorageError, match=r"mongodb/.*_empty/.*: opened read-only"):
            write()
    ledger.close()
    client: MongoClient[Any] = MongoClient(mongo_uri)
    assert client[empty.database].list_collection_names() == []
    client.close()


def test_read_only_user_can_query(own_server: MongoServer) -> None:
    """Without indexes; writing raises."""
    client: MongoClient[Any] = MongoClient(own_server.uri)
    client["shared"][collection_of("labels")].insert_one({"key": "a", "created_at": "2026", "energy_eV": -1.0})
    client.admin.command("createUser", "reader", pwd="p:/4", roles=[{"role": "read", "db": "shared"}])
    client.close()
    own_server.require_password("alice", "secret")
    address = f"mongodb://reader:{quote_plus('p:/4')}@localhost:{own_server.port}/?authSource=admin"
    settings = MongodbSettings(type="mongodb", database="shared", uri=address)
    reader = Ledger.in_mongodb(settings, read_only=True)
    assert [found["key"] for found in reader.find("labels", {"energy_eV": {"$lt": 0}})] == ["a"]
    assert reader.count("models") == 0
    client = open_client(settings)
    collection = client["shared"][collection_of("labels")]
    assert make_indexes(collection, indexes_of(collection.name)) == 0
    assert keys_of_indexes(collection) == {("_id",)}
    client.close()
    reader.close()
    writer = Ledger.in_mongodb(settings)
    with pytest.raises(StorageError, match="the user may not write there"):
        writer.put("labels", "b", {})
    writer.close()
