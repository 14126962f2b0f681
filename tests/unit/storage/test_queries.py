"""Questions in words, answers as table, JSON or CSV."""

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
        document = {"energy": -1.5 * i, "origin": origin, "converged": i > 0, "d": {"force": i, "code": "12"}}
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
        (["key=200"], ["200"]),
        (["d.code=12", 'origin="bulk"'], ["000"]),
        (["absent=null"], ["000", "100", "200"]),
    ],
)
def test_filters_select(ledger, filters, keys):
    """Numbers, words, patterns, nested fields, keys that look like numbers; all must hold."""
    assert [d["key"] for d in query(ledger, "labels", filters)] == keys


def test_fields_and_limit(ledger):
    """Only what is asked for, dots going into fields."""
    assert query(ledger, "labels", [], ["d.force", "absent"], limit=2) == [
        {"d.force": 0, "absent": None},
        {"d.force": 1, "absent": None},
    ]


def test_the_order_is_asked_of_the_store(ledger):
    """Descending with a dash, the first field first, nested ones too, and before the limit."""
    assert [d["key"] for d in query(ledger, "labels", sort=["energy"], limit=2)] == ["200", "100"]
    by_two = query(ledger, "labels", fields=["key"], sort=["converged", "-d.force"])
    assert by_two == [{"key": "000"}, {"key": "200"}, {"key": "100"}]


def test_a_stream_gives_the_same_documents_a_few_at_a_time(ledger, monkeypatch):
    """In the order asked for; one that is taken out meanwhile is passed over."""
    monkeypatch.setattr("interphase_flows.storage.queries._CHUNK", 2)
    assert list(stream(ledger, "labels", ["energy<=0"], 2, ["energy"])) == query(
        ledger, "labels", ["energy<=0"], None, 2, ["energy"]
    )
    running = stream(ledger, "labels")
    assert next(running)["key"] == "000"
    ledger.invalidate("labels", "200", "damaged")
    ledger.put("labels", "300", {"energy": 1.0})
    assert [d["key"] for d in running] == ["100"]


def test_fields_that_no_document_has_are_refused():
    """By schema; those of a state may be any."""
    check_fields("labels", ["energy_eV", "details.force", "campaign"])
    check_fields("campaigns", ["whatever"])
    with pytest.raises(InputError, match="segments have no field 'runid'; did you mean 'run_id'"):
        check_fields("segments", ["runid"])
    with pytest.raises(InputError, match="failures have no field 'zzz'; they have failed_kind"):
        check_fields("failures", ["zzz"])


@pytest.mark.parametrize("text", ["energy", "energy=", "=3", "energy < ", "a b=3", "$where=1", ""])
def test_a_malformed_filter_is_told(ledger, text):
    """With what a filter looks like."""
    with pytest.raises(
        InputError, match=r"a filter is FIELD OPERATOR VALUE, with one of = != < <= > >= or ~"
    ):
        query(ledger, "labels", [text])


def test_other_mistakes_are_told(ledger):
    """Unknown kind, broken pattern, negative limit."""
    with pytest.raises(InputError, match="unknown kind 'label'; kinds are structure_sets, labels"):
        query(ledger, "label")
    with pytest.raises(InputError, match="no regular expression"):
        query(ledger, "labels", ["origin~("])
    with pytest.raises(InputError, match="limit = -1"):
        query(ledger, "labels", limit=-1)


def test_rows_are_rendered(ledger):
    """Aligned, parseable, and without loss of digits where a program reads."""
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
