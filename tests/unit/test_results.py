"""Results of a campaign in Python."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import loop_documents as documents
from interphase_flows.exceptions import InputError, StorageError
from interphase_flows.results import CampaignResults
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.settings import Settings, load_settings
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.workspace import Workspace, open_workspace


def label(key: str, energy_eV: float, **changes) -> LabelDoc:
    fields = {
        "key": key,
        "structure_key": f"s-{key}",
        "origin": "crystal/Li2S",
        "formula": "Li2S",
        "method_name": "spheres",
        "method_key": "spheres-1",
        "is_surrogate": True,
        "status": "accepted",
        "numbers": [3, 3, 16],
        "cell": [[5.0, 0, 0], [0, 5.0, 0], [0, 0, 5.0]],
        "positions": [[0.0, 0, 0], [2.4, 0, 0], [0, 2.4, 0]],
        "energy_eV": energy_eV,
        "forces_eV_per_angstrom": [[0.1, 0, 0], [-0.1, 0, 0], [0, 0, 0]],
        "stress_eV_per_angstrom3": [0.01, 0, 0, 0, 0, 0],
    }
    return LabelDoc(**fields | changes)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path / "runs", campaign="mine")


@pytest.fixture
def written(settings: Settings):
    """A campaign with labels and iterations, one of them of another campaign; yields its workspace."""
    with open_workspace(settings) as workspace:
        workspace.ledger.set_state("campaigns", "mine", {"spec": {}, "status": "running"})
        for document in (
            label("a", -1.0),
            label("b", -3.0, origin="amorphous x=0.5"),
            label("c", -2.0, notes=["continued"]),
        ):
            workspace.ledger.put("labels", document.key, document)
        failed = {"status": "rejected", "reason": "max_force", "forces_eV_per_angstrom": None}
        workspace.ledger.put("labels", "d", label("d", -9.0, **failed))
        for key, index in (("i0", 0), ("i1", 1)):
            workspace.ledger.put("iterations", key, documents.iteration(key, index))
        of_another(workspace, "theirs", 9)
        yield workspace


def of_another(workspace: Workspace, key: str, index: int) -> None:
    workspace.ledger.campaign = "another"
    workspace.ledger.put("iterations", key, documents.iteration(key, index))
    workspace.ledger.campaign = "mine"


@pytest.fixture
def results(written: Workspace, settings: Settings):
    with CampaignResults(settings=settings) as results:
        yield results


def test_string_and_keyword_filters_are_equivalent(results):
    """Equality, one of a list, and both together; sorted and limited by the database."""
    assert [found.key for found in results.labels("status=accepted", sort="energy_eV")] == ["b", "c", "a"]
    assert [found.key for found in results.labels(status="accepted", sort=["-energy_eV"], limit=1)] == ["a"]
    assert {found.key for found in results.labels("energy_eV<-1", key=["a", "b", "c"])} == {"b", "c"}
    assert {found.key for found in results.labels("energy_eV<-1", "energy_eV>-3", status="accepted")} == {"c"}
    assert results.count("labels", "energy_eV<-1", status="accepted") == 2
    assert results.count("labels", notes="continued") == 1


def test_documents_are_validated_by_their_schema(results):
    """Without the fields of the ledger."""
    (found,) = results.labels(key="c")
    assert found == label("c", -2.0, notes=["continued"])


def test_accepted_labels_are_atoms_with_energy_forces_and_stress(results):
    """In ASE's units and signs: tension positive, eV and Å."""
    frames = list(results.label_frames(sort="key"))
    assert [frame.info["label_key"] for frame in frames] == ["a", "b", "c"]
    assert frames[1].get_potential_energy() == -3.0
    assert np.allclose(frames[0].get_forces()[:, 0], [0.1, -0.1, 0])
    assert frames[0].get_stress()[0] == 0.01
    with pytest.raises(InputError, match="was rejected"):
        list(results.label_frames(status="rejected"))


def test_the_last_iteration_is_that_of_this_campaign(results, written):
    """Not that of another campaign in the same database; for a finished campaign, that of its result."""
    assert results.iteration().key == "i1"
    named = dict.fromkeys(("dataset_key", "committee_key", "starts_key"), "x")
    lists = {"exploration_keys": [], "production_keys": [], "iteration_keys": ["i0"], "analysis_keys": {}}
    result = {"name": "mine", "outcome": "converged"} | named | lists
    written.ledger.set_state("campaigns", "mine", {"spec": {}, "status": "finished", "result": result})
    assert results.iteration().key == "i0"
    assert list(results.iterations(campaign="another")) == []
    Ledger(written.ledger.backend, "mine").mark_used("iterations", written.ledger.get("iterations", "theirs"))
    assert [found.key for found in results.iterations(campaign="another")] == ["theirs"]


def test_count_of_shortened_fields_of_phases(results, written):
    phases = {"phases": {"li2s": {"atom_fraction": {"value": 0.3}}}}
    written.ledger.put("phases", "p", {"part": "phases", "analysis_key": "a", "average": phases})
    counts = [results.count("phases", f"li2s.atom_fraction.value>{limit}") for limit in (0.2, 0.4)]
    assert counts == [1, 0]
    assert results.count("phases", "li2s.atom_fraction.value>0.2", analysis_key="b") == 0


def test_invalid_queries_raise_before_documents_are_read(results):
    """Unknown fields, kinds and filters."""
    with pytest.raises(InputError, match="did you mean 'energy_eV'"):
        results.labels("energy<1")
    with pytest.raises(InputError, match="did you mean 'status'"):
        results.labels(statuss="accepted")
    with pytest.raises(InputError, match="did you mean 'run_id'"):
        results.segments(sort="runid")
    with pytest.raises(InputError, match="a filter is FIELD OPERATOR VALUE"):
        results.labels("status")
    with pytest.raises(InputError, match="unknown kind 'label'"):
        results.count("label")
    with pytest.raises(InputError, match=r"no trajectory of a run 'replica-0'.*interphase query segments"):
        results.trajectory("replica-0")
    with pytest.raises(InputError, match="datasets dataset is not in the ledger"):
        results.dataset()


def test_a_missing_campaign_raises_with_the_existing_ones(settings, written):
    with pytest.raises(StorageError, match="no such campaign; existing campaigns: mine"):
        CampaignResults("yours", settings)


def test_failures_are_typed_and_repetitions_counted(tmp_path):
    settings = load_settings(root=tmp_path)
    with open_workspace(settings, "failing") as workspace:
        for _ in range(2):
            workspace.ledger.record_failure(
                "labels", "abc", "max_force", {"max_force": 31.5, "explanation": "too large"}
            )
    with CampaignResults("failing", settings) as results:
        (failure,) = results.failures(reason="max_force")
    assert (failure.failed_kind, failure.failed_key, failure.tries) == ("labels", "abc", 2)
    assert failure.details == {"max_force": 31.5, "explanation": "too large"}
    assert isinstance(failure.created_at, datetime)
    assert failure.created_at <= failure.last_at


def test_only_campaign_is_the_default(settings, written, tmp_path):
    """As with the command."""
    with pytest.raises(InputError, match="there is no campaign"):
        CampaignResults(settings=Settings(root=tmp_path / "empty"))
    unnamed = Settings(root=settings.root)
    with CampaignResults(settings=unnamed) as results:
        assert results.campaign == "mine"
    (settings.root / "other").mkdir()
    (settings.root / "other" / "ledger.sqlite").touch()
    with pytest.raises(InputError, match="there are 2 campaigns"):
        CampaignResults(settings=unnamed)
