"""What holds for every document, every key and every order of events."""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from maggma.stores import MemoryStore

from interphase_flows.content_keys import content_key
from interphase_flows.storage.artifacts import ArtifactStore
from interphase_flows.storage.sqlite_store import SqliteStore

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def shuffled(value, rng):
    """The same value with the keys of every mapping in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, rng)) for key, item in value.items()]
        rng.shuffle(items)
        return dict(items)
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


def tagged(value):
    """A form in which equal means equal, with numbers as numbers and booleans apart."""
    if isinstance(value, dict):
        return {key: tagged(item) for key, item in value.items()}
    if isinstance(value, list):
        return [tagged(item) for item in value]
    return (type(value).__name__, value) if isinstance(value, bool | str) or value is None else value


@given(values, st.integers(0, 2**32))
def test_a_key_ignores_the_order_of_keys(value, seed):
    """However deep."""
    assert content_key("k", part=value) == content_key("k", part=shuffled(value, random.Random(seed)))


@given(values, values)
def test_two_keys_are_equal_only_for_equal_parts(one, other):
    """And then they are."""
    is_same = content_key("k", part=one) == content_key("k", part=other)
    assert is_same == (tagged(one) == tagged(other))


@few
@given(value=values)
def test_a_document_comes_back_as_it_was(tmp_path_factory, value):
    """To the last bit, after closing."""
    path = tmp_path_factory.mktemp("store") / "documents.sqlite"
    cleaned = _without_null_in_keys(value)
    with SqliteStore(path, key="key") as store:
        store.update({"key": "a", "value": cleaned})
    with SqliteStore(path, key="key") as store:
        assert store.query_one()["value"] == cleaned


def _without_null_in_keys(value):
    # BSON has no keys with a null character, nor has any MongoDB
    if isinstance(value, dict):
        return {key.replace("\0", "_"): _without_null_in_keys(item) for key, item in value.items()}
    return [_without_null_in_keys(item) for item in value] if isinstance(value, list) else value


keys = st.sampled_from("abcd")
events = st.lists(
    st.tuples(st.just("update"), st.lists(st.tuples(keys, st.integers(0, 3)), min_size=1, max_size=4))
    | st.tuples(st.just("remove"), keys)
    | st.tuples(st.just("reopen"), st.none()),
    max_size=12,
)


@few
@given(events=events)
def test_it_holds_what_a_memory_store_holds(tmp_path_factory, events):
    """After any sequence of updates, removals and restarts, seen from either of two connections."""
    path = tmp_path_factory.mktemp("store") / "documents.sqlite"
    memory = MemoryStore(key="key")
    memory.connect()
    stores = [SqliteStore(path, key="key", unique_keys=["key"]) for _ in range(2)]
    for store in stores:
        store.connect()
    for n, (event, argument) in enumerate(events):
        store = stores[n % 2]
        if event == "update":
            for one in (store, memory):
                one.update([{"key": key, "x": x} for key, x in argument])
        elif event == "remove":
            for one in (store, memory):
                one.remove_docs({"key": argument})
        else:
            store.connect(force_reset=True)
        wanted = sorted((d["key"], d["x"]) for d in memory.query())
        for one in stores:
            assert sorted((d["key"], d["x"]) for d in one.query()) == wanted
            assert one.count({"key": "a"}) == memory.count({"key": "a"})
    for store in stores:
        store.close()


@few
@given(data=st.binary(min_size=1, max_size=2000), at=st.integers(0, 10**6))
def test_every_flipped_bit_of_an_artifact_is_found(tmp_path_factory, data, at):
    """Wherever it is."""
    store = ArtifactStore(tmp_path_factory.mktemp("artifacts"))
    ref = store.put_bytes(data, "models")
    assert store.get(ref).read_bytes() == data
    damaged = bytearray(data)
    damaged[at % len(data)] ^= 1 << (at % 8)
    store.get(ref).write_bytes(damaged)
    fresh = ArtifactStore(store.root_url)
    assert not fresh.contains(ref)
    assert fresh.put_bytes(data, "models") == ref
    assert fresh.get(ref).read_bytes() == data
