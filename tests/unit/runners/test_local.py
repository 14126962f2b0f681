"""A local campaign that reaches the walltime."""

from dataclasses import dataclass

import pytest
from jobflow import Flow, Maker, OnMissing, job

from interphase_flows.campaign.schema import Campaign
from interphase_flows.commands.status import campaign_status
from interphase_flows.exceptions import WalltimeReachedError
from interphase_flows.runners.local.campaign import run_campaign
from interphase_flows.storage.workspace import open_workspace

begun: list[str] = []


@job
def label():
    begun.append("label")
    raise WalltimeReachedError("walltime reached (walltime_s: 1) before the label of Li2. Hint: resume to continue")


@job
def train(labels):
    begun.append("train")


@dataclass
class TwoJobs(Maker):
    """A label, and a job that also runs without it."""

    name: str = "two jobs"

    def make(self) -> Flow:
        first = label()
        after = train(first.output)
        after.config.on_missing_references = OnMissing.NONE
        return Flow([first, after])


@pytest.fixture
def message(settings, monkeypatch):
    """Run the campaign until its walltime; return the message of the error."""
    begun.clear()
    monkeypatch.setattr("interphase_flows.runners.local.campaign.check_campaign", lambda campaign: None)
    with pytest.raises(WalltimeReachedError) as error:
        run_campaign(Campaign(name="unit"), settings, flow_maker=TwoJobs())
    return str(error.value)


def test_no_job_starts_after_the_walltime(message):
    """A job that tolerates missing labels must not take a stopped label for a rejected one."""
    assert begun == ["label"]


def test_message_ends_with_the_command_that_resumes(message):
    assert message.startswith("walltime reached (walltime_s: 1)")
    assert message.endswith("Hint: resume to continue: interphase resume unit")


def test_status_is_walltime_reached_without_failures(message, settings):
    status = campaign_status(settings, "unit")
    assert (status.status, status.failures) == ("walltime reached", 0)
    assert not status.labels_rejected


def test_job_log_names_the_error_and_the_campaign_lock_is_released(message, settings):
    with open_workspace(settings, "unit") as workspace:
        assert "WalltimeReachedError" in (workspace.root / "jobs.log").read_text()
