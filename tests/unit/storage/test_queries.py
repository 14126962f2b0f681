"""Queries in the syntax of the command line, and results as table, JSON or CSV."""

import csv
import json

import pytest

from interphase_flows.exceptions import InputError
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.queries import check_fields, query, stream, to_csv, to_json, to_table


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger.embedded(tmp_path / "ledger.sqlite")
    for i, origin in enumerate(["bulk", "Amorphous Li", "amorphous"]):
        document = {
            "energy": -1.5 * i,
            "origin": origin,
            "converged": i > 0,
            "d": {"force": i, "code": "12", "replica-0": i},
        }
        ledger.put("labels", f"{i}00", document)
    yield ledger
    ledger.close()


@pytest.mark.parametrize(
    ("filters", "keys"),
    [
        ([], ["000", "100", "200"]),
        (["origin=bulk"], ["000"]),
        (["origin != bulk"], ["100", "200"]),
        (["energy<-1"], ["100", "200"]),
        (["energy<=-1.5", "energy>=-1.5"], ["100"]),
        (["energy>-1"], ["000"]),
        (["origin~amorph"], ["100", "200"]),
        (["origin~^amorphous$"], ["200"]),
        (["origin=Amorphous Li"], ["100"]),
        (["converged=true"], ["100", "200"]),
        (["d.force=2"], ["200"]),
        (["d.replica-0>1"], ["200"]),
        (["key=200"], ["200"]),
        (["d.code=12", 'origin="bulk"'], ["000"]),
        (["absent=null"], ["000", "100", "200"]),
    ],
)
def test_filters_select_documents(ledger, filters, keys):
    """Numbers, strings, patterns, nested fields, keys that look like numbers; all must match."""
    assert [d["key"] for d in query(ledger, "labels", filters)] == keys


def test_query_returns_the_requested_fields_up_to_a_limit(ledger):
    assert query(ledger, "labels", [], ["d.force", "absent"], limit=2) == [
        {"d.force": 0, "absent": None},
        {"d.force": 1, "absent": None},
    ]


def test_documents_are_sorted_before_the_limit(ledger):
    """Descending with a dash, by several fields, by nested fields."""
    assert [d["key"] for d in query(ledger, "labels", sort=["energy"], limit=2)] == ["200", "100"]
    by_two = query(ledger, "labels", fields=["key"], sort=["converged", "-d.force"])
    assert by_two == [{"key": "000"}, {"key": "200"}, {"key": "100"}]


def test_stream_yields_the_documents_of_a_query_in_chunks(ledger, monkeypatch):
    """Documents removed meanwhile are skipped."""
    monkeypatch.setattr("interphase_flows.storage.queries._CHUNK", 2)
    assert list(stream(ledger, "labels", ["energy<=0"], 2, ["energy"])) == query(
        ledger, "labels", ["energy<=0"], None, 2, ["energy"]
    )
    running = stream(ledger, "labels")
    assert next(running)["key"] == "000"
    ledger.invalidate("labels", "200", "damaged")
    ledger.put("labels", "300", {"energy": 1.0})
    assert [d["key"] for d in running] == ["100"]


def test_unknown_fields_raise_with_a_suggestion():
    """Fields of states are not checked."""
    check_fields("labels", ["energy_eV", "details.force", "campaign"])
    check_fields("campaigns", ["anything"])
    with pytest.raises(InputError, match=r"segments have no field 'runid'\. Hint: did you mean 'run_id'"):
        check_fields("segments", ["runid"])
    with pytest.raises(InputError, match=r"failures have no field 'zzz'\. Hint: their fields are failed_kind"):
        check_fields("failures", ["zzz"])


@pytest.mark.parametrize("text", ["energy", "energy=", "=3", "energy < ", "a b=3", "$where=1", ""])
def test_a_malformed_filter_raises_with_the_syntax(ledger, text):
    with pytest.raises(InputError, match=r"a filter is FIELD OPERATOR VALUE, with one of = != < <= > >= or ~"):
        query(ledger, "labels", [text])


def test_an_unknown_kind_an_invalid_pattern_and_a_negative_limit_raise(ledger):
    with pytest.raises(InputError, match="unknown kind 'label'; kinds are structure_sets, labels"):
        query(ledger, "label")
    with pytest.raises(InputError, match="not a regular expression"):
        query(ledger, "labels", ["origin~("])
    with pytest.raises(InputError, match="limit = -1"):
        query(ledger, "labels", limit=-1)


def test_rows_are_formatted_as_table_json_and_csv(ledger):
    """Machine-readable formats lose no digits."""
    rows = [{"a": 1 / 3, "b": "x, y"}, {"a": None, "c": {"d": [1]}}]
    lines = to_table(rows).splitlines()
    assert lines == ["a         b     c", "0.333333  x, y", '                {"d": [1]}']
    assert json.loads(to_json(rows)) == rows
    parsed = list(csv.DictReader(to_csv(rows).splitlines()))
    assert float(parsed[0]["a"]) == 1 / 3
    assert parsed[1] == {"a": "", "b": "", "c": '{"d": [1]}'}
    assert to_table([{"a": "x" * 50}], max_width=10).splitlines()[1] == "x" * 9 + "…"
    assert to_table([]) == ""
    assert to_csv([]).strip() == ""
