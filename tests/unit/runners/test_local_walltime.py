"""A campaign whose time is over ends in words, and begins nothing more."""

from dataclasses import dataclass

import pytest
from jobflow import Flow, Maker, OnMissing, job

from interphase_flows.campaign.schema import Campaign
from interphase_flows.commands.status import campaign_status
from interphase_flows.exceptions import WalltimeReachedError
from interphase_flows.runners.local import run_campaign
from interphase_flows.storage.workspace import open_workspace

begun: list[str] = []


@job
def out_of_time():
    begun.append("label")
    raise WalltimeReachedError("walltime reached (walltime_s: 1) in the label of Li2; a resume goes on")


@job
def whatever_comes(labels):
    begun.append("what trains on it")


@dataclass
class TwoJobs(Maker):
    """A label, and a job that would go on without it."""

    campaign: Campaign | None = None
    name: str = "two jobs"

    def make(self) -> Flow:
        label = out_of_time()
        after = whatever_comes(label.output)
        after.config.on_missing_references = OnMissing.NONE
        return Flow([label, after])


@pytest.fixture
def ended(settings, monkeypatch):
    begun.clear()
    monkeypatch.setattr("interphase_flows.flows.campaign.CampaignMaker", TwoJobs)
    monkeypatch.setattr("interphase_flows.runners.local.check_campaign", lambda campaign: None)
    with pytest.raises(WalltimeReachedError) as end:
        run_campaign(Campaign(name="unit"), settings)
    return str(end.value)


def test_no_job_begins_after_the_walltime(ended):
    """Least of all one that would take a label that is missing for a rejected one."""
    assert begun == ["label"]


def test_it_says_what_ended_it_and_how_to_go_on(ended):
    """The command, with the campaign's name."""
    assert ended.startswith("walltime reached (walltime_s: 1)")
    assert ended.endswith("interphase resume unit")


def test_the_status_shows_it_and_nothing_is_a_failure(ended, settings):
    """It is no rejected label either."""
    status = campaign_status(settings, "unit")
    assert (status.status, status.failures) == ("walltime reached", 0)
    assert not status.labels_rejected


def test_the_log_has_it_and_the_campaign_is_not_held(ended, settings):
    """The next launch can begin."""
    with open_workspace(settings, "unit") as workspace:
        assert "WalltimeReachedError" in (workspace.root / "jobs.log").read_text()
