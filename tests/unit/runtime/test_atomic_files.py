"""Files are written atomically."""

import errno
import json
import os
import subprocess
import sys

import pytest

from interphase_flows.exceptions import StorageError
from interphase_flows.runtime import atomic_files as atomic
from interphase_flows.runtime.atomic_files import (
    atomic_path,
    sweep_leftovers,
    write_bytes_atomic,
    write_bytes_once,
    write_json_atomic,
)
from interphase_flows.storage.ledger import Ledger
from interphase_flows.storage.lock import CampaignLock


def test_written_bytes_and_json_are_read_back(tmp_path):
    """Folders are created on the way."""
    write_bytes_atomic(tmp_path / "a" / "b.bin", b"123")
    write_json_atomic(tmp_path / "c.json", {"x": [1, 2.5]})
    assert (tmp_path / "a" / "b.bin").read_bytes() == b"123"
    assert json.loads((tmp_path / "c.json").read_text()) == {"x": [1, 2.5]}


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_new_file_has_the_mode_of_the_umask_and_a_replaced_one_keeps_its_own(umask, tmp_path):
    before = os.umask(umask)
    try:
        write_bytes_atomic(tmp_path / "new", b"1")
        write_bytes_once(tmp_path / "once", b"1")
        CampaignLock(tmp_path / "campaign").acquire().release()
        embedded = Ledger.embedded(tmp_path / "ledger.sqlite", "campaign")
        embedded.set_state("campaigns", "campaign", {})
        embedded.close()
    finally:
        os.umask(before)
    made = [tmp_path / name for name in ("new", "once", "campaign/campaign.lock", "ledger.sqlite")]
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in made} == {
        path.name: oct(0o666 & ~umask) for path in made
    }
    made[0].chmod(0o640)
    write_bytes_atomic(made[0], b"2")
    assert made[0].stat().st_mode & 0o777 == 0o640


def test_folder_device_or_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "folder", "null"):
        with pytest.raises(StorageError, match="not written: it is a"):
            write_bytes_atomic(tmp_path / name, b"1")
    assert sorted(os.listdir(tmp_path)) == ["folder", "null", "pipe"]


def test_target_below_a_file_is_an_error_with_a_hint(tmp_path):
    (tmp_path / "file").touch()
    for target in (tmp_path / "file" / "a", tmp_path / "file" / "a" / "b", tmp_path / ("x" * 300)):
        with pytest.raises(StorageError, match=r"not written: .* Hint: "):
            write_bytes_atomic(target, b"1")


def test_an_error_in_the_block_keeps_the_old_file_and_leaves_no_temporary_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ValueError, match="mine"), atomic_path(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise ValueError("mine")
    assert os.listdir(tmp_path) == ["a.txt"]
    assert target.read_text() == "old"


def test_the_temporary_path_keeps_the_extension(tmp_path):
    """Writers infer the format from it."""
    with atomic_path(tmp_path / "a.npz") as temporary:
        temporary.touch()
        assert temporary.suffix == ".npz"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_disk_error_raises_with_the_path_and_a_hint(tmp_path, monkeypatch, code):

    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(atomic, "commit", fail)
    with pytest.raises(StorageError, match=r"b\.bin: not written: .* Hint: "):
        write_bytes_atomic(tmp_path / "b.bin", b"123")
    assert not os.listdir(tmp_path)


def test_an_incomplete_write_keeps_the_old_file(tmp_path):
    """A limit on file sizes interrupts the write in the middle, as a full disk does."""
    script = (
        "import resource, signal, sys\n"
        "from interphase_flows.runtime.atomic_files import write_bytes_atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_bytes_atomic(sys.argv[1], b'x' * 5000)\n"
    )
    target = tmp_path / "a.bin"
    write_bytes_atomic(target, b"old")
    command = [sys.executable, "-c", script, str(target)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    assert os.listdir(tmp_path) == ["a.bin"]
    assert target.read_bytes() == b"old"


def test_other_errors_of_the_block_pass_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        (tmp_path / "absent").read_text()


def test_write_bytes_once_keeps_an_existing_file(tmp_path):
    for data in (b"first", b"second"):
        write_bytes_once(tmp_path / "sub" / "a", data)
    assert (tmp_path / "sub" / "a").read_bytes() == b"first"
    assert os.listdir(tmp_path / "sub") == ["a"]


def test_nan_in_json_raises(tmp_path):
    with pytest.raises(StorageError, match="NaN by null"):
        write_json_atomic(tmp_path / "a.json", {"x": float("nan")})


def test_temporary_files_of_killed_writers_are_removed(tmp_path):
    """Recent ones may belong to another process, and stay if a minimum age is given."""
    leftover = atomic.temporary_beside(tmp_path / "sub" / "a.txt")
    leftover.write_text("half")
    (tmp_path / "a.txt").touch()
    assert sweep_leftovers(tmp_path, min_age_s=3600.0) == []
    assert sweep_leftovers(tmp_path) == [leftover]
    assert (tmp_path / "a.txt").exists()
    assert sweep_leftovers(tmp_path / "absent") == []
