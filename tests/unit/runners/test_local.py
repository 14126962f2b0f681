"""A campaign under its name, and what a run of it leaves on record."""

import logging
from pathlib import Path

import pytest

from interphase_flows.campaign.schema import Campaign
from interphase_flows.exceptions import InputError, StorageError
from interphase_flows.runners.local import _changed_keys, _job_log, register_campaign, stored_campaign

CAMPAIGN = Campaign(name="unit")


def test_a_campaign_comes_back_as_it_was_started(settings, started):
    """A resume needs no file."""
    assert stored_campaign(settings, "unit") == CAMPAIGN


def test_another_file_under_the_same_name_is_refused_key_by_key(started):
    """Unless it is meant; then the document is the new one's."""
    other = CAMPAIGN.model_copy(update={"seed": 9, "phases": ["Li", "Li7P3S11"]})
    with pytest.raises(InputError, match=r"\(phases, seed\).*--accept-changes"):
        register_campaign(started, other, accept_changes=False)
    assert started.ledger.get("campaigns", "unit")["spec"]["seed"] == 1
    register_campaign(started, other, accept_changes=True)
    assert started.ledger.get("campaigns", "unit")["spec"]["seed"] == 9


def test_a_campaign_started_before_a_key_came_is_the_same_campaign(started):
    """The key has its default; a key that went is a change."""
    state = started.ledger.get("campaigns", "unit")
    older = {**state["spec"], "exploration": dict(state["spec"]["exploration"])}
    del older["exploration"]["melt_quench"], older["exploration"]["n_melt_quench_walkers"]
    started.ledger.set_state("campaigns", "unit", {"spec": older, "status": "finished"})
    register_campaign(started, CAMPAIGN, accept_changes=False)
    assert started.ledger.get("campaigns", "unit")["spec"] == CAMPAIGN.model_dump(mode="json")
    started.ledger.set_state("campaigns", "unit", {"spec": older | {"gone": 1}, "status": "finished"})
    with pytest.raises(InputError, match="gone"):
        register_campaign(started, CAMPAIGN, accept_changes=False)


def test_a_resume_keeps_the_start_and_counts_itself_and_forgets_the_old_result(started, add):
    """What was concluded before is concluded anew, or is not there."""
    add.result("i0")
    register_campaign(started, CAMPAIGN, accept_changes=False)
    state = started.ledger.get("campaigns", "unit")
    assert state["started_at"] == "2026-01-01T00:00:00+00:00"
    assert state["n_resumes"] == 1
    assert "result" not in state


def test_changed_keys_are_named_by_their_path():
    """However deep, added or taken away."""
    before = {"a": {"b": 1, "c": [1]}, "d": 2}
    assert _changed_keys(before, {"a": {"b": 2, "c": [1]}, "e": 2}) == ["a.b", "d", "e"]
    assert _changed_keys(before, before) == []


def test_no_campaign_is_an_error(settings):
    """With what to do."""
    with pytest.raises(StorageError, match="no such campaign"):
        stored_campaign(settings, "unit")


def test_a_job_that_fails_leaves_its_traceback_in_a_file(tmp_path: Path):
    """jobflow tells failures to its log alone: here it is kept, and the logger is left as it was."""
    logger = logging.getLogger("jobflow")
    before = (logger.level, list(logger.handlers), logger.propagate)
    with _job_log(tmp_path / "jobs.log"):
        logger.info("select failed with exception:\nTraceback ... KeyError: 'x'")
    logger.info("after")
    told = (tmp_path / "jobs.log").read_text()
    assert "KeyError: 'x'" in told
    assert "after" not in told
    assert (logger.level, list(logger.handlers), logger.propagate) == before
