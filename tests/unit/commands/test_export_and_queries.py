"""Results for other programs, and answers on the command line."""

import csv
import io
import json

import pytest

import loop_documents as documents
from interphase_flows.commands.export import export_result
from interphase_flows.commands.queries import Question, count_in_campaign, query_campaign
from interphase_flows.exceptions import InputError


@pytest.fixture
def with_data(started):
    """The data set of the iterations, as a file."""
    artifact = started.artifacts.put_bytes(b"3 atoms", "datasets", ".extxyz")
    started.ledger.put("datasets", "dataset", documents.dataset(artifact))
    return started


def test_a_data_set_is_copied_to_where_it_was_asked_for(settings, with_data, tmp_path):
    """Also into folders that are not there yet, and whether the campaign is finished or not."""
    target = tmp_path / "new" / "data.extxyz"
    assert export_result(settings, "unit", "dataset", target) == [target]
    assert target.read_bytes() == b"3 atoms"


def test_a_folder_is_not_a_file(settings, with_data, tmp_path):
    """The message says what to name."""
    with pytest.raises(InputError, match="name a file in it"):
        export_result(settings, "unit", "dataset", tmp_path)


def test_nothing_to_export_is_said(settings, started, tmp_path):
    """What there is to choose from, and what is not there yet."""
    with pytest.raises(InputError, match="dataset, models, trajectories"):
        export_result(settings, "unit", "everything", tmp_path / "x")
    with pytest.raises(InputError, match="no production trajectory"):
        export_result(settings, "unit", "trajectories", tmp_path / "x")
    with pytest.raises(InputError, match="not in the ledger"):
        export_result(settings, "unit", "dataset", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_query_answers_as_table_json_and_csv(settings, started):
    """Filters hold, fields are those named, the limit is kept."""

    def ask(output: str, filters=(), fields=None, limit=0, sort=()) -> str:
        return query_campaign(settings, "unit", Question("iterations", filters, sort, limit), fields, output)

    assert "n_labels_total" in ask("table")
    assert [row["key"] for row in json.loads(ask("json"))] == ["i0", "i1"]
    (row,) = json.loads(ask("json", ["index=1"], ["index", "decision"]))
    assert row == {"index": 1, "decision": "continue"}
    rows = list(csv.DictReader(io.StringIO(ask("csv", limit=1))))
    assert [row["n_labels_total"] for row in rows] == ["10"]
    (last,) = json.loads(ask("json", sort=["-index"], limit=1))
    assert last["key"] == "i1"
    assert (ask("json", ["index=7"]), ask("table", ["index=7"])) == ("[]", "no iterations match")
    assert count_in_campaign(settings, "unit", Question("iterations", ["index<1"], limit=5)) == 1


def test_a_query_that_cannot_be_answered_says_what_can(settings, started):
    """Kind, filter, field, order, format."""
    for asked, fields, output, part in (
        (Question("atoms"), None, "table", "labels"),
        (Question("labels", ["status"]), None, "table", "a filter is FIELD OPERATOR VALUE"),
        (Question("labels", ["energy<1"]), None, "table", "did you mean 'energy_eV'"),
        (Question("labels"), ["formla"], "table", "did you mean 'formula'"),
        (Question("failures", (), ["-last"]), None, "table", "did you mean 'last_at'"),
        (Question("labels", (), ["energy_eV desc"]), None, "table", "name a field, with - before it"),
        (Question("models", rejected=True), None, "table", "--rejected is for labels"),
        (Question("labels"), None, "xml", "table, json, csv"),
    ):
        with pytest.raises(InputError, match=part):
            query_campaign(settings, "unit", asked, fields, output)
