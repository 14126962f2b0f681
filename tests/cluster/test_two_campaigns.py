"""Two campaigns that share results: what each of them uses, in queries, status and forecast."""

import json
from pathlib import Path

import pytest
from ase.build import bulk
from typer.testing import CliRunner

import loop_documents as documents
from interphase_flows.campaign.schema import Campaign
from interphase_flows.cli import app
from interphase_flows.costs.budget import SELECTION, remaining_labels
from interphase_flows.datasets.gates import Gates
from interphase_flows.jobs.caching import cached, stored_document
from interphase_flows.jobs.datasets import _record_exclusions
from interphase_flows.jobs.label_structure import unlabelled
from interphase_flows.jobs.structures.structure_sets import structure_entry
from interphase_flows.reference.registry import reference_method
from interphase_flows.results import CampaignResults
from interphase_flows.schemas.dataset import DatasetDoc, ExcludedLabel
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.structures import StructureEntry, StructureSetDoc
from interphase_flows.settings import MongodbSettings, Settings, load_settings
from interphase_flows.storage.workspace import Workspace, open_workspace, use_workspace

pytestmark = pytest.mark.cluster

FIRST, TWIN = "first", "twin"
N_LABELS = 5
"""Of the first campaign: the last one is rejected."""


def structure(number: int):
    atoms = bulk("Li", "bcc", a=3.4 + 0.01 * number)
    return atoms, structure_entry(atoms, Origin.of("interface", str(number)))


def label(number: int) -> LabelDoc:
    atoms, entry = structure(number)
    document = unlabelled(reference_method("chgnet").identity, Gates(), atoms, entry)
    if number == N_LABELS - 1:
        return document.model_copy(update={"reason": "max_force", "explanation": "9 eV/Å"})
    numbers = {"energy_eV": -1.0, "forces_eV_per_angstrom": [[0.0] * 3], "stress_eV_per_angstrom3": [0.0] * 6}
    return document.model_copy(update=numbers | {"status": "accepted", "wall_time_s": 2.0})


def selection(entries: list[StructureEntry]) -> StructureSetDoc:
    return StructureSetDoc(key="selected", name=SELECTION, entries=entries, artifact=documents.NO_FILE)


def dataset(workspace: Workspace) -> DatasetDoc:
    artifact = workspace.artifacts.put_bytes(b"frames", "datasets", ".extxyz")
    excluded = ExcludedLabel(
        label_key=label(0).key, origin="interface/0", reason="duplicate", explanation="repeats one"
    )
    return documents.dataset(artifact).model_copy(update={"excluded": [excluded]})


@pytest.fixture(params=["database", "folders"])
def shared(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of campaigns that share a database, or a root."""
    if request.param == "database":
        return request.getfixturevalue("settings")
    monkeypatch.setenv("INTERPHASE_ROOT", str(tmp_path / "runs"))
    return load_settings()


@pytest.fixture
def campaigns(shared: Settings) -> Settings:
    """The first campaign has labels 0 to 4; its twin needs 2 to 5, of which it computes the last, and the dataset."""
    settings = shared
    for name in (FIRST, TWIN):
        with open_workspace(settings, name) as workspace, use_workspace(workspace):
            spec = Campaign(name=name).model_dump(mode="json")
            state = {"spec": spec, "status": "running", "started_at": "2026-01-01T00:00:00+00:00"}
            workspace.ledger.set_state("campaigns", name, state)
            numbers = range(N_LABELS) if name == FIRST else range(2, N_LABELS + 1)
            for number in numbers:
                document = label(number)
                cached("labels", document.key, LabelDoc, lambda document=document: document)
            excluded = cached("datasets", "dataset", DatasetDoc, lambda: dataset(workspace)).excluded
            _record_exclusions(excluded)
            workspace.ledger.record_failure("models", name, "TrainingError", {"explanation": "diverged"})
    return settings


def interphase(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout.strip()


def test_campaign_option_selects_what_a_campaign_uses(campaigns: Settings) -> None:
    def count(name: str, *arguments: str) -> int:
        return int(interphase("query", *arguments, "-c", name, "--count"))

    assert [count(name, "labels") for name in (FIRST, TWIN)] == [5, 4]
    assert [count(name, "labels", f"campaign={name}") for name in (FIRST, TWIN)] == [5, 1]
    assert [count(name, "labels", "status=accepted") for name in (FIRST, TWIN)] == [4, 3]
    assert [count(name, "labels", "--rejected") for name in (FIRST, TWIN)] == [2, 1]
    assert [count(name, "failures", "reason=TrainingError") for name in (FIRST, TWIN)] == [1, 1]
    assert [count(name, "failures", "reason=duplicate") for name in (FIRST, TWIN)] == [1, 1]
    rows = json.loads(interphase("query", "labels", "-c", TWIN, "--json"))
    assert [row["used_by"] for row in rows] == [[FIRST, TWIN]] * 3 + [[TWIN]]
    for name, n_labels in ((FIRST, 5), (TWIN, 4)):
        with CampaignResults(name, campaigns) as results:
            assert results.count("labels") == len(list(results.labels())) == n_labels


def test_all_campaigns_of_a_database_can_be_queried_together(campaigns: Settings) -> None:
    arguments = ["query", "labels", "--all-campaigns", "--count"]
    if isinstance(campaigns.store, MongodbSettings):
        assert interphase(*arguments) == "6"
    else:
        assert "separate ledgers" in str(CliRunner().invoke(app, arguments).exception)


@pytest.mark.parametrize("arguments", [(TWIN,), ("-c", TWIN), ("--campaign", TWIN, TWIN)])
def test_status_counts_shared_documents(campaigns: Settings, arguments: tuple[str, ...]) -> None:
    found = json.loads(interphase("status", *arguments, "--json"))
    assert found["name"] == TWIN
    assert (found["documents"]["labels"], found["documents"]["datasets"]) == (4, 1)
    assert found["labels_shared"] == 3
    assert found["labels_rejected_by_reason"] == {"max_force": 1}
    assert found["failures"] == 2
    printed = interphase("status", *arguments)
    assert "3 of these labels were computed by other campaigns" in printed
    assert f"interphase query labels --rejected --campaign {TWIN}" in printed


def test_two_names_of_a_campaign_raise(campaigns: Settings) -> None:
    done = CliRunner().invoke(app, ["status", FIRST, "-c", TWIN])
    assert "campaign first and --campaign twin: two names are given" in str(done.exception)


def test_forecast_counts_labels_of_other_campaigns_as_done(campaigns: Settings) -> None:
    """Also before the jobs of the campaign have reached them; labels by another method do not count."""
    entries = [structure(number)[1] for number in range(N_LABELS + 3)]
    with open_workspace(campaigns, TWIN) as workspace:
        workspace.ledger.put("structure_sets", "selected", selection(entries))
        assert remaining_labels(workspace, Campaign(name=TWIN)).n_selected == 2
        vasp = Campaign.model_validate({"name": TWIN, "reference": {"method": "vasp"}})
        assert remaining_labels(workspace, vasp).n_selected == len(entries) - 4


def test_documents_without_users_belong_to_the_campaign_that_computed_them(campaigns: Settings) -> None:
    """Those of before the field was recorded; a second campaign that uses one is added."""
    with open_workspace(campaigns, FIRST) as workspace:
        found = workspace.ledger.get("labels", label(0).key)
        workspace.ledger.backend.remove("labels", {"key": found["key"]})
        workspace.ledger.backend.insert("labels", {k: v for k, v in found.items() if k != "used_by"})
        assert workspace.ledger.count("labels", workspace.own) == 5
    with open_workspace(campaigns, TWIN) as workspace, use_workspace(workspace):
        assert workspace.ledger.count("labels", workspace.own) == 4
        assert stored_document("labels", label(0).key, LabelDoc) == label(0)
        assert workspace.ledger.count("labels", workspace.own) == 5
    with open_workspace(campaigns, FIRST) as workspace:
        assert workspace.ledger.count("labels", workspace.own) == 5
