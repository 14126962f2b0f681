"""The lock of a campaign admits one process."""

import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from interphase_flows.exceptions import DiskFullError, LockedError, StorageError
from interphase_flows.runners.local.job_log import log_jobs
from interphase_flows.storage.lock import CampaignLock, lock_holder

_HOLD = (
    "import sys\nfrom interphase_flows.storage.lock import CampaignLock\n"
    "with CampaignLock(sys.argv[1]):\n    print('held', flush=True)\n    sys.stdin.read()\n"
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


def test_a_second_process_raises_with_the_holder(tmp_path, other_process):
    with pytest.raises(LockedError) as raised:
        CampaignLock(tmp_path).acquire()
    holder = lock_holder(tmp_path)
    assert holder.pid == other_process.pid
    assert f"process {other_process.pid} on {os.uname().nodename} since {holder.started}" in str(raised.value)


def test_full_disk_is_an_error_with_the_file_and_holds_no_lock(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(DiskFullError, match=f"{tmp_path}.*the disk is full"):
            CampaignLock(tmp_path).acquire()
    with CampaignLock(tmp_path):
        assert lock_holder(tmp_path).pid == os.getpid()


def test_kill_9_releases_the_lock(tmp_path, other_process):
    other_process.send_signal(signal.SIGKILL)
    other_process.wait()
    assert lock_holder(tmp_path) is None
    with CampaignLock(tmp_path):
        assert lock_holder(tmp_path).pid == os.getpid()


def test_the_lock_is_released_after_a_block_that_raises(tmp_path):
    with pytest.raises(ValueError, match="mine"), CampaignLock(tmp_path):
        raise ValueError("mine")
    assert lock_holder(tmp_path) is None


def test_a_forked_child_does_not_inherit_the_lock(tmp_path):
    """A child that outlives its parent must not hold the parent's campaign."""
    held = CampaignLock(tmp_path).acquire()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    held.release()
    with CampaignLock(tmp_path):
        pass
    os.close(writing)
    os.waitpid(child, 0)


def test_the_lock_file_names_its_holder(tmp_path):
    with CampaignLock(tmp_path):
        content = json.loads((tmp_path / "campaign.lock").read_text())
    assert set(content) == {"pid", "host", "started", "command"}


def test_a_campaign_that_was_never_started_has_no_holder(tmp_path):
    assert lock_holder(tmp_path / "absent") is None


@pytest.mark.parametrize("write", [lambda path: CampaignLock(path.parent).acquire(), log_jobs])
def test_link_in_place_of_a_file_of_the_campaign_leaves_its_target_unchanged(write, tmp_path):
    target, link = tmp_path / "target", tmp_path / "campaign.lock"
    target.write_text("content")
    link.symlink_to(target)
    with pytest.raises(StorageError, match=r"campaign\.lock: not written: it is a symbolic link.*Hint: remove"):
        write(link)
    assert target.read_text() == "content"
