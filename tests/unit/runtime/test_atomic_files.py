"""A file is written whole or not at all."""

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


def test_what_was_written_is_read(tmp_path):
    """Bytes and JSON arrive, in folders made on the way."""
    write_bytes_atomic(tmp_path / "a" / "b.bin", b"123")
    write_json_atomic(tmp_path / "c.json", {"x": [1, 2.5]})
    assert (tmp_path / "a" / "b.bin").read_bytes() == b"123"
    assert json.loads((tmp_path / "c.json").read_text()) == {"x": [1, 2.5]}


def test_an_error_leaves_the_old_file_and_no_leftover(tmp_path):
    """An error in the block changes nothing."""
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ValueError, match="mine"), atomic_path(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise ValueError("mine")
    assert os.listdir(tmp_path) == ["a.txt"]
    assert target.read_text() == "old"


def test_the_path_in_between_keeps_the_extension(tmp_path):
    """Writers that guess a format from the extension still see it."""
    with atomic_path(tmp_path / "a.npz") as temporary:
        temporary.touch()
        assert temporary.suffix == ".npz"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_disk_that_fails_is_told_in_words(tmp_path, monkeypatch, code):
    """A full, read-only or broken disk is a StorageError that names the path and what to do."""

    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(atomic, "commit", fail)
    with pytest.raises(StorageError, match=r"b\.bin: could not be written: .*; "):
        write_bytes_atomic(tmp_path / "b.bin", b"123")
    assert not os.listdir(tmp_path)


def test_a_write_that_stops_in_the_middle_leaves_the_old_file(tmp_path):
    """A limit on file sizes makes the kernel refuse the second half, as a full disk does."""
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
    """A file that the block does not find is the block's own business."""
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        (tmp_path / "absent").read_text()


def test_who_writes_once_does_not_write_over(tmp_path):
    """The first one's bytes stay, and nothing else does."""
    for data in (b"first", b"second"):
        write_bytes_once(tmp_path / "sub" / "a", data)
    assert (tmp_path / "sub" / "a").read_bytes() == b"first"
    assert os.listdir(tmp_path / "sub") == ["a"]


def test_nan_is_no_json(tmp_path):
    """A report that browsers cannot read is refused."""
    with pytest.raises(StorageError, match="NaN by null"):
        write_json_atomic(tmp_path / "a.json", {"x": float("nan")})


def test_leftovers_of_a_kill_are_swept(tmp_path):
    """Old leftovers go, fresh ones of another process may stay, everything else stays."""
    leftover = atomic.temporary_beside(tmp_path / "sub" / "a.txt")
    leftover.write_text("half")
    (tmp_path / "a.txt").touch()
    assert sweep_leftovers(tmp_path, min_age_s=3600.0) == []
    assert sweep_leftovers(tmp_path) == [leftover]
    assert (tmp_path / "a.txt").exists()
    assert sweep_leftovers(tmp_path / "absent") == []
