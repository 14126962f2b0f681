"""A step of a campaign's flow replaced by a subclass of the user, in jobflow's own runner and in that of campaigns."""

from contextlib import closing

import pytest
from jobflow import run_locally

from interphase_flows import Settings, run_campaign
from interphase_flows.runners.campaign_records import register_campaign
from interphase_flows.storage.workspace import Workspace, open_workspace, use_workspace
from own_steps import small_campaign
from slurm_site import keys_of

# jobflow 0.4 still calls it
pytestmark = pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning")


def test_own_training_runs_in_the_flow_of_a_campaign(tmp_path) -> None:
    """It trains in every iteration; the runner of campaigns then finds all results."""
    campaign, maker = small_campaign()
    settings = Settings(root=tmp_path, n_threads=1)
    with Workspace(settings, campaign.name) as workspace, use_workspace(workspace):
        register_campaign(workspace, campaign, accept_changes=False)
        with closing(workspace.open_job_store()) as store:
            run_locally(maker.make(), store=store, log=False, ensure_success=True, root_dir=tmp_path)
        keys = keys_of(workspace.ledger)
        models = workspace.ledger.find("models")
    assert sorted(model["seed"] for model in models) == [1_001_000, 1_001_000, 1_001_001, 1_001_001]
    result = run_campaign(campaign, settings, flow_maker=maker)
    assert len(result.iteration_keys) == 2
    with open_workspace(settings, campaign.name, read_only=True) as workspace:
        assert keys_of(workspace.ledger) == keys
