"""Registration of campaigns in the ledger."""

import pytest

from interphase_flows.campaign.schema import Campaign
from interphase_flows.exceptions import InputError, StorageError
from interphase_flows.runners.campaign_records import changed_keys, register_campaign, stored_campaign

CAMPAIGN = Campaign(name="unit")


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


def test_unknown_campaign_raises(settings):
    with pytest.raises(StorageError, match="no such campaign"):
        stored_campaign(settings, "unit")
