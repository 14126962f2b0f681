"""Work passes from a dead, unresponsive or finished owner to the next; a former owner writes nothing."""

import subprocess
import sys
import threading
import time

import pytest

from interphase_flows.exceptions import LeaseLostError
from interphase_flows.md.checkpoint import write_checkpoint_file
from interphase_flows.runtime.fencing import before_write
from interphase_flows.storage import leases
from interphase_flows.storage.leases import acquire, leased_folder, remove_dead_leases
from interphase_flows.storage.ledger import LEDGER_FIELDS, Ledger

LEASE_S = 0.3
KEY = "segments:k"


class EnoughError(Exception):
    """The waiting time of a test is over."""


@pytest.fixture(autouse=True)
def poll_quickly(monkeypatch):
    monkeypatch.setattr(leases, "POLL_INTERVAL_S", 0.02)


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


def test_a_folder_has_one_owner_at_a_time(ledger, tmp_path):
    """The next one finds its files; a released lease is removed."""
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


def test_a_renewed_lease_does_not_expire(ledger, tmp_path):
    with leased_folder(ledger, tmp_path, "segments", "k", LEASE_S) as folder:
        with (
            pytest.raises(EnoughError),
            leased_folder(ledger, tmp_path, "segments", "k", LEASE_S, give_up_after(4 * LEASE_S)),
        ):
            pytest.fail("two have one folder")
        before_write()
        write_checkpoint_file(folder / "checkpoint", b"mine")


def test_the_work_of_a_killed_process_is_taken_over_at_once(ledger, tmp_path):
    """Its process is known to be dead on this machine: no wait, and no copy."""
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


def test_leases_of_dead_processes_are_removed(ledger, tmp_path):
    """Not those of living ones, and those that name the folder of checkpoints."""
    script = (
        "import sys; from pathlib import Path; from interphase_flows.storage.leases import acquire; "
        "from interphase_flows.storage.ledger import Ledger\n"
        "ledger = Ledger.embedded(Path(sys.argv[1]) / 'ledger.sqlite', 'c')\n"
        "acquire(ledger, 'models:done', 'done', 60); acquire(ledger, 'models:taken', 'taken.0123456789abcdef', 60)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    acquire(ledger, "models:alive", "alive", 60)
    (tmp_path / "models" / "taken.0123456789abcdef").mkdir(parents=True)
    remove_dead_leases(ledger, tmp_path)
    assert [lease["key"] for lease in ledger.find("leases")] == ["models:taken", "models:alive"]


@pytest.mark.parametrize("changes", [{"folder": 5}, {"folder": "../x"}, {"copy_from": ["/etc"]}, {"folder": "a\x00b"}])
def test_leases_that_name_no_folder_of_their_work_do_not_stop_a_run(changes, ledger, tmp_path):
    acquire(ledger, "models:k", "k", 60)
    lease = {name: value for name, value in ledger.get("leases", "models:k").items() if name not in LEDGER_FIELDS}
    ledger.set_state("leases", "models:k", lease | changes)
    ledger.set_state("leases", "no pair", {"host": "elsewhere"})
    remove_dead_leases(ledger, tmp_path)
    assert len(ledger.find("leases")) == 2


def test_an_unresponsive_owner_loses_its_lease_and_must_not_write(ledger, tmp_path):
    """Its folder is copied; its next write raises and names the new owner."""
    first = acquire(ledger, KEY, "k", LEASE_S)
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
        # the release of a lost lease has no effect
        first.release(keep=False)
        before_write()
    # the next owner must find the checkpoints in the folder of another name
    with leased_folder(ledger, tmp_path, "segments", "k", LEASE_S, give_up_after(0)) as again:
        assert again == folder
        again.joinpath("checkpoint").unlink()
        again.rmdir()
    assert ledger.find("leases") == []
    with pytest.raises(LeaseLostError, match="has finished it"):
        first.check()


def test_an_owner_whose_lease_is_lost_writes_no_checkpoint(ledger, tmp_path, monkeypatch):
    """Its renewal thread was stopped together with the process."""
    monkeypatch.setattr(leases, "RENEWALS_PER_LEASE", 1e-3)  # no renewal during this test
    with leased_folder(ledger, tmp_path, "segments", "k", LEASE_S) as mine:
        write_checkpoint_file(mine / "first", b"1")
        taken = acquire(ledger, KEY, "k", LEASE_S)
        with pytest.raises(LeaseLostError):
            write_checkpoint_file(mine / "second", b"2")
        assert [path.name for path in mine.iterdir()] == ["first"]
    taken.check()


def test_an_interrupted_copy_is_repeated(ledger, tmp_path, monkeypatch):
    """The new owner was killed while it copied the folder."""
    acquire(ledger, KEY, "k", LEASE_S)
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
            pytest.fail("an incomplete copy was returned")
    with leased_folder(ledger, tmp_path, "segments", "k", LEASE_S) as folder:
        assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]


def test_one_of_several_waiting_processes_acquires_the_lease(ledger, tmp_path):
    """The others continue to wait."""
    acquire(ledger, KEY, "k", LEASE_S)
    at_work, most, done = [], [], []

    def run():
        with leased_folder(ledger, tmp_path, "segments", "k", 5.0):
            at_work.append(1)
            most.append(len(at_work))
            time.sleep(0.05)
            at_work.pop()
        done.append(1)

    # an owner in this process appears alive: its lease must expire
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == 4
    assert max(most) == 1


@pytest.mark.parametrize(
    "damage", [{"serial": "x"}, {"token": None}, {"missing": "is_released"}, {"missing": "folder"}]
)
def test_damaged_lease_is_taken_over_with_its_checkpoints(ledger, tmp_path, damage):
    with leased_folder(ledger, tmp_path, "segments", "k", 60) as mine:
        (mine / "checkpoint").write_text("half")
        lost = damage.get("missing")
        ledger.backend.modify(
            "leases", KEY, lambda old: {name: value for name, value in (old | damage).items() if name != lost}
        )
        with leased_folder(ledger, tmp_path, "segments", "k", 60, give_up_after(5)) as folder:
            assert (folder / "checkpoint").read_text() == "half"
            assert folder != mine
        with pytest.raises(LeaseLostError):
            before_write()
