"""A complete campaign in jobflow's local runner: no ledger, no cache, files below the folders of its jobs."""

import json
from contextlib import closing

import pytest
import yaml
from jobflow import run_locally

from interphase_flows import Campaign, CampaignMaker
from interphase_flows.schemas.campaign import CampaignResult
from interphase_flows.storage.ledger import Ledger
from tiny_campaign import TINY

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning")]  # jobflow 0.4


def test_campaign_without_a_workspace_has_the_results_of_one(finished_root, empty_folder, monkeypatch):
    monkeypatch.setenv("INTERPHASE_N_THREADS", "1")
    flow = CampaignMaker.from_campaign(Campaign.model_validate(yaml.safe_load(TINY))).make()
    done = run_locally(flow, create_folders=True, ensure_success=True, log=False)
    (result,) = (
        response.output
        for responses in done.values()
        for response in responses.values()
        if isinstance(response.output, CampaignResult)
    )
    with closing(Ledger.embedded(finished_root / "tiny" / "ledger.sqlite", read_only=True)) as ledger:
        stored = ledger.get("campaigns", "tiny")["result"]
    assert json.loads(result.model_dump_json()) == stored
    assert not (empty_folder / "runs").exists()
