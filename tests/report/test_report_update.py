"""The report is written again only if its documents or files changed."""

import hashlib
import json
from pathlib import Path

import pytest

from damage import flip
from interphase_flows.report.collect import campaign_report, report_update
from interphase_flows.report.collect.report_update import update_campaign_report
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, open_workspace


@pytest.fixture
def written(monkeypatch) -> list[Path]:
    """Return the reports written by the test, each a page and a figure."""
    pages: list[Path] = []

    def write(workspace: Workspace) -> Path:
        pages.append(workspace.report_folder / "report.html")
        (workspace.report_folder / "figures").mkdir(parents=True, exist_ok=True)
        (workspace.report_folder / "figures" / "a.svg").write_text("<svg/>")
        pages[-1].write_text("page")
        return pages[-1]

    monkeypatch.setattr(campaign_report, "write_campaign_report", write)
    return pages


def test_report_is_written_again_after_a_change(tmp_path, written):
    """Of results, failures, status and files, but not after a resume without work."""
    with open_workspace(Settings(root=tmp_path), "c") as workspace:
        ledger, folder = workspace.ledger, workspace.report_folder
        changes = [
            lambda: ledger.set_state("campaigns", "c", {"status": "running"}),
            lambda: ledger.set_state("campaigns", "c", {"status": "finished"}),
            lambda: ledger.set_state("campaigns", "c", {"status": "finished", "settings": {"device": "cuda"}}),
            lambda: ledger.put("labels", "a", {}),
            lambda: ledger.record_failure("labels", "b", "max_force"),
            lambda: ledger.record_failure("labels", "b", "max_force"),
            lambda: flip(folder / "figures" / "a.svg", 0.5),
            lambda: (folder / "report.html").unlink(),
            lambda: (folder / report_update.RECORD_NAME).write_bytes(b"\xff"),
        ]
        for n_written, change in enumerate(changes, start=1):
            change()
            for _ in range(2):
                assert update_campaign_report(workspace) == folder / "report.html"
                assert len(written) == n_written
                ledger.set_state("campaigns", "c", {"ended_at": "now"} | (ledger.get("campaigns", "c") or {}))


@pytest.mark.parametrize("name", ["/dev/zero", "../../../../../../../../dev/zero", "x/../../secret"])
def test_record_of_files_names_no_file_outside_the_report(name, tmp_path, written, monkeypatch):
    """Reading /dev/zero would not end."""
    with open_workspace(Settings(root=tmp_path), "c") as workspace:
        workspace.ledger.set_state("campaigns", "c", {"status": "finished"})
        update_campaign_report(workspace)
        record = workspace.report_folder / report_update.RECORD_NAME
        content = json.loads(record.read_text())
        record.write_text(json.dumps(content | {"files": content["files"] | {name: "0" * 64}}))
        monkeypatch.setattr(report_update, "_sha256", _digest)
        update_campaign_report(workspace)
        assert len(written) == 2


def _digest(path: Path) -> str:
    assert ".." not in path.parts
    assert not path.is_relative_to("/dev")
    return hashlib.sha256(path.read_bytes()).hexdigest()
