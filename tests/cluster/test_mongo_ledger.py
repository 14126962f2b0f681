"""The ledger in MongoDB behaves like the embedded one (property test)."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interphase_flows.settings import MongodbSettings
from interphase_flows.storage.ledger import KINDS, Ledger
from interphase_flows.storage.mongodb import open_client
from interphase_flows.storage.queries import query

pytestmark = pytest.mark.cluster

# fields that depend on the time of an operation
TIME_FIELDS = {"created_at", "updated_at", "last_at"}


def empty(ledger: Ledger) -> None:
    for kind in KINDS:
        ledger.backend.remove(kind, {})


@pytest.fixture
def in_mongo(mongo: MongodbSettings) -> Iterator[Ledger]:
    ledger = Ledger.in_mongodb(mongo, "c")
    empty(ledger)
    yield ledger
    ledger.close()


def timeless(result: Any) -> Any:
    if isinstance(result, dict):
        return {k: timeless(v) for k, v in result.items() if k not in TIME_FIELDS}
    return [timeless(v) for v in result] if isinstance(result, list) else result


keys = st.sampled_from(["a", "b", "c", "12"])
numbers = st.integers(-3, 3) | st.floats(-3, 3).map(lambda x: round(x, 1))
documents = st.fixed_dictionaries(
    {"energy_eV": numbers | st.none(), "origin": st.sampled_from(["crystal", "amorphous melt", "Interface"])},
    optional={
        "tags": st.lists(st.sampled_from(["x", "y"]), max_size=2),
        "errors": st.fixed_dictionaries({"test": numbers}, optional={"interface": numbers}),
        "formula": st.sampled_from(["Li2S", "Li3P"]),
    },
)
filters = st.sampled_from(
    [
        [],
        ["key=12"],
        ["energy_eV<1"],
        ["energy_eV>=0.5"],
        ["energy_eV!=1"],
        ["energy_eV=null"],
        ["energy_eV=1"],
        ["origin~AMORPHOUS"],
        ["origin=crystal"],
        ["tags=x"],
        ["errors.test>0"],
        ["errors.interface=null"],
        ["formula!=Li2S", "energy_eV<=2"],
        ["reason=not_converged"],
        ["tries>1"],
        ["details.force>1"],
    ]
)
operations = st.lists(
    st.tuples(st.just("put"), st.sampled_from(["labels", "models"]), keys, documents)
    | st.tuples(st.just("set_state"), st.just("progress"), keys, documents)
    | st.tuples(st.just("record_failure"), st.just("labels"), keys, numbers)
    | st.tuples(st.just("invalidate"), st.sampled_from(["labels", "models"]), keys)
    | st.tuples(st.just("get"), st.sampled_from(["labels", "progress"]), keys)
    | st.tuples(st.just("failure"), st.just("labels"), keys)
    | st.tuples(st.just("query"), st.sampled_from(["labels", "failures", "progress"]), filters)
    | st.tuples(st.just("sorted"), st.just("labels"), st.sampled_from([1, -1]), st.integers(0, 2))
    | st.tuples(st.just("count"), st.sampled_from(["labels", "failures"])),
    max_size=14,
)


def do(ledger: Ledger, operation: tuple[Any, ...]) -> Any:
    """Perform one operation and return its result."""
    what, kind, *arguments = operation
    actions: dict[str, Callable[..., Any]] = {
        "put": lambda key, document: ledger.put(kind, key, document),
        "set_state": lambda key, document: ledger.set_state(kind, key, document),
        "record_failure": lambda key, force: ledger.record_failure(kind, key, "not_converged", {"force": force}),
        "invalidate": lambda key: ledger.invalidate(kind, key, "damaged_artifact"),
        "get": lambda key: ledger.get(kind, key),
        "failure": lambda key: ledger.failure(kind, key),
        "query": lambda filters: sorted(query(ledger, kind, filters), key=lambda d: d["key"]),
        "sorted": lambda order, limit: ledger.find(
            kind, {}, ["key", "energy_eV", "errors.test"], {"energy_eV": order, "key": 1}, limit
        ),
        "count": lambda: ledger.count(kind),
    }
    return timeless(actions[what](*arguments))


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=operations)
def test_any_sequence_of_operations_gives_the_results_of_the_embedded_ledger(
    in_mongo: Ledger, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    empty(in_mongo)
    embedded = Ledger.embedded(tmp_path_factory.mktemp("embedded") / "ledger.sqlite", "c")
    for step in steps:
        assert do(in_mongo, step) == do(embedded, step), step
    for kind in KINDS:
        left = [{d["key"]: timeless(d) for d in ledger.find(kind)} for ledger in (in_mongo, embedded)]
        assert left[0] == left[1]
    embedded.close()


def test_times_are_bson_dates_and_texts_of_earlier_documents_are_read(in_mongo: Ledger, mongo: MongodbSettings) -> None:
    """Earlier documents sort before new ones, and filters match both."""
    earlier = {"key": "a", "kind": "labels", "campaign": "c", "created_at": "2026-01-01T00:00:00.000001+00:00"}
    client = open_client(mongo)
    collection = client[mongo.database]["interphase_labels"]
    in_mongo.put("labels", "b", {})
    collection.insert_one(dict(earlier))
    in_mongo.put("labels", "c", {})
    dates = {found["key"]: found["created_at"] for found in collection.find()}
    assert [type(dates[key]) for key in "abc"] == [str, datetime, datetime]
    found = in_mongo.find("labels")
    assert [document["key"] for document in found] == ["a", "b", "c"]
    assert found[0] == earlier
    written = [datetime.fromisoformat(document["created_at"]) for document in found]
    assert written == sorted(written)
    json.dumps(found)
    for text, keys in (
        ("created_at>=2026-01-01", ["a", "b", "c"]),
        ("created_at>2026-01-02", ["b", "c"]),
        ("created_at<2026-01-02", ["a"]),
        (f"created_at={found[1]['created_at']}", ["b"]),
        (f"created_at!={found[1]['created_at']}", ["a", "c"]),
    ):
        assert [document["key"] for document in query(in_mongo, "labels", [text])] == keys, text
    in_mongo.record_failure("labels", "a", "max_force")
    in_mongo.record_failure("labels", "a", "max_force")
    in_mongo.set_state("campaigns", "c", {"started_at": "2026-01-01T00:00:00+00:00", "status": "running"})
    (failure,) = client[mongo.database]["interphase_failures"].find()
    assert {type(failure[name]) for name in ("created_at", "last_at")} == {datetime}
    state = client[mongo.database]["interphase_campaigns"].find_one()
    assert state["started_at"] == datetime(2026, 1, 1)
    assert in_mongo.get("campaigns", "c")["started_at"] == "2026-01-01T00:00:00+00:00"
    client.close()
