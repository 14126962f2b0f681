"""Compressed files, one file per step, byte-order marks, files without a last newline, and vasprun.xml."""

import bz2
import gzip
import lzma
import os

import numpy as np
import pytest

from interphase_flows.analysis.io.open import open_trajectory
from trajectory_files import (
    INTERVAL_FS,
    WRITERS,
    assert_read_error,
    lammps,
    planted,
    read_all,
    wrapped,
)
from vasprun_files import write_vasprun

TEXT_FORMATS = ["LAMMPS x", "XDATCAR", "extxyz"]


def zstd_compressed(content: bytes) -> bytes:
    """Return two frames of zstandard, as of a dump that was flushed, without the size of the contents."""
    zstandard = pytest.importorskip("zstandard", reason="zstandard is not installed")
    half = len(content) // 2
    return b"".join(
        zstandard.ZstdCompressor(write_content_size=False).compress(part) for part in (content[:half], content[half:])
    )


COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd_compressed}


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("name", [*TEXT_FORMATS, "traj", "H5MD"])
def test_compressed_files_are_read(name, suffix, tmp_path):
    truth = planted(n_frames=5)
    written = WRITERS[name](tmp_path, truth)
    path = written.path.with_name(written.path.name + suffix)
    path.write_bytes(COMPRESS[suffix](written.path.read_bytes()))
    written.path.unlink()
    with open_trajectory(path, **written.arguments) as found:
        np.testing.assert_allclose(found.positions(4), truth.positions(4), atol=1e-6)
        assert found.repairs == ()


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_truncated_compressed_file_keeps_its_frames(suffix, tmp_path):
    written = lammps(tmp_path / "t.dump", planted(n_frames=40, n_atoms=200), "x")
    content = COMPRESS[suffix](written.path.read_bytes())
    path = tmp_path / f"t.dump{suffix}"
    path.write_bytes(content[: int(0.9 * len(content))])
    if suffix == ".bz2":  # one block, without which nothing can be decompressed
        assert_read_error(path, "cannot be decompressed|no complete frame|unknown format", **written.arguments)
        return
    found = read_all(path, **written.arguments)
    assert 20 < found.n_frames < 40
    assert "truncated after" in found.repairs[0]


def test_damaged_compressed_file_is_rejected(tmp_path):
    written = lammps(tmp_path / "t.dump", planted(n_frames=3), "x")
    content = bytearray(gzip.compress(written.path.read_bytes()))
    content[len(content) // 2] ^= 0xFF
    path = tmp_path / "t.dump.gz"
    path.write_bytes(content)
    assert_read_error(path, "cannot be decompressed", **written.arguments)


def one_file_per_frame(folder, truth, name="LAMMPS x"):
    """Write every frame into a separate file, and return the arguments of the reader."""
    folder.mkdir()
    written = WRITERS[name](folder, truth)
    text = written.path.read_text()
    start = {"LAMMPS x": "ITEM: TIMESTEP", "extxyz": f"{truth.n_atoms}\nLattice"}[name]
    for frame, block in enumerate(text.split(start)[1:]):
        (folder / f"conf_{frame * 50}.txt").write_text(start + block)
    written.path.unlink()
    return written.arguments


@pytest.mark.parametrize("name", ["LAMMPS x", "extxyz"])
def test_files_of_one_step_are_joined_in_the_order_of_their_numbers(name, tmp_path):
    truth = planted(n_frames=12)
    arguments = one_file_per_frame(tmp_path / "run", truth, name)
    files = sorted((tmp_path / "run").iterdir())  # conf_0, conf_100, conf_150, conf_50, ...
    (tmp_path / "run" / "log.lammps").write_text("a log\n")
    for given in (tmp_path / "run", str(tmp_path / "run" / "conf_*.txt"), files):
        with open_trajectory(given, **arguments) as found:
            np.testing.assert_allclose(found.time_fs, truth.time_fs)
            np.testing.assert_allclose(found.positions(11), truth.positions(11), atol=1e-6)
            assert any("12 files were joined" in repair for repair in found.repairs)
    (tmp_path / "joined").write_text("".join(path.read_text() for path in files))
    assert_read_error(tmp_path / "joined", "join files of one run in the order of their steps", **arguments)


def test_compressed_files_of_one_step_are_joined(tmp_path):
    truth = planted(n_frames=4)
    arguments = one_file_per_frame(tmp_path / "run", truth)
    for path in list((tmp_path / "run").iterdir()):
        path.with_suffix(".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert read_all(tmp_path / "run", **arguments).n_frames == 4


def test_joined_compressed_files_without_last_newlines_are_separated(tmp_path):
    arguments = one_file_per_frame(tmp_path / "run", planted(n_frames=3))
    for path in list((tmp_path / "run").iterdir()):
        path.with_suffix(".gz").write_bytes(gzip.compress(path.read_bytes().removesuffix(b"\n")))
        path.unlink()
    assert read_all(tmp_path / "run", **arguments).n_frames == 3


def test_number_cut_at_the_end_of_joined_files_is_not_read(tmp_path):
    arguments = one_file_per_frame(tmp_path / "run", planted(n_frames=4))
    last = tmp_path / "run" / "conf_150.txt"
    os.truncate(last, last.stat().st_size - 3)
    found = read_all(tmp_path / "run", **arguments)
    assert found.n_frames == 3
    assert any("the last frame, 3, is incomplete" in repair for repair in found.repairs)


def test_folder_of_several_formats_is_rejected(tmp_path):
    truth = planted(n_frames=2)
    for name in ("LAMMPS x", "extxyz"):
        WRITERS[name](tmp_path, truth)
    assert_read_error(tmp_path, "2 files of these trajectory formats: Extxyz, LammpsDump")
    assert_read_error(tmp_path / "none_*.dump", "no such trajectory")


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_byte_order_mark_and_windows_newlines_are_ignored(name, tmp_path):
    truth = planted(n_frames=3)
    written = WRITERS[name](tmp_path, truth)
    text = written.path.read_bytes().replace(b"\n", b"\r\n")
    written.path.write_bytes(b"\xef\xbb\xbf" + text)
    with open_trajectory(written.path, **written.arguments) as found:
        np.testing.assert_allclose(found.positions(2), truth.positions(2), atol=1e-6)
    written.path.write_bytes(text.decode().encode("utf-16"))
    assert_read_error(written.path, "UTF-16", **written.arguments)


@pytest.mark.parametrize("name", TEXT_FORMATS)
@pytest.mark.parametrize("n_frames", [1, 3])
def test_complete_file_without_a_last_newline_is_read_and_reported(name, n_frames, tmp_path):
    truth = planted(n_frames=n_frames)
    written = WRITERS[name](tmp_path, truth)
    os.truncate(written.path, written.path.stat().st_size - 1)
    with open_trajectory(written.path, **written.arguments) as found:
        np.testing.assert_allclose(found.positions(-1), truth.positions(-1), atol=1e-6)
        assert "no newline" in found.repairs[0]


def test_last_line_of_integers_without_a_newline_is_left_out(tmp_path):
    """An image flag of 12 that was cut to 1 cannot be recognised."""
    written = WRITERS["LAMMPS x ix"](tmp_path, planted(n_frames=3))
    os.truncate(written.path, written.path.stat().st_size - 1)
    assert read_all(written.path, **written.arguments).n_frames == 2


def test_vasprun_is_read_with_its_time_step(tmp_path):
    truth = planted(n_frames=6)
    path = write_vasprun(tmp_path / "vasprun.xml", wrapped(truth), potim_fs=INTERVAL_FS)
    for given in (None, INTERVAL_FS):
        with open_trajectory(path, frame_interval_fs=given) as found:
            np.testing.assert_array_equal(found.numbers, truth.numbers)
            np.testing.assert_allclose(found.time_fs, truth.time_fs)
            np.testing.assert_allclose(found.positions(5), truth.positions(5), atol=1e-6)
            assert found.repairs == ()
    assert_read_error(path, "contradicts the file", frame_interval_fs=1.0)


def test_vasprun_of_a_killed_run_keeps_its_steps(tmp_path):
    path = write_vasprun(tmp_path / "vasprun.xml", wrapped(planted(n_frames=6)), potim_fs=2.0)
    os.truncate(path, int(0.8 * path.stat().st_size))
    found = read_all(path)
    assert 2 < found.n_frames < 6
    assert "ends within a step" in found.repairs[0]


def test_vasprun_of_a_relaxation_is_rejected(tmp_path):
    path = write_vasprun(tmp_path / "vasprun.xml", planted(n_frames=2), potim_fs=0.5, ibrion=2)
    assert_read_error(path, "IBRION = 2 is not molecular dynamics")
