"""A campaign of two workers on a disk that fills up, resumed by one after space is freed."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from interphase_flows.settings import load_settings
from interphase_flows.storage.workspace import open_workspace
from tiny_campaign import interphase, run_without_report

pytestmark = pytest.mark.slow

SMALL = "600k"
LARGE = "200m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small file system that is nearly full."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_is_an_error_and_resume_gives_the_same_dataset(
    small_disk: Path, tiny_file: Path, finished_root: Path
) -> None:
    stopped = interphase("run", str(tiny_file), "--root", str(small_disk), "--workers", "2", check=False)
    assert stopped.returncode == 2
    assert "space" in stopped.stderr
    assert "Traceback (most recent call last)" not in stopped.stderr
    subprocess.run(["mount", "-o", f"remount,size={LARGE}", str(small_disk)], check=True)
    run_without_report(tiny_file, small_disk)
    assert _dataset_key(small_disk) == _dataset_key(finished_root)


def _dataset_key(root: Path) -> str:
    with open_workspace(load_settings(root=root), "tiny", read_only=True) as workspace:
        return str((workspace.ledger.get("campaigns", "tiny") or {})["result"]["dataset_key"])
