"""Work passes from an owner that is gone, silent or done to the next one; the loser writes nothing."""

import subprocess
import sys
import threading
import time

import pytest

from interphase_flows.exceptions import LeaseLostError
from interphase_flows.md.checkpoint import write_file_durably
from interphase_flows.runtime.fencing import before_write
from interphase_flows.storage import leases
from interphase_flows.storage.leases import leased_folder, take
from interphase_flows.storage.ledger import Ledger

LEASE_S = 0.3
KEY = "segments:k"


class EnoughError(Exception):
    """A test has waited long enough."""


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch):
    monkeypatch.setattr(leases, "BETWEEN_LOOKS_S", 0.02)


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger.embedded(tmp_path / "ledger.sqlite", "c")
    yield opened
    opened.close()


def give_up_after(seconds):
    end = time.monotonic() + seconds

    def look():
        if time.monotonic() > end:
            raise EnoughError

    return look


def test_a_folder_is_of_one_owner_and_then_of_the_next(ledger, tmp_path):
    """Who waits is asked whether to go on; what is left in the folder is handed on, and no lease."""
    with leased_folder(ledger, tmp_path, "segments", "k", 60) as folder:
        (folder / "checkpoint").write_text("half")
        with (
            pytest.raises(EnoughError),
            leased_folder(ledger, tmp_path, "segments", "k", 60, give_up_after(0.1)),
        ):
            pytest.fail("two have one folder")
    assert ledger.find("leases") == []
    with leased_folder(ledger, tmp_path, "segments", "k", 60) as folder:
        assert (folder / "checkpoint").read_text() == "half"


def test_an_owner_that_renews_keeps_its_work_however_long(ledger, tmp_path):
    """Slow is not dead."""
    with leased_folder(ledger, tmp_path, "segments", "k", LEASE_S) as folder:
        with (
            pytest.raises(EnoughError),
            leased_folder(ledger, tmp_path, "segments", "k", LEASE_S, give_up_after(4 * LEASE_S)),
        ):
            pytest.fail("two have one folder")
        before_write()
        write_file_durably(folder / "checkpoint", b"mine")


def test_the_work_of_a_killed_process_is_taken_at_once(ledger, tmp_path):
    """Its process is gone from this machine: nothing has to be waited for, or copied."""
    script = (
        "import os, sys; from pathlib import Path; from interphase_flows.storage.leases import leased_folder; "
        "from interphase_flows.storage.ledger import Ledger\n"
        "root = Path(sys.argv[1])\n"
        "with leased_folder(Ledger.embedded(root / 'ledger.sqlite'), root, 'segments', 'k', 60) as folder:\n"
        "    (folder / 'checkpoint').write_text('half'); os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == 9
    assert len(ledger.find("leases")) == 1
    with leased_folder(ledger, tmp_path, "segments", "k", 60, give_up_after(0)) as folder:
        assert (folder / "checkpoint").read_text() == "half"
        assert folder.name == "k"
    assert ledger.find("leases") == []


def test_a_silent_owner_loses_its_work_and_may_not_write(ledger, tmp_path):
    """It keeps its folder to itself until the copy is made; then its writes are refused, with who has it."""
    first = take(ledger, KEY, "k", LEASE_S)
    old = tmp_path / "k"
    old.mkdir()
    (old / "checkpoint").write_text("half")
    (old / "segment.lock").touch()
    with leased_folder(ledger, tmp_path, "segments", "k", LEASE_S) as folder:
        assert folder != old
        assert (folder / "checkpoint").read_text() == "half"
        assert not (folder / "segment.lock").exists()
        assert not old.exists()
        with pytest.raises(LeaseLostError, match=r"segments:k: .* taken over by process \d+"):
            first.check()
        # what the loser gives back is not its own
        first.release(keep=False)
        before_write()
    # the checkpoints are under another name, which the next owner has to find
    with leased_folder(ledger, tmp_path, "segments", "k", LEASE_S, give_up_after(0)) as again:
        assert again == folder
        again.joinpath("checkpoint").unlink()
        again.rmdir()
    assert ledger.find("leases") == []
    with pytest.raises(LeaseLostError, match="has finished it"):
        first.check()


def test_an_owner_whose_lease_is_lost_writes_no_checkpoint(ledger, tmp_path, monkeypatch):
    """The thread that renews was stopped with its process; its next file is not written."""
    monkeypatch.setattr(leases, "RENEWALS_PER_LEASE", 1e-3)  # never renewed while this test lasts
    with leased_folder(ledger, tmp_path, "segments", "k", LEASE_S) as mine:
        write_file_durably(mine / "first", b"1")
        taken = take(ledger, KEY, "k", LEASE_S)
        with pytest.raises(LeaseLostError):
            write_file_durably(mine / "second", b"2")
        assert [path.name for path in mine.iterdir()] == ["first"]
    taken.check()


def test_a_copy_that_was_cut_short_is_made_again(ledger, tmp_path, monkeypatch):
    """The one who took over was killed while it copied: whoever comes next copies the whole."""
    take(ledger, KEY, "k", LEASE_S)
    (tmp_path / "k").mkdir()
    for name in ("a", "b"):
        (tmp_path / "k" / name).write_text(name)

    class KilledError(BaseException):
        pass

    def half(source, target, **_):
        target.mkdir()
        (target / "a").write_text("a")
        raise KilledError

    with monkeypatch.context() as cut:
        cut.setattr(leases.shutil, "copytree", half)
        with pytest.raises(KilledError), leased_folder(ledger, tmp_path, "segments", "k", LEASE_S):
            pytest.fail("a half copy was handed out")
    with leased_folder(ledger, tmp_path, "segments", "k", LEASE_S) as folder:
        assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]


def test_of_several_that_wait_for_a_silent_owner_one_gets_the_work(ledger, tmp_path):
    """The others wait for it."""
    take(ledger, KEY, "k", LEASE_S)
    at_work, most, done = [], [], []

    def run():
        with leased_folder(ledger, tmp_path, "segments", "k", 5.0):
            at_work.append(1)
            most.append(len(at_work))
            time.sleep(0.05)
            at_work.pop()
        done.append(1)

    # an owner in this very process looks alive: its silence has to be seen
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == 4
    assert max(most) == 1
