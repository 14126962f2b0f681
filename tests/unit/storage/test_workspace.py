"""A workspace finds everything that a campaign stores."""

from pathlib import Path

import pytest
from jobflow import Flow, job, run_locally

from damage import flip
from interphase_flows.exceptions import CorruptStoreError, InputError, LockedError, StorageError
from interphase_flows.runtime.progress import ProgressEvent, listening
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import campaign_names, current_workspace, open_workspace, use_workspace


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("INTERPHASE_ROOT", "INTERPHASE_CAMPAIGN", "INTERPHASE_STORE", "INTERPHASE_SETTINGS_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Settings(root=tmp_path / "runs")


def test_everything_is_below_the_folder_of_the_campaign(settings):
    with open_workspace(settings, "c") as workspace:
        workspace.ledger.put("labels", "a", {"x": 1})
        workspace.artifacts.put_bytes(b"x", "models")
        folder = workspace.work_folder("models", "abc")
        (folder / "last.ckpt").touch()
        names = {path.name for path in workspace.root.iterdir()}
    assert names >= {"ledger.sqlite", "artifacts", "work", "campaign.lock"}
    assert folder == settings.root / "c" / "work" / "models" / "abc"
    assert workspace.report_folder.parent == workspace.root


def test_one_process_writes_while_others_read(settings):
    """Readers take no lock."""
    with open_workspace(settings, "c") as writer:
        writer.ledger.put("labels", "a", {"x": 1})
        with pytest.raises(LockedError), open_workspace(settings, "c"):
            pass
        with open_workspace(settings, "c", read_only=True) as reader:
            assert reader.ledger.count("labels") == 1
            writer.ledger.put("labels", "b", {"x": 1})
            assert reader.ledger.count("labels") == 2
            assert reader.ledger.count("models") == 0
            with pytest.raises(StorageError, match="read-only"):
                reader.ledger.put("labels", "c", {})


def test_temporary_files_of_a_killed_process_are_removed_at_the_next_start(settings):
    leftover = settings.root / "c" / "artifacts" / ".interphase-tmp-123-model.pth"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    with open_workspace(settings, "c"):
        assert not leftover.exists()


def test_a_missing_campaign_raises_with_the_existing_ones(settings):
    with open_workspace(settings, "first") as workspace:
        workspace.ledger.put("labels", "a", {})
    with pytest.raises(StorageError, match="no such campaign; existing campaigns: first"):
        open_workspace(settings, "frist", read_only=True)
    with pytest.raises(InputError, match="INTERPHASE_CAMPAIGN"):
        open_workspace(settings)
    with pytest.raises(InputError, match=r"campaign name '\.\./x'"):
        open_workspace(settings, "../x")
    with pytest.raises(StorageError, match="not a valid folder name"):
        open_workspace(settings, "c").work_folder("models", "../../x")


@pytest.fixture
def started(settings):
    """Return the folder of a campaign with a document and an artifact."""
    with open_workspace(settings, "c") as workspace:
        workspace.ledger.set_state("campaigns", "c", {})
        workspace.artifacts.put_bytes(b"x", "models")
        (workspace.root / ".interphase-tmp-1").touch()
    return workspace.root


def flip_in_document(path: Path) -> None:
    content = path.read_bytes()
    flip(path, (content.rindex(b"created_at") + 0.5) / len(content))


@pytest.mark.parametrize("damage", [flip_in_document, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("read_only", [True, False])
def test_damaged_ledger_raises_before_anything_is_written(settings, started, damage, read_only):
    damage(started / "ledger.sqlite")
    before = {path: path.read_bytes() for path in started.rglob("*") if path.is_file()}
    with pytest.raises(CorruptStoreError, match=r"damaged.*restore the file"):
        open_workspace(settings, "c", read_only).__enter__()
    assert {path: path.read_bytes() for path in started.rglob("*") if path.is_file()} == before


def test_ledger_of_another_campaign_raises(settings, started):
    with open_workspace(settings, "d") as other:
        other.ledger.set_state("campaigns", "d", {})
    (other.root / "ledger.sqlite").replace(started / "ledger.sqlite")
    for read_only in (True, False):
        with pytest.raises(CorruptStoreError, match="that of campaign d, not of c"):
            open_workspace(settings, "c", read_only).__enter__()


def test_missing_ledger_is_reported(settings, started):
    """A reader raises; a new start reports it and computes everything again."""
    (started / "ledger.sqlite").unlink()
    assert campaign_names(settings) == ["c"]
    with pytest.raises(CorruptStoreError, match="missing"):
        open_workspace(settings, "c", read_only=True)
    events: list[ProgressEvent] = []
    with listening(events.append), open_workspace(settings, "c"):
        assert "missing: all results are computed again" in events[0].detail


def test_current_workspace_is_that_of_the_block_else_of_the_settings(settings, monkeypatch):
    with use_workspace(open_workspace(settings, "c")) as workspace:
        assert current_workspace() is workspace
    assert not current_workspace().shares_documents
    assert current_workspace().root == Path.cwd()
    monkeypatch.setenv("INTERPHASE_ROOT", str(settings.root))
    monkeypatch.setenv("INTERPHASE_CAMPAIGN", "d")
    assert current_workspace().root == settings.root / "d"
    assert current_workspace() is current_workspace()


def test_campaigns_in_mongodb_share_their_artifacts(tmp_path):
    shared = Settings(root=tmp_path / "runs", store={"type": "mongodb"})
    assert open_workspace(shared, "c").artifacts.root_url == str(tmp_path / "runs" / "artifacts")
    elsewhere = Settings(root=tmp_path / "runs", artifacts_url=str(tmp_path / "files"))
    assert open_workspace(elsewhere, "c").artifacts.root_url == str(tmp_path / "files")


@job(data="large")
def add(a, b):
    return {"sum": a + b, "large": list(range(100))}


# jobflow 0.4 still calls it
@pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning")
def test_jobflow_runs_on_the_job_store(settings):
    """References are resolved; large outputs go to the additional store."""
    with open_workspace(settings, "c") as workspace:
        first = add(1, 2)
        second = add(first.output["sum"], 3)
        store = workspace.open_job_store()
        run_locally(Flow([first, second]), store=store, ensure_success=True, log=False)
        assert store.get_output(second.uuid, load=True) == {"sum": 6, "large": list(range(100))}
        assert store.additional_stores["data"].count() == 2
        store.close()
