"""A campaign of two workers on a disk that fills up, resumed by one after space is freed."""

import subprocess
from pathlib import Path

import pytest

from interphase_flows.settings import load_settings
from interphase_flows.storage.workspace import open_workspace
from small_disk import small_disk
from tiny_campaign import interphase, run_without_report

pytestmark = pytest.mark.slow

SMALL = "600k"
LARGE = "200m"


def test_full_disk_is_an_error_and_resume_gives_the_same_dataset(
    tmp_path: Path, tiny_file: Path, finished_root: Path
) -> None:
    with small_disk(tmp_path / "disk", f"size={SMALL}") as disk:
        stopped = interphase("run", str(tiny_file), "--root", str(disk), "--workers", "2", check=False)
        assert stopped.returncode == 2
        assert "space" in stopped.stderr
        assert "Traceback (most recent call last)" not in stopped.stderr
        subprocess.run(["mount", "-o", f"remount,size={LARGE}", str(disk)], check=True)
        run_without_report(tiny_file, disk)
        assert _dataset_key(disk) == _dataset_key(finished_root)


def _dataset_key(root: Path) -> str:
    with open_workspace(load_settings(root=root), "tiny", read_only=True) as workspace:
        return str((workspace.ledger.get("campaigns", "tiny") or {})["result"]["dataset_key"])
