"""Queries of the command line."""

import csv
import io
import json

import pytest

from interphase_flows.commands.queries import DocumentQuery, count_documents, query_campaign
from interphase_flows.exceptions import InputError


def test_count_of_shortened_fields_equals_the_number_of_documents(settings, started):
    for key, fraction in (("p0", 0.1), ("p1", 0.3)):
        phases = {"phases": {"li2s": {"atom_fraction": {"value": fraction}}}}
        started.ledger.put("phases", key, {"part": "phases", "analysis_key": "a", "average": phases})
    request = DocumentQuery("phases", ["li2s.atom_fraction.value>0.2"])
    rows = query_campaign(settings, "unit", request, ["key"], "json")
    assert json.loads(rows) == [{"key": "p1"}]
    assert count_documents(settings, "unit", request) == 1


def test_query_returns_table_json_and_csv(settings, started):

    def run_query(output: str, filters=(), fields=None, limit=0, sort=()) -> str:
        return query_campaign(settings, "unit", DocumentQuery("iterations", filters, sort, limit), fields, output)

    assert "n_labels_total" in run_query("table")
    assert [row["key"] for row in json.loads(run_query("json"))] == ["i0", "i1"]
    (row,) = json.loads(run_query("json", ["index=1"], ["index", "decision"]))
    assert row == {"index": 1, "decision": "continue"}
    rows = list(csv.DictReader(io.StringIO(run_query("csv", limit=1))))
    assert [row["n_labels_total"] for row in rows] == ["10"]
    (last,) = json.loads(run_query("json", sort=["-index"], limit=1))
    assert last["key"] == "i1"
    assert (run_query("json", ["index=7"]), run_query("table", ["index=7"])) == ("[]", "no iterations match")
    assert count_documents(settings, "unit", DocumentQuery("iterations", ["index<1"], limit=5)) == 1


def test_invalid_query_is_rejected_with_the_valid_choices(settings, started):
    for request, fields, output, part in (
        (DocumentQuery("atoms"), None, "table", "labels"),
        (DocumentQuery("labels", ["status"]), None, "table", "a filter is FIELD OPERATOR VALUE"),
        (DocumentQuery("labels", ["energy<1"]), None, "table", "did you mean 'energy_eV'"),
        (DocumentQuery("labels"), ["formla"], "table", "did you mean 'formula'"),
        (DocumentQuery("failures", (), ["-last"]), None, "table", "did you mean 'last_at'"),
        (DocumentQuery("labels", (), ["energy_eV desc"]), None, "table", "write FIELD, or -FIELD"),
        (DocumentQuery("models", rejected=True), None, "table", "--rejected is valid for labels only"),
        (DocumentQuery("labels"), None, "xml", "table, json, csv"),
    ):
        with pytest.raises(InputError, match=part):
            query_campaign(settings, "unit", request, fields, output)
