"""Errors and repairs of damaged or inconsistent trajectory files."""

import gzip
import os

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from interphase_flows.analysis.io.open import open_trajectory
from trajectory_files import (
    TYPES,
    WRITERS,
    assert_read_error,
    atoms_of,
    extxyz,
    lammps,
    planted,
    read_all,
    xdatcar,
)

TEXT_FORMATS = ["LAMMPS x", "XDATCAR", "extxyz"]


def write_text(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_missing_file_raises(tmp_path):
    assert_read_error(tmp_path / "no.dump", "no such trajectory")


@pytest.mark.parametrize("name", ["t.dump", "XDATCAR", "t.extxyz", "t.traj", "t.h5", "t.zarr.zip"])
def test_empty_file_raises(name, tmp_path):
    path = tmp_path / name
    path.touch()
    assert_read_error(path, "is empty")


@pytest.mark.parametrize(
    ("head", "hint"),
    [
        (b"CORD\x00\x01", "convert it to one of: LAMMPS"),
        (gzip.compress(b"CORD\x00\x01", mtime=0), "convert it to one of: LAMMPS"),
        (b"\x1f\x8b\x08\x00", "cannot be decompressed"),
    ],
)
def test_unknown_format_raises(head, hint, tmp_path):
    path = tmp_path / "t.dcd"
    path.write_bytes(head + bytes(100))
    assert_read_error(path, hint)


def test_missing_or_wrong_option_of_time_names_the_right_one(tmp_path):
    truth = planted(n_frames=2)
    dump = lammps(tmp_path / "t.dump", truth, "x").path
    vasp = xdatcar(tmp_path / "XDATCAR", truth, every_header=False).path
    assert_read_error(dump, "pass time_step_fs", elements=TYPES)
    assert_read_error(dump, r"pass time_step_fs \(--time-step-fs\) instead", elements=TYPES, frame_interval_fs=10.0)
    assert_read_error(dump, "0.001 is not a time step", elements=TYPES, time_step_fs=0.001)
    assert_read_error(dump, "nan is not a time step", elements=TYPES, time_step_fs=float("nan"))
    assert_read_error(vasp, "POTIM times NBLOCK")
    assert_read_error(vasp, r"pass frame_interval_fs \(--frame-interval-fs\) instead", time_step_fs=2.0)
    assert_read_error(vasp, "not a time between frames", frame_interval_fs=-1.0)


@pytest.mark.parametrize("name", ["extxyz", "traj", "H5MD", "own"])
def test_frame_interval_that_contradicts_the_file_raises(name, tmp_path):
    path = WRITERS[name](tmp_path, planted(n_frames=3)).path
    assert_read_error(path, "the file, which states 100 fs", frame_interval_fs=10.0)
    assert read_all(path, frame_interval_fs=100.0).time_fs[-1] == pytest.approx(200.0)


@pytest.mark.parametrize("name", ["H5MD", "own"])
def test_time_step_that_contradicts_the_file_raises(name, tmp_path):
    path = WRITERS[name](tmp_path, planted(n_frames=3)).path
    assert_read_error(path, "the file, which states 2 fs", time_step_fs=1.0)
    assert read_all(path, time_step_fs=2.0).n_frames == 3


def test_types_without_elements_raise(tmp_path):
    path = lammps(tmp_path / "t.dump", planted(n_frames=1), "x").path
    assert_read_error(path, "elements of types 1, 2, 3", time_step_fs=1.0)
    assert_read_error(path, "elements of types 3 ", time_step_fs=1.0, elements={1: "Li", 2: "P"})
    assert_read_error(path, "not a chemical element", time_step_fs=1.0, elements={1: "Li", 2: "P", 3: "Sx"})


@pytest.mark.parametrize("name", TEXT_FORMATS)
@pytest.mark.parametrize("n_bytes", [2, 30, 700])
def test_truncated_last_frame_is_left_out_and_reported(name, n_bytes, tmp_path):
    """Even by one digit of its last number; the newline alone may be missing."""
    truth = planted(n_frames=4)
    written = WRITERS[name](tmp_path, truth)
    os.truncate(written.path, written.path.stat().st_size - n_bytes)
    with open_trajectory(written.path, **written.arguments) as frames:
        assert frames.n_frames == len(frames.time_fs) == 3
        np.testing.assert_allclose(frames.positions(2), truth.positions(2), atol=1e-6)
        assert frames.repairs == ("the last frame, 3, is incomplete and was left out",)


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_file_without_a_complete_frame_raises(name, tmp_path):
    written = WRITERS[name](tmp_path, planted(n_frames=1))
    os.truncate(written.path, written.path.stat().st_size - 5)
    assert_read_error(written.path, "no complete frame", **written.arguments)


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_missing_line_in_the_middle_raises(name, tmp_path):
    written = WRITERS[name](tmp_path, planted(n_frames=4))
    lines = written.path.read_text().splitlines()
    del lines[len(lines) // 2]
    assert_read_error(
        write_text(written.path, *lines), r"remove (that frame|frame \d) from the file", **written.arguments
    )


@pytest.mark.parametrize("name", TEXT_FORMATS)
@pytest.mark.parametrize("value", ["nan", "*******"])
def test_position_that_is_not_a_number_raises(name, value, tmp_path):
    written = WRITERS[name](tmp_path, planted(n_frames=3))
    lines = written.path.read_text().splitlines()
    columns = lines[-4].split()
    columns[2] = value
    lines[-4] = " ".join(columns)
    assert_read_error(write_text(written.path, *lines), "frame 2: .* not a number", **written.arguments)


def test_changing_number_of_atoms_raises(tmp_path):
    few, many = planted(n_frames=2, n_atoms=10), planted(n_frames=2, n_atoms=12)
    for name in (*TEXT_FORMATS, "traj"):
        first, second = (tmp_path / f"{name} {n}" for n in "12")
        first.mkdir()
        second.mkdir()
        written = WRITERS[name](first, few)
        if name == "traj":
            write(
                written.path,
                [*atoms_of(few), Atoms("Li3", cell=few.cell(0), pbc=True, info={"time_fs": 200.0})],
                format="traj",
            )
        else:
            more = WRITERS[name](second, many).path.read_text()
            more = more.replace("TIMESTEP\n0\n", "TIMESTEP\n100\n").replace("TIMESTEP\n50\n", "TIMESTEP\n150\n")
            more = more.replace("time_fs=100.0", "time_fs=300.0").replace("time_fs=0.0", "time_fs=200.0")
            written.path.write_text(written.path.read_text() + more)
        arguments = written.arguments
        assert_read_error(written.path, r"frame 2 (\(step 100\) )?has .* frame 0", **arguments)


def test_changing_order_of_atoms_without_ids_raises(tmp_path):
    truth = planted(n_frames=2)
    frames = atoms_of(truth)
    frames[1] = frames[1][::-1]
    for path in (tmp_path / "t.extxyz", tmp_path / "t.traj"):
        write(path, frames)
        assert_read_error(path, "frame 1: .* of another element")


def test_extxyz_is_sorted_by_id(tmp_path):
    truth = planted(n_frames=3)
    frames = atoms_of(truth)
    for k, atoms in enumerate(frames):
        atoms.set_array("id", np.arange(truth.n_atoms))
        frames[k] = atoms[np.random.default_rng(k).permutation(truth.n_atoms)]
        frames[k].info["time_fs"] = float(k)
    path = tmp_path / "t.extxyz"
    write(path, frames, columns=["symbols", "positions", "id"])
    found = read_all(path)
    np.testing.assert_array_equal(found.numbers, truth.numbers)
    np.testing.assert_allclose(found.positions(2), truth.positions(2), atol=1e-6)


def test_dump_without_ids_raises(tmp_path):
    written = lammps(tmp_path / "t.dump", planted(n_frames=1), "x")
    written.path.write_text(written.path.read_text().replace("ATOMS id type", "ATOMS mol type"))
    assert_read_error(written.path, "no column id", **written.arguments)


def test_dump_with_changing_type_or_id_raises(tmp_path):
    written = lammps(tmp_path / "t.dump", planted(n_frames=2), "x")
    lines = written.path.read_text().splitlines()
    atom, kind, *rest = lines[-1].split()
    other = str(int(kind) % 3 + 1)
    assert_read_error(
        write_text(written.path, *lines[:-1], " ".join([atom, other, *rest])),
        "change their element",
        **written.arguments,
    )
    assert_read_error(
        write_text(written.path, *lines[:-1], " ".join(["999", kind, *rest])),
        "other ids",
        **written.arguments,
    )


def test_dump_with_unsupported_units_or_shrink_wrapped_box_raises(tmp_path):
    written = lammps(tmp_path / "t.dump", planted(n_frames=1), "x")
    text = written.path.read_text()
    written.path.write_text("ITEM: UNITS\nlj\n" + text)
    assert_read_error(written.path, "units 'lj'", **written.arguments)
    written.path.write_text(text.replace("pp pp pp", "pp pp ss"))
    assert_read_error(written.path, "shrink-wrapped", **written.arguments)


def test_frame_repeated_by_a_restart_is_left_out_and_reported(tmp_path):
    truth = planted(n_frames=3)
    for name in ("LAMMPS xu", "extxyz"):
        written = WRITERS[name](tmp_path, truth)
        text = written.path.read_text()
        start = text.rindex("ITEM: TIMESTEP" if name == "LAMMPS xu" else f"{truth.n_atoms}\nLattice")
        written.path.write_text(text + text[start:])
        frames = read_all(written.path, **written.arguments)
        assert frames.n_frames == 3
        assert "a repeated frame" in frames.repairs[0]
        written.path.write_text(text + text)
        assert_read_error(written.path, "decreases", **written.arguments)


def test_jump_of_the_cell_raises(tmp_path):
    truth = planted(n_frames=4)
    truth.cells[2:] *= 1.2
    for name in WRITERS:
        if name != "LAMMPS general":
            written = WRITERS[name](tmp_path, truth)
            assert_read_error(written.path, "the cell jumps between frames 1 and 2", **written.arguments)


@pytest.mark.parametrize("name", ["LAMMPS xu", "LAMMPS x", "XDATCAR"])
def test_changed_lattice_setting_is_converted_and_reported(name, tmp_path):
    """LAMMPS flips a box that is too skewed: c becomes c - b, and atoms stay where they are."""
    truth = planted(n_frames=6)
    before = truth.cells.copy()
    truth.cells[3:, 2] -= truth.cells[3:, 1]
    written = WRITERS[name](tmp_path, truth)
    with open_trajectory(written.path, **written.arguments) as frames:
        assert "from frame 3 on" in frames.repairs[0]
        for frame in (0, 2, 3, 5):
            np.testing.assert_allclose(frames.cell(frame), before[frame], atol=1e-6)
            np.testing.assert_allclose(frames.positions(frame), truth.positions(frame), atol=1e-6)


def test_step_of_half_a_cell_raises_unless_wrapped_is_false(tmp_path):
    truth = planted(n_frames=4)
    truth.all_positions[2:, 7] += 0.48 * truth.cells[0, 1] + truth.positions(1)[7] - truth.positions(2)[7]
    written = extxyz(tmp_path / "t.extxyz", truth)
    assert_read_error(written.path, "atom 7 moves 0.48 of the cell along b between frames 1 and 2")
    with open_trajectory(written.path, wrapped=False) as frames:
        np.testing.assert_allclose(frames.positions(3), truth.positions(3), atol=1e-6)
        assert frames.unwrapping == "none: wrapped=False"


def test_wrapped_contradicting_an_unwrapped_file_raises(tmp_path):
    written = lammps(tmp_path / "t.dump", planted(n_frames=1), "xu")
    assert_read_error(written.path, r"leave wrapped=True \(--wrapped\) out", wrapped=True, **written.arguments)


def test_nonperiodic_direction_is_not_unwrapped(tmp_path):
    atoms = [Atoms("Li", [[1, 1, z]], cell=[10, 10, 10], pbc=[True, True, False]) for z in (1.0, 5.4, 9.7)]
    write(tmp_path / "t.extxyz", atoms)
    frames = read_all(tmp_path / "t.extxyz", frame_interval_fs=1.0)
    assert frames.positions(2)[0, 2] == pytest.approx(9.7)


def test_extxyz_without_cell_or_positions_raises(tmp_path):
    assert_read_error(write_text(tmp_path / "a.xyz", "1", "a comment", "Li 0 0 0"), "no Lattice", frame_interval_fs=1.0)
    comment = 'Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:forces:R:3'
    assert_read_error(
        write_text(tmp_path / "b.xyz", "1", comment, "Li 0 0 0"), "has no positions", frame_interval_fs=1.0
    )


def test_xdatcar_without_symbols_raises(tmp_path):
    lines = ["old", "1.0", "5 0 0", "0 5 0", "0 0 5", "1", "Direct configuration=     1", "0.1 0.2 0.3"]
    assert_read_error(write_text(tmp_path / "XDATCAR", *lines), "symbols", frame_interval_fs=1.0)


def test_folder_without_trajectory_raises(tmp_path):
    (tmp_path / "notes.txt").touch()
    assert_read_error(tmp_path, "is empty")
    (tmp_path / "notes.txt").write_text("notes")
    assert_read_error(tmp_path, "unknown format")


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_empty_lines_are_ignored_at_the_end_and_raise_in_the_middle(name, tmp_path):
    written = WRITERS[name](tmp_path, planted(n_frames=3))
    text = written.path.read_text()
    written.path.write_text(text + "\n  \n")
    frames = read_all(written.path, **written.arguments)
    assert frames.n_frames == 3
    assert frames.repairs == ()
    lines = text.splitlines()
    lines.insert(2 * len(lines) // 3, "")
    assert_read_error(write_text(written.path, *lines), "frame", **written.arguments)


def test_time_that_is_not_a_number_raises(tmp_path):
    written = extxyz(tmp_path / "t.extxyz", planted(n_frames=2))
    written.path.write_text(written.path.read_text().replace("time_fs=100.0", "time_fs=later"))
    assert_read_error(written.path, "frame 1: time_fs=later is not a number")
