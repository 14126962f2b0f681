"""Folders are locked against other processes."""

import errno
import subprocess
import sys
import threading
import time

import pytest

from interphase_flows.exceptions import LockedError, StorageError
from interphase_flows.runtime import file_locks
from interphase_flows.runtime.file_locks import exclusive_folder

_HOLD = (
    "import sys\nfrom pathlib import Path\nfrom interphase_flows.runtime.file_locks import exclusive_folder\n"
    "with exclusive_folder(Path(sys.argv[1]), 'a.lock'):\n    print('held', flush=True)\n    sys.stdin.read()\n"
)


@pytest.fixture
def other_process(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_folder_in_use_raises_without_waiting(tmp_path, other_process):
    with (
        pytest.raises(LockedError, match="another process works in this folder"),
        exclusive_folder(tmp_path, "a.lock", wait=False),
    ):
        pytest.fail("two processes hold one folder")
    with exclusive_folder(tmp_path, "other.lock", wait=False):
        pass


def test_waiting_ends_when_the_other_process_is_killed(tmp_path, other_process):
    killer = threading.Timer(0.3, other_process.kill)
    began = time.monotonic()
    killer.start()
    with exclusive_folder(tmp_path, "a.lock"):
        assert time.monotonic() - began >= 0.3


def test_a_child_that_inherits_the_descriptor_keeps_the_lock(tmp_path):
    with exclusive_folder(tmp_path / "made", "a.lock") as descriptor:
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], pass_fds=[descriptor], stdin=subprocess.PIPE, text=True
        )
    with pytest.raises(LockedError), exclusive_folder(tmp_path / "made", "a.lock", wait=False):
        pytest.fail("the child does not hold the lock")
    child.communicate("\n")
    with exclusive_folder(tmp_path / "made", "a.lock", wait=False):
        pass


def test_a_file_system_without_locks_raises(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(file_locks.fcntl, "flock", no_locks)
    with pytest.raises(StorageError, match=r"does not support file locks .* Hint: set `root`"):
        exclusive_folder(tmp_path, "a.lock").__enter__()
