"""Storage of jobs without a campaign: references with paths, nothing in a ledger."""

import logging

import pytest

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import CorruptArtifactError, StorageError
from interphase_flows.jobs.caching import cached
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.document import Document
from interphase_flows.settings import Settings
from interphase_flows.storage.job_folder import JobFolder
from interphase_flows.storage.workspace import current_workspace, open_workspace


class NumbersDoc(Document):
    x: float
    artifact: ArtifactRef | None = None


@pytest.fixture
def job_folders(empty_folder, monkeypatch) -> tuple[JobFolder, JobFolder]:
    """The folders of two jobs; the second one is the working folder."""
    folders = [empty_folder / "first", empty_folder / "second"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.chdir(folders[1])
    return JobFolder(folders[0], Settings()), current_workspace()


def test_next_job_reads_a_file_from_the_folder_of_the_first(job_folders):
    first, second = job_folders
    ref = ArtifactRef.model_validate(first.artifacts.put_bytes(b"x", "models", ".ckpt").model_dump())
    assert second.artifacts.get(ref).read_bytes() == b"x"
    assert second.artifacts.get(ref).is_relative_to(first.root)
    assert not (second.root / "artifacts").exists()


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"y"), lambda path: path.unlink()])
def test_damaged_or_missing_file_raises_with_a_hint(job_folders, damage):
    first, second = job_folders
    ref = first.artifacts.put_bytes(b"x", "models")
    damage(first.artifacts.local_path(ref))
    with pytest.raises(CorruptArtifactError, match=r"first.*Hint"):
        second.artifacts.get(ref)


def test_campaign_copies_files_of_a_job_folder_to_its_store(job_folders, tmp_path):
    ref = job_folders[0].artifacts.put_bytes(b"x", "models")
    with open_workspace(Settings(root=tmp_path / "runs"), "c") as workspace:
        workspace.artifacts.get(ref)
        job_folders[0].artifacts.local_path(ref).unlink()
        assert workspace.artifacts.get(ref).is_relative_to(workspace.root)
        other = job_folders[0].artifacts.put_bytes(b"other", "models")
        job_folders[0].artifacts.local_path(other).write_bytes(b"spoil")
        with pytest.raises(CorruptArtifactError, match="hash is not the recorded"):
            workspace.artifacts.get(other)


def test_file_of_a_campaign_needs_the_campaign(job_folders, tmp_path):
    with open_workspace(Settings(root=tmp_path / "runs"), "c") as workspace:
        ref = workspace.artifacts.put_bytes(b"x", "models")
    with pytest.raises(CorruptArtifactError, match="INTERPHASE_CAMPAIGN"):
        job_folders[1].artifacts.get(ref)


def test_path_is_not_part_of_the_identity(job_folders):
    """Keys and stored documents of a campaign are the same as without the field."""
    first, second = (folder.artifacts.put_bytes(b"x", "models") for folder in job_folders)
    assert first.path != second.path
    assert first == second
    assert len({first, second}) == 1
    assert content_key("models", ref=first) == content_key("models", ref=first.model_copy(update={"path": None}))
    assert "path" not in first.model_copy(update={"path": None}).model_dump()


def test_results_are_computed_every_time_and_failures_are_logged(job_folders, caplog):
    calls = []

    def compute() -> NumbersDoc:
        calls.append(1)
        return NumbersDoc(key="k", x=float("inf"), artifact=job_folders[1].artifacts.put_bytes(b"x", "models"))

    documents = [cached("models", "k", NumbersDoc, compute) for _ in range(2)]
    assert documents[0] == documents[1]
    assert documents[0].artifact.path is not None
    assert len(calls) == 2

    def fail() -> NumbersDoc:
        raise StorageError("no space")

    with caplog.at_level(logging.WARNING), pytest.raises(StorageError):
        cached("models", "k", NumbersDoc, fail)
    assert "models k: StorageError: no space" in caplog.text
