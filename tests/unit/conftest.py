"""Fixtures of unit tests: the workspace of a campaign with a few documents."""

import pytest

import loop_documents as documents
from interphase_flows.campaign.schema import Campaign
from interphase_flows.schemas.campaign import CampaignResult
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, open_workspace, use_workspace


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(root=tmp_path / "runs", n_threads=1)


def result(*keys: str) -> CampaignResult:
    return CampaignResult(
        name="unit",
        outcome="budget_exhausted",
        dataset_key="dataset",
        committee_key="committee",
        starts_key="starts",
        iteration_keys=list(keys),
        exploration_keys=[],
        production_keys=[],
        analysis_keys={},
    )


@pytest.fixture
def started(settings):
    """Yield the workspace of a started campaign with two iterations."""
    with open_workspace(settings, "unit") as workspace:
        spec = Campaign(name="unit").model_dump(mode="json")
        state = {"spec": spec, "status": "running", "started_at": "2026-01-01T00:00:00+00:00"}
        workspace.ledger.set_state("campaigns", "unit", state)
        for index in range(2):
            workspace.ledger.put("iterations", f"i{index}", documents.iteration(f"i{index}", index))
        yield workspace


@pytest.fixture
def add(started):
    """Add documents of another campaign, or a result, to the ledger."""

    class Add:
        def foreign(self, kind: str, key: str, document) -> None:
            with_foreign_name(started, kind, key, document)

        def result(self, *keys: str) -> None:
            state = started.ledger.get("campaigns", "unit")
            started.ledger.set_state("campaigns", "unit", state | {"result": result(*keys).model_dump()})

        make_iteration = staticmethod(documents.iteration)

    return Add()


def with_foreign_name(workspace: Workspace, kind: str, key: str, document) -> None:
    """Add a document of another campaign, as in a shared database."""
    workspace.ledger.campaign = "another"
    workspace.ledger.put(kind, key, document)
    workspace.ledger.campaign = "unit"


@pytest.fixture
def workspace(settings):
    """Yield the workspace that jobs of this process use."""
    with open_workspace(settings, "unit") as workspace, use_workspace(workspace):
        yield workspace
