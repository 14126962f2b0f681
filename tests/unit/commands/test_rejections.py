"""Rejected and excluded labels: queries, files and retries; remaining labels of a campaign."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from interphase_flows.campaign.schema import Campaign
from interphase_flows.cli import app
from interphase_flows.commands.queries import (
    RETRIED,
    DocumentQuery,
    count_documents,
    extract_label_files,
    query_campaign,
    retry_rejected,
)
from interphase_flows.commands.status import campaign_status
from interphase_flows.costs.budget import known_label_costs, remaining_labels
from interphase_flows.costs.throughput import campaign_pace
from interphase_flows.exceptions import InputError
from interphase_flows.reference.registry import reference_method
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.schemas.structures import StructureEntry, StructureSetDoc
from interphase_flows.storage.archive import archive_bytes
from interphase_flows.storage.workspace import open_workspace

NUMBERS = {
    "energy_eV": -1.0,
    "forces_eV_per_angstrom": [[0.0, 0.0, 0.0]] * 2,
    "stress_eV_per_angstrom3": [0.0] * 6,
}


def label(key: str, reason: str | None = None, **fields) -> LabelDoc:
    rejection = {"status": "rejected", "reason": reason, "explanation": f"numbers of {reason}"}
    return LabelDoc(
        key=key,
        structure_key=f"structure of {key}",
        method_name="chgnet",
        method_key=reference_method("chgnet").identity.key,
        is_surrogate=True,
        numbers=[3, 16],
        cell=[[5.0, 0, 0], [0, 5.0, 0], [0, 0, 5.0]],
        positions=[[0.0, 0, 0], [2.4, 0, 0]],
        **(
            {"formula": "LiS", "origin": "interface/1"}
            | (rejection if reason else NUMBERS | {"status": "accepted"})
            | fields
        ),
    )


@pytest.fixture
def quarantined(started, tmp_path):
    """An accepted label, one excluded by its dataset, three rejected ones, and one recomputed successfully."""
    log, text = tmp_path / "gpaw.txt", tmp_path / "input.json"
    log.write_text("iter: 60 not converged")
    text.write_text("{}")
    files = started.artifacts.put_bytes(archive_bytes([log, text]), "label_files", ".tar.gz")
    for document in (
        label("good", wall_time_s=3.0),
        label("far", wall_time_s=2.0),
        label("slow", "scf_not_converged", files=files, origin="amorphous x=0.53/101"),
        label("large", "out_of_memory"),
        label("again", "duplicate"),
        label("recomputed"),
    ):
        started.ledger.put("labels", document.key, document)
    started.ledger.record_failure("labels", "far", "energy_window", {"explanation": "9 eV/atom off"})
    started.ledger.record_failure("labels", "recomputed", RETRIED, {"invalidated": {}})
    started.close()
    return started


def rejected_labels(settings, *filters, output="json", fields=None, rejected=True):
    return query_campaign(settings, "unit", DocumentQuery("labels", filters, rejected=rejected), fields, output)


def test_query_rejected_returns_rejected_and_excluded_labels_with_reasons(settings, quarantined):
    """Labels that were recomputed successfully are not among them."""
    found = {row["key"]: row for row in json.loads(rejected_labels(settings))}
    assert {key: row["reason"] for key, row in found.items()} == {
        "slow": "scf_not_converged",
        "large": "out_of_memory",
        "again": "duplicate",
        "far": "energy_window",
    }
    assert found["far"]["explanation"] == "9 eV/atom off"
    assert found["slow"]["files"]["kind"] == "label_files"


@pytest.mark.parametrize(
    ("filters", "keys"),
    [
        (["reason=out_of_memory"], {"large"}),
        (["reason=energy_window"], {"far"}),
        (["reason!=duplicate", "origin~interface"], {"large", "far"}),
        (["origin~amorphous"], {"slow"}),
        (["reason=max_force"], set()),
    ],
)
def test_rejected_labels_are_filtered_by_reason(settings, quarantined, filters, keys):
    """Reasons are stored in the labels or in the failures."""
    assert {row["key"] for row in json.loads(rejected_labels(settings, *filters))} == keys
    assert count_documents(settings, "unit", DocumentQuery("labels", filters, rejected=True)) == len(keys)
    assert keys or rejected_labels(settings, *filters, output="table") == "no labels match"


def test_rejected_labels_are_sorted_and_limited_but_not_sorted_by_reason(settings, quarantined):
    request = DocumentQuery("labels", (), ["-wall_time_s", "key"], 2, True)
    rows = json.loads(query_campaign(settings, "unit", request, ["key", "reason"], "json"))
    assert rows[0] == {"key": "far", "reason": "energy_window"}
    assert len(rows) == 2
    with pytest.raises(InputError, match="--rejected --sort reason"):
        query_campaign(settings, "unit", DocumentQuery("labels", (), ["reason"], 0, True), None, "json")


def test_table_of_rejected_labels_contains_full_explanations(settings, quarantined):
    table = rejected_labels(settings, output="table")
    assert table.split("\n")[0].split() == ["reason", "formula", "origin", "explanation", "key"]
    assert "numbers of scf_not_converged" in table
    rows = list(csv.DictReader(io.StringIO(rejected_labels(settings, output="csv", fields=["key", "wall_time_s"]))))
    assert list(rows[0]) == ["key", "wall_time_s"]


def test_inputs_and_logs_are_extracted_to_a_folder_per_label(settings, quarantined, tmp_path):
    target = tmp_path / "logs"
    written = extract_label_files(settings, "unit", DocumentQuery("labels", rejected=True), target)
    assert sorted(written) == [target / "slow" / "gpaw.txt", target / "slow" / "input.json"]
    assert (target / "slow" / "gpaw.txt").read_text() == "iter: 60 not converged"


def test_extracting_from_labels_without_files_is_an_error(settings, quarantined, tmp_path):
    large = DocumentQuery("labels", ["key=large"], rejected=True)
    with pytest.raises(InputError, match="none of the 1 matching labels has inputs and logs"):
        extract_label_files(settings, "unit", large, tmp_path / "x")
    with pytest.raises(InputError, match="for labels only, not for models"):
        extract_label_files(settings, "unit", DocumentQuery("models"), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_retry_rejected_removes_labels_and_records_their_failures(settings, quarantined):
    assert retry_rejected(settings, "unit", ["out_of_memory", "scf_not_converged"]) == 2
    with open_workspace(settings, "unit", read_only=True) as workspace:
        assert workspace.ledger.get("labels", "large") is None
        assert workspace.ledger.get("labels", "again") is not None
        failure = workspace.ledger.failure("labels", "slow")
    assert failure["reason"] == RETRIED
    assert failure["details"]["invalidated"]["reason"] == "scf_not_converged"
    assert {row["key"] for row in json.loads(rejected_labels(settings))} == {"again", "far"}


@pytest.mark.parametrize("reason", ["duplicate", "energy_window", "overlapping_atoms"])
def test_retry_of_reasons_that_recomputing_cannot_change_is_rejected(settings, quarantined, reason):
    with pytest.raises(InputError, match="recomputing gives the same label"):
        retry_rejected(settings, "unit", ["out_of_memory", reason])
    assert len(json.loads(rejected_labels(settings))) == 4


def test_retry_of_an_unknown_reason_lists_the_existing_ones(settings, quarantined):
    with pytest.raises(InputError, match=r"max_force.*duplicate \(1\), energy_window \(1\)"):
        retry_rejected(settings, "unit", ["max_force"])


def test_status_counts_rejections_by_reason(settings, quarantined):
    found = campaign_status(settings, "unit")
    assert found.labels_rejected == 4
    assert found.labels_rejected_by_reason == {
        "duplicate": 1,
        "energy_window": 1,
        "out_of_memory": 1,
        "scf_not_converged": 1,
    }


def structures(started, name: str, keys: list[str]) -> None:
    entries = [
        StructureEntry(key=f"structure of {key}", origin="interface/1", formula="LiS", n_atoms=2) for key in keys
    ]
    artifact = started.artifacts.put_bytes(name.encode(), "structures", ".npz")
    document = StructureSetDoc(key=name, name=name, artifact=artifact, entries=entries)
    started.ledger.put("structure_sets", name, document)


def test_remaining_labels_follow_from_sets_labels_and_budget(settings, started):
    campaign = Campaign(name="unit", learning={"max_iterations": 2, "labels_per_iteration": 3})
    before = remaining_labels(started, campaign)
    assert (before.n_selected, before.n_fitted) == (0, 0)
    structures(started, "initial structures", ["a", "b", "c"])
    known = remaining_labels(started, campaign)
    n_production, n_phases, per_iteration = 12, 10, 3 + 6
    assert (known.n_selected, known.n_further) == (3, 2 * per_iteration + n_production + n_phases)
    for key in ("a", "b"):
        started.ledger.put("labels", key, label(key, wall_time_s=100.0))
    later = remaining_labels(started, campaign)
    assert (later.n_selected, later.n_further, later.n_fitted) == (1, known.n_further, 2)
    assert later.cost_s > known.cost_s
    structures(started, "selection", ["d"])
    selected = remaining_labels(started, campaign)
    assert (selected.n_selected, selected.n_further) == (2, known.n_further - per_iteration)


def test_labels_of_a_pretraining_are_not_those_of_the_reference_method(settings, started):
    """They have the structures of the initial labels, and are many."""
    campaign = Campaign(name="unit", reference="gpaw", committee={"pretraining": {}}, learning={"max_labels": 50})
    structures(started, "initial structures", ["a", "b", "c"])
    before = remaining_labels(started, campaign)
    for key in ("a", "b", "c", *map(str, range(60))):
        started.ledger.put("labels", key, label(key))
    after = remaining_labels(started, campaign)
    assert (after.n_selected, after.n_further) == (before.n_selected, before.n_further)
    assert after.n_selected == 3
    assert campaign_pace(started, campaign, "2020-01-01T00:00:00+00:00", None).n_labels == 0


def test_label_budget_limits_the_remaining_labels(settings, started):
    campaign = Campaign(name="unit", learning={"max_labels": 5})
    structures(started, "initial structures", ["a", "b", "c"])
    full = remaining_labels(started, campaign)
    assert full.n_further == 2 + 12 + 10


def test_finished_campaign_has_no_remaining_labels(settings, started, add):
    assert campaign_status(settings, "unit").remaining_labels is not None
    add.result("i1")
    assert campaign_status(settings, "unit").remaining_labels is None


def test_known_label_costs_use_other_campaigns_with_the_same_method(settings, quarantined):
    assert known_label_costs(settings, Campaign(name="new")).n_labels == 3
    assert known_label_costs(settings, Campaign(name="new", reference="gpaw")).n_labels == 0


def test_command_line_lists_rejected_labels_and_extracts_their_files(settings, quarantined, tmp_path):

    def interphase(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, "--root", str(settings.root)])
        assert result.exit_code == 0, result.output
        return result.output

    found = json.loads(interphase("query", "labels", "--rejected", "--json", "--fields", "key,reason"))
    assert {"key": "large", "reason": "out_of_memory"} in found
    target = tmp_path / "logs"
    assert "gpaw.txt" in interphase("query", "labels", "--rejected", "key=slow", "--files", str(target))
    assert (target / "slow" / "gpaw.txt").exists()
    status = interphase("status", "unit")
    assert "4 labels rejected (1 duplicate, 1 energy_window, 1 out_of_memory, 1 scf_not_converged;" in status
    assert "remaining labels: 0 selected" in status
    assert "--rejected key=KEY --files folder" in " ".join(interphase("query", "--help").split())
