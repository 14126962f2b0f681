"""One process writes to a campaign."""

import json
import os
import signal
import subprocess
import sys

import pytest

from interphase_flows.exceptions import LockedError, StorageError
from interphase_flows.storage import lock
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


def test_a_second_process_is_refused_in_words(tmp_path, other_process):
    """The message names process, host and time."""
    with pytest.raises(LockedError) as refusal:
        CampaignLock(tmp_path).acquire()
    holder = lock_holder(tmp_path)
    assert holder.pid == other_process.pid
    assert f"process {other_process.pid} on {os.uname().nodename} since {holder.started}" in str(
        refusal.value
    )


def test_kill_9_releases(tmp_path, other_process):
    """A killed campaign needs no clean-up."""
    other_process.send_signal(signal.SIGKILL)
    other_process.wait()
    assert lock_holder(tmp_path) is None
    with CampaignLock(tmp_path):
        assert lock_holder(tmp_path).pid == os.getpid()


def test_it_is_free_after_the_block(tmp_path):
    """Also when the block failed."""
    with pytest.raises(ValueError, match="mine"), CampaignLock(tmp_path):
        raise ValueError("mine")
    assert lock_holder(tmp_path) is None


def test_a_forked_child_does_not_keep_it(tmp_path):
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


def test_the_file_says_who(tmp_path):
    """Whoever reads the file finds process, host, time and command."""
    with CampaignLock(tmp_path):
        content = json.loads((tmp_path / "campaign.lock").read_text())
    assert set(content) == {"pid", "host", "started", "command"}


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch):
    """Going on without a lock would be worse."""

    def no_locks(*_):
        raise OSError(lock.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock.fcntl, "flock", no_locks)
    with pytest.raises(StorageError, match=r"no file locks .* Set `root`"):
        CampaignLock(tmp_path).acquire()


def test_nobody_holds_what_is_not_there(tmp_path):
    """A campaign never started has no holder."""
    assert lock_holder(tmp_path / "absent") is None
