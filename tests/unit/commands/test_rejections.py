"""Labels that never train can be found, looked into and tried again; what is left to label is told."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from interphase_flows.campaign.schema import Campaign
from interphase_flows.cli import app
from interphase_flows.commands.queries import (
    Question,
    count_in_campaign,
    query_campaign,
    take_out_label_files,
)
from interphase_flows.commands.rejections import RETRIED, retry_rejected
from interphase_flows.commands.status import campaign_status
from interphase_flows.costs.budget import known_label_costs, labels_to_come
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
    told = {"status": "rejected", "reason": reason, "explanation": f"numbers of {reason}"}
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
            | (told if reason else NUMBERS | {"status": "accepted"})
            | fields
        ),
    )


@pytest.fixture
def quarantined(started, tmp_path):
    """A good label, one left out by its data set, three that were refused, and one computed again."""
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
        label("mended"),
    ):
        started.ledger.put("labels", document.key, document)
    started.ledger.record_failure("labels", "far", "energy_window", {"explanation": "9 eV/atom off"})
    started.ledger.record_failure("labels", "mended", RETRIED, {"invalidated": {}})
    started.close()
    return started


def ask(settings, *filters, output="json", fields=None, rejected=True):
    return query_campaign(settings, "unit", Question("labels", filters, rejected=rejected), fields, output)


def test_what_never_trains_is_found_with_its_reason_and_explanation(settings, quarantined):
    """Those that failed a gate, and those that a data set left out; not what was mended since."""
    found = {row["key"]: row for row in json.loads(ask(settings))}
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
def test_a_reason_is_a_word_to_ask_by(settings, quarantined, filters, keys):
    """Wherever it is written, in the label or in the failures."""
    assert {row["key"] for row in json.loads(ask(settings, *filters))} == keys
    assert count_in_campaign(settings, "unit", Question("labels", filters, rejected=True)) == len(keys)
    assert keys or ask(settings, *filters, output="table") == "no labels match"


def test_the_rejected_are_sorted_and_limited_in_the_store(settings, quarantined):
    """By what is in the label; a reason may be in the failures, and is refused."""
    asked = Question("labels", (), ["-wall_time_s", "key"], 2, True)
    rows = json.loads(query_campaign(settings, "unit", asked, ["key", "reason"], "json"))
    assert rows[0] == {"key": "far", "reason": "energy_window"}
    assert len(rows) == 2
    with pytest.raises(InputError, match="--rejected --sort reason"):
        query_campaign(settings, "unit", Question("labels", (), ["reason"], 0, True), None, "json")


def test_the_table_of_the_rejected_has_the_whole_explanation(settings, quarantined):
    """Reason first; other fields if they are asked for."""
    table = ask(settings, output="table")
    assert table.split("\n")[0].split() == ["reason", "formula", "origin", "explanation", "key"]
    assert "numbers of scf_not_converged" in table
    rows = list(csv.DictReader(io.StringIO(ask(settings, output="csv", fields=["key", "wall_time_s"]))))
    assert list(rows[0]) == ["key", "wall_time_s"]


def test_inputs_and_logs_are_unpacked(settings, quarantined, tmp_path):
    """A folder for each label that has any."""
    target = tmp_path / "logs"
    written = take_out_label_files(settings, "unit", Question("labels", rejected=True), target)
    assert sorted(written) == [target / "slow" / "gpaw.txt", target / "slow" / "input.json"]
    assert (target / "slow" / "gpaw.txt").read_text() == "iter: 60 not converged"


def test_that_there_is_nothing_to_unpack_is_said(settings, quarantined, tmp_path):
    """Why, and for what kind it is."""
    large = Question("labels", ["key=large"], rejected=True)
    with pytest.raises(InputError, match="none has inputs and logs"):
        take_out_label_files(settings, "unit", large, tmp_path / "x")
    with pytest.raises(InputError, match="for labels, not for models"):
        take_out_label_files(settings, "unit", Question("models"), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_rejected_labels_are_computed_again_on_request_and_that_is_on_record(settings, quarantined):
    """Those of the reasons named are no longer in the ledger; what they were is among the failures."""
    assert retry_rejected(settings, "unit", ["out_of_memory", "scf_not_converged"]) == 2
    with open_workspace(settings, "unit", read_only=True) as workspace:
        assert workspace.ledger.get("labels", "large") is None
        assert workspace.ledger.get("labels", "again") is not None
        failure = workspace.ledger.failure("labels", "slow")
    assert failure["reason"] == RETRIED
    assert failure["details"]["invalidated"]["reason"] == "scf_not_converged"
    assert {row["key"] for row in json.loads(ask(settings))} == {"again", "far"}


@pytest.mark.parametrize("reason", ["duplicate", "energy_window", "overlapping_atoms"])
def test_what_computing_cannot_change_is_not_computed_again(settings, quarantined, reason):
    """Nothing is taken out of the ledger."""
    with pytest.raises(InputError, match="changes nothing"):
        retry_rejected(settings, "unit", ["out_of_memory", reason])
    assert len(json.loads(ask(settings))) == 4


def test_a_reason_that_nothing_was_rejected_for_is_told_with_those_there_are(settings, quarantined):
    """With their numbers."""
    with pytest.raises(InputError, match=r"max_force.*duplicate \(1\), energy_window \(1\)"):
        retry_rejected(settings, "unit", ["max_force"])


def test_the_status_counts_rejections_by_reason(settings, quarantined):
    """And the failures that are no rejections are not among them."""
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
        StructureEntry(key=f"structure of {key}", origin="interface/1", formula="LiS", n_atoms=2)
        for key in keys
    ]
    artifact = started.artifacts.put_bytes(name.encode(), "structures", ".npz")
    document = StructureSetDoc(key=name, name=name, artifact=artifact, entries=entries)
    started.ledger.put("structure_sets", name, document)


def test_what_is_left_to_label_is_told_with_its_cost(settings, started):
    """Structures that are known and not labelled, and what the budget allows beyond; fitted to labels done."""
    campaign = Campaign(name="unit", learning={"max_iterations": 2, "labels_per_iteration": 3})
    before = labels_to_come(started, campaign)
    assert (before.n_chosen, before.n_fitted) == (0, 0)
    structures(started, "initial structures", ["a", "b", "c"])
    known = labels_to_come(started, campaign)
    n_production, n_phases, per_iteration = 12, 10, 3 + 6
    assert (known.n_chosen, known.n_at_most) == (3, 2 * per_iteration + n_production + n_phases)
    for key in ("a", "b"):
        started.ledger.put("labels", key, label(key, wall_time_s=100.0))
    later = labels_to_come(started, campaign)
    assert (later.n_chosen, later.n_at_most, later.n_fitted) == (1, known.n_at_most, 2)
    assert later.cost_s > known.cost_s
    structures(started, "selection", ["d"])
    selected = labels_to_come(started, campaign)
    assert (selected.n_chosen, selected.n_at_most) == (2, known.n_at_most - per_iteration)


def test_the_budget_of_labels_ends_what_may_come(settings, started):
    """Two labels are left of it."""
    campaign = Campaign(name="unit", learning={"max_labels": 5})
    structures(started, "initial structures", ["a", "b", "c"])
    full = labels_to_come(started, campaign)
    assert full.n_at_most == 2 + 12 + 10


def test_a_campaign_with_a_result_has_nothing_to_come(settings, started, add):
    """Nothing is said of it then."""
    assert campaign_status(settings, "unit").labels_to_come is not None
    add.result("i1")
    assert campaign_status(settings, "unit").labels_to_come is None


def test_a_plan_knows_what_labels_cost_in_another_campaign_here(settings, quarantined):
    """The same method, another name; with none of the method it is the prior."""
    assert known_label_costs(settings, Campaign(name="new")).n_labels == 3
    assert known_label_costs(settings, Campaign(name="new", reference="gpaw")).n_labels == 0


def test_the_command_line_lists_unpacks_and_explains(settings, quarantined, tmp_path):
    """`query labels --rejected`, as JSON, with the logs, and what its help teaches."""

    def interphase(*arguments: str) -> str:
        answer = CliRunner().invoke(app, [*arguments, "--root", str(settings.root)])
        assert answer.exit_code == 0, answer.output
        return answer.output

    found = json.loads(interphase("query", "labels", "--rejected", "--json", "--fields", "key,reason"))
    assert {"key": "large", "reason": "out_of_memory"} in found
    target = tmp_path / "logs"
    assert "gpaw.txt" in interphase("query", "labels", "--rejected", "key=slow", "--files", str(target))
    assert (target / "slow" / "gpaw.txt").exists()
    told = interphase("status", "unit")
    assert "4 labels rejected (1 duplicate, 1 energy_window, 1 out_of_memory, 1 scf_not_converged)" in told
    assert "labels to come: 0 chosen" in told
    assert "--rejected key=KEY --files folder" in " ".join(interphase("query", "--help").split())
