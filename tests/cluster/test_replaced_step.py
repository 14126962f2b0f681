"""A step of a campaign's flow replaced by a subclass of the user, in FireWorks."""

import pytest

from fireworks_jobs import documents
from interphase_flows.runners.fireworks.states import cluster_status
from interphase_flows.runners.fireworks.submission import submit_campaign
from interphase_flows.runners.fireworks.worker import work
from own_steps import small_campaign

pytestmark = pytest.mark.cluster


def test_own_training_runs_in_a_submitted_campaign(settings, tmp_path) -> None:
    """Also in the iteration that a job of the loop adds: the flow's Maker is stored with that job."""
    campaign, maker = small_campaign()
    submit_campaign(campaign, settings, flow_maker=maker)
    work(settings, "all", tmp_path / "launches")
    assert cluster_status(settings, campaign.name).failed == []
    seeds = sorted(model["seed"] for model in documents(settings, campaign.name, "models"))
    assert seeds == [1_001_000, 1_001_000, 1_001_001, 1_001_001]
    assert len(documents(settings, campaign.name, "iterations")) == 2
