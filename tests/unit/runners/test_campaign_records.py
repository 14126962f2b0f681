"""Registration of campaigns in the ledger."""

import shutil

import pytest

from interphase_flows.campaign.schema import Campaign
from interphase_flows.exceptions import InputError, StorageError
from interphase_flows.report.collect.campaign_report import collect_inputs
from interphase_flows.runners.campaign_records import changed_keys, register_campaign, stored_campaign

CAMPAIGN = Campaign(name="unit")
HALF_FULL = """data_x
_cell_length_a 4
_cell_length_b 4.2
_cell_length_c 4.4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na 0 0 0 0.5
Cl 0.5 0.5 0.5 0.5
"""


def test_stored_campaign_equals_the_registered_one(settings, started):
    assert stored_campaign(settings, "unit") == CAMPAIGN


def test_changed_specification_is_rejected_with_its_keys_unless_accepted(started):
    other = CAMPAIGN.model_copy(update={"seed": 9, "phases": ["Li", "Li7P3S11"]})
    with pytest.raises(InputError, match=r"values of phases, seed\. Hint: .*--accept-changes"):
        register_campaign(started, other, accept_changes=False)
    assert started.ledger.get("campaigns", "unit")["spec"]["seed"] == 1
    register_campaign(started, other, accept_changes=True)
    assert started.ledger.get("campaigns", "unit")["spec"]["seed"] == 9


def test_key_added_to_the_schema_is_no_change_and_an_obsolete_key_is(started):
    state = started.ledger.get("campaigns", "unit")
    older = {**state["spec"], "exploration": dict(state["spec"]["exploration"])}
    del older["exploration"]["melt_quench"], older["exploration"]["n_melt_quench_walkers"]
    started.ledger.set_state("campaigns", "unit", {"spec": older, "status": "finished"})
    register_campaign(started, CAMPAIGN, accept_changes=False)
    assert started.ledger.get("campaigns", "unit")["spec"] == CAMPAIGN.model_dump(mode="json")
    started.ledger.set_state("campaigns", "unit", {"spec": older | {"gone": 1}, "status": "finished"})
    with pytest.raises(InputError, match="gone"):
        register_campaign(started, CAMPAIGN, accept_changes=False)


def test_restart_keeps_the_start_time_counts_itself_and_drops_the_result(started, add):
    add.result("i0")
    register_campaign(started, CAMPAIGN, accept_changes=False)
    state = started.ledger.get("campaigns", "unit")
    assert state["started_at"] == "2026-01-01T00:00:00+00:00"
    assert state["n_resumes"] == 1
    assert "result" not in state


def test_changed_keys_are_dotted_paths_of_added_removed_and_changed_keys():
    before = {"a": {"b": 1, "c": [1]}, "d": 2}
    assert changed_keys(before, {"a": {"b": 2, "c": [1]}, "e": 2}) == ["a.b", "d", "e"]
    assert changed_keys(before, before) == []


def test_orderings_of_partial_occupancies_are_recorded_and_reported(started, tmp_path):
    """A resume keeps the record if its file is gone; a campaign without the block has none."""
    (tmp_path / "salt.cif").write_text(HALF_FULL)
    (tmp_path / "c.yaml").write_text(
        "name: unit\nelectrolyte: NaCl\nphases: [Li, NaCl]\nstructure_files: {NaCl: salt.cif}\nordering: {NaCl: {}}\n"
    )
    campaign = Campaign.from_file(tmp_path / "c.yaml")
    register_campaign(started, campaign, accept_changes=True)
    [note] = [note for note in collect_inputs(started).notes if "ordered" in note]
    assert note.startswith(
        "Partial occupancies of NaCl were ordered. salt.cif: 2x1x1 of the cell of the file, 2 atoms: "
    )
    assert "charges: Cl -1, Na +1 (" in note
    assert "electrostatic energies, lowest first: -" in note
    shutil.rmtree(tmp_path / "ordered")
    register_campaign(started, campaign, accept_changes=False)
    assert note in collect_inputs(started).notes
    register_campaign(started, CAMPAIGN, accept_changes=True)
    assert not started.ledger.get("campaigns", "unit").get("orderings")


def test_unknown_campaign_raises(settings):
    with pytest.raises(StorageError, match="no such campaign"):
        stored_campaign(settings, "unit")
