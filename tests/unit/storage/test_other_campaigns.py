"""Campaigns under a root copy results of each other, and compute each of them once."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import loop_documents as documents
from damage import flip
from interphase_flows.exceptions import AnalysisError, WalltimeReachedError
from interphase_flows.jobs.caching import cached, stored_document
from interphase_flows.runtime.progress import ProgressEvent, listening
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.settings import Settings
from interphase_flows.storage.other_campaigns import LOCKS, one_at_a_time
from interphase_flows.storage.workspace import Workspace, open_workspace, use_workspace


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path / "runs")


def made(workspace: Workspace) -> DatasetDoc:
    return documents.dataset(workspace.artifacts.put_bytes(b"frames", "datasets", ".extxyz"))


@pytest.fixture
def first(settings: Settings) -> Workspace:
    with open_workspace(settings, "first") as workspace, use_workspace(workspace):
        cached("datasets", "dataset", DatasetDoc, lambda: made(workspace))
    return workspace


def found_by_twin(settings: Settings) -> DatasetDoc | None:
    with open_workspace(settings, "twin") as workspace, use_workspace(workspace):
        return stored_document("datasets", "dataset", DatasetDoc)


def test_result_of_another_campaign_is_copied_with_its_files(settings: Settings, first: Workspace) -> None:
    """The copy stays when the other campaign is removed, and names both."""
    original = first.ledger.get("datasets", "dataset")
    document = found_by_twin(settings)
    copy = Workspace(settings, "twin").artifacts.get(document.artifact)
    assert copy.samefile(first.artifacts.get(document.artifact))
    shutil.rmtree(first.root)
    assert found_by_twin(settings) == document
    assert copy.read_bytes() == b"frames"
    stored = Workspace(settings, "twin").ledger.get("datasets", "dataset")
    assert stored == original | {"used_by": ["first", "twin"]}


def test_files_are_copied_where_the_file_system_has_no_hard_links(
    settings: Settings, first: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: object, target: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", link)
    document = found_by_twin(settings)
    copy = Workspace(settings, "twin").artifacts.get(document.artifact)
    assert not copy.samefile(first.artifacts.get(document.artifact))


def test_copy_that_was_killed_before_its_document_is_repeated(settings: Settings, first: Workspace) -> None:
    document = DatasetDoc.model_validate(made(first))
    assert Workspace(settings, "twin").artifacts.copy_from(first.artifacts, document.artifact)
    assert found_by_twin(settings) == document


def test_damaged_file_of_another_campaign_is_not_copied_and_not_moved(settings: Settings, first: Workspace) -> None:
    path = first.artifacts.local_path(made(first).artifact)
    flip(path, 0.5)
    assert found_by_twin(settings) is None
    assert path.exists()


def test_damaged_ledger_of_another_campaign_is_reported_once(settings: Settings, first: Workspace) -> None:
    first.close()
    (first.root / "ledger.sqlite").write_bytes(b"x" * 4096)
    events: list[ProgressEvent] = []
    with listening(events.append):
        assert found_by_twin(settings) is None
    assert len(events) == 1
    assert "Results of campaign first are not reused" in events[0].detail


def test_result_that_a_campaign_has_removed_is_not_copied_back(settings: Settings, first: Workspace) -> None:
    """One that the other campaign has computed again is."""
    found_by_twin(settings)
    with open_workspace(settings, "twin") as twin:
        twin.ledger.invalidate("datasets", "dataset", "retried")
    assert found_by_twin(settings) is None
    with open_workspace(settings, "first") as workspace, use_workspace(workspace):
        workspace.ledger.invalidate("datasets", "dataset", "retried")
        cached("datasets", "dataset", DatasetDoc, lambda: made(workspace))
    assert found_by_twin(settings) is not None


def test_failure_after_the_removal_of_a_result_does_not_have_it_copied_back(
    settings: Settings, first: Workspace
) -> None:
    """Otherwise the second resume after a retry would end with the rejected label."""

    def fail() -> DatasetDoc:
        raise AnalysisError("still wrong")

    found_by_twin(settings)
    with open_workspace(settings, "twin") as twin, use_workspace(twin):
        twin.ledger.invalidate("datasets", "dataset", "retried")
        with pytest.raises(AnalysisError):
            cached("datasets", "dataset", DatasetDoc, fail)
    assert found_by_twin(settings) is None


def test_retried_label_is_not_replaced_by_a_rejected_one_of_another_campaign(settings: Settings) -> None:
    """Which may have retried it as well; one that is accepted there is copied."""

    def found(campaign: str, label: LabelDoc | None = None) -> LabelDoc | None:
        with open_workspace(settings, campaign) as workspace, use_workspace(workspace):
            if label is None:
                return stored_document("labels", "label", LabelDoc)
            workspace.ledger.invalidate("labels", "label", "retried")
            return cached("labels", "label", LabelDoc, lambda: label)

    rejected = documents.rejected_label("label", "killed", "out of memory")
    found("first", rejected)
    assert found("twin") == rejected
    found("first", rejected)
    with open_workspace(settings, "twin") as twin:
        twin.ledger.invalidate("labels", "label", "retried")
    assert found("twin") is None
    accepted = rejected.model_copy(update={"status": "accepted", "reason": None})
    found("first", accepted)
    assert found("twin") == accepted


def test_campaign_without_users_in_its_documents_is_reused_and_resumes(settings: Settings, first: Workspace) -> None:
    """As written before documents had the field."""
    backend = first.ledger.backend
    backend.modify(
        "datasets", "dataset", lambda old: {k: v for k, v in old.items() if k not in ("used_by", "excluded")}
    )
    first.close()
    assert found_by_twin(settings) is not None
    with open_workspace(settings, "first") as workspace, use_workspace(workspace):
        assert stored_document("datasets", "dataset", DatasetDoc) is not None
        assert workspace.ledger.count("datasets", workspace.own) == 1


WORK = """
import sys, time
from pathlib import Path
from interphase_flows.storage.other_campaigns import one_at_a_time
root = Path(sys.argv[1])
for _ in range(int(sys.argv[2])):
    with one_at_a_time(root, "labels", "k"):
        inside = root / "inside"
        inside.open("x").close()  # fails if another process is inside
        print("inside", flush=True)
        time.sleep(float(sys.argv[3]))
        inside.unlink()
"""


def start(root: Path, n: int, hold_s: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WORK, str(root), str(n), str(hold_s)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_one_process_at_a_time_works_on_a_result(tmp_path: Path) -> None:
    """The removal of the lock file lets no second process in."""
    processes = [start(tmp_path, 20, 0.001) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert list((tmp_path / LOCKS).iterdir()) == []
    for process in processes:
        process.stdout.close()


def test_killed_process_ends_its_turn(tmp_path: Path) -> None:
    process = start(tmp_path, 1, 600)
    assert process.stdout.readline() == "inside\n"

    def kill() -> None:
        os.kill(process.pid, signal.SIGKILL)

    events: list[ProgressEvent] = []
    with listening(events.append), one_at_a_time(tmp_path, "labels", "k", kill):
        pass
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    assert [event.stage for event in events] == ["waiting"]


def test_wait_ends_at_the_walltime(tmp_path: Path) -> None:
    def stop() -> None:
        raise WalltimeReachedError("no time left")

    with one_at_a_time(tmp_path, "labels", "k"):
        with pytest.raises(WalltimeReachedError), one_at_a_time(tmp_path, "labels", "k", stop):
            pass
        with one_at_a_time(tmp_path, "labels", "other"):
            pass


def test_campaigns_that_run_at_once_compute_a_result_once(settings: Settings) -> None:
    n_computed = 0

    def compute(workspace: Workspace) -> DatasetDoc:
        nonlocal n_computed
        n_computed += 1
        return made(workspace)

    with (
        open_workspace(settings, "first") as one,
        open_workspace(settings, "twin") as two,
        one.own_work_folder("datasets", "dataset"),
    ):

        def finish() -> None:
            """Let the first campaign finish when the twin begins to wait."""
            with use_workspace(one):
                cached("datasets", "dataset", DatasetDoc, lambda: compute(one))
            raise WalltimeReachedError("the twin has waited")

        with pytest.raises(WalltimeReachedError), two.own_work_folder("datasets", "dataset", finish):
            pass
        with use_workspace(two):
            cached("datasets", "dataset", DatasetDoc, lambda: compute(two))
    assert n_computed == 1
