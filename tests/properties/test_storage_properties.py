"""Properties of content keys, the SQLite backend and artifacts."""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interphase_flows.content_keys import content_key
from interphase_flows.storage.artifacts import ArtifactStore
from interphase_flows.storage.sqlite_backend import SqliteBackend

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
def test_content_key_ignores_the_order_of_mapping_keys(value, seed):
    assert content_key("k", part=value) == content_key("k", part=shuffled(value, random.Random(seed)))


@given(values, values)
def test_content_keys_are_equal_exactly_for_equal_parts(one, other):
    is_same = content_key("k", part=one) == content_key("k", part=other)
    assert is_same == (tagged(one) == tagged(other))


@few
@given(value=values)
def test_a_document_is_read_back_to_the_last_bit(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("store") / "documents.sqlite"
    cleaned = _without_null_in_keys(value)
    backend = SqliteBackend(path)
    backend.insert("labels", {"key": "a", "value": cleaned})
    backend.close()
    assert backend.find("labels", {"key": "a"})[0]["value"] == cleaned
    backend.close()


def _without_null_in_keys(value):
    # BSON has no keys with a null character, nor has any MongoDB
    if isinstance(value, dict):
        return {key.replace("\0", "_"): _without_null_in_keys(item) for key, item in value.items()}
    return [_without_null_in_keys(item) for item in value] if isinstance(value, list) else value


keys = st.sampled_from("abcd")
events = st.lists(
    st.tuples(st.sampled_from(["insert", "modify"]), keys, st.integers(0, 3))
    | st.tuples(st.just("remove"), keys, st.none())
    | st.tuples(st.just("reopen"), st.none(), st.none()),
    max_size=20,
)


@few
@given(events=events)
def test_two_connections_agree_with_a_dictionary(tmp_path_factory, events):
    """After any sequence of inserts, changes, removals and restarts, on either connection."""
    path = tmp_path_factory.mktemp("store") / "documents.sqlite"
    expected = {}
    backends = [SqliteBackend(path), SqliteBackend(path)]
    for n, (event, key, x) in enumerate(events):
        backend = backends[n % 2]
        if event == "insert":
            assert backend.insert("labels", {"key": key, "x": x}) == (key not in expected)
            expected.setdefault(key, x)
        elif event == "modify":
            backend.modify("labels", key, lambda old: {"key": key, "x": (old or {"x": 0})["x"] + x})  # noqa: B023
            expected[key] = expected.get(key, 0) + x
        elif event == "remove":
            backend.remove("labels", {"key": key})
            expected.pop(key, None)
        else:
            backend.close()
        for one in backends:
            assert [(d["key"], d["x"]) for d in one.find("labels", {})] == list(expected.items())
            assert one.count("labels", {"key": "a"}) == ("a" in expected)
    for backend in backends:
        backend.close()


@few
@given(data=st.binary(min_size=1, max_size=2000), at=st.integers(0, 10**6))
def test_any_flipped_bit_of_an_artifact_is_detected(tmp_path_factory, data, at):
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
