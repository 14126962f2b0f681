"""What is wrong with a file is said with its frame and the mend, or mended and said."""

import os

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from interphase_flows.analysis.io.open import open_trajectory
from trajectory_files import (
    TYPES,
    WRITERS,
    atoms_of,
    extxyz,
    lammps,
    planted,
    read_all,
    refused,
    xdatcar,
)

TEXT_FORMATS = ["LAMMPS x", "XDATCAR", "extxyz"]


def write_text(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_a_file_that_is_not_there(tmp_path):
    refused(tmp_path / "no.dump", "no trajectory")


@pytest.mark.parametrize("name", ["t.dump", "XDATCAR", "t.extxyz", "t.traj", "t.h5", "t.zarr.zip"])
def test_an_empty_file(name, tmp_path):
    path = tmp_path / name
    path.touch()
    refused(path, "is empty")


@pytest.mark.parametrize(
    ("head", "mend"),
    [(b"CORD\x00\x01", "convert it to one of: LAMMPS"), (b"\x1f\x8b\x08\x00", "unpack it first")],
)
def test_an_unknown_format(head, mend, tmp_path):
    path = tmp_path / "t.dcd"
    path.write_bytes(head + bytes(100))
    refused(path, mend)


def test_time_is_asked_for_by_the_name_that_fits_the_format(tmp_path):
    truth = planted(n_frames=2)
    dump = lammps(tmp_path / "t.dump", truth, "x").path
    vasp = xdatcar(tmp_path / "XDATCAR", truth, every_header=False).path
    refused(dump, "pass time_step_fs", elements=TYPES)
    refused(dump, "pass time_step_fs instead", elements=TYPES, frame_interval_fs=10.0)
    refused(dump, "0.001 is no step of molecular dynamics", elements=TYPES, time_step_fs=0.001)
    refused(dump, "nan is no step", elements=TYPES, time_step_fs=float("nan"))
    refused(vasp, "POTIM times NBLOCK")
    refused(vasp, "pass frame_interval_fs instead", time_step_fs=2.0)
    refused(vasp, "no time between frames", frame_interval_fs=-1.0)


@pytest.mark.parametrize("name", ["extxyz", "traj", "H5MD", "own"])
def test_a_time_that_the_file_contradicts(name, tmp_path):
    path = WRITERS[name](tmp_path, planted(n_frames=3)).path
    refused(path, "itself says 100 fs", frame_interval_fs=10.0)
    assert read_all(path, frame_interval_fs=100.0).time_fs[-1] == pytest.approx(200.0)


@pytest.mark.parametrize("name", ["H5MD", "own"])
def test_a_time_step_that_the_file_contradicts(name, tmp_path):
    path = WRITERS[name](tmp_path, planted(n_frames=3)).path
    refused(path, "itself says 2 fs", time_step_fs=1.0)
    assert read_all(path, time_step_fs=2.0).n_frames == 3


def test_types_without_elements(tmp_path):
    path = lammps(tmp_path / "t.dump", planted(n_frames=1), "x").path
    refused(path, "which element 1, 2, 3 is", time_step_fs=1.0)
    refused(path, "which element 3 is", time_step_fs=1.0, elements={1: "Li", 2: "P"})
    refused(path, "no chemical element", time_step_fs=1.0, elements={1: "Li", 2: "P", 3: "Sx"})


@pytest.mark.parametrize("name", TEXT_FORMATS)
@pytest.mark.parametrize("n_bytes", [1, 30, 700])
def test_a_last_frame_that_is_cut_short_is_left_out_and_said(name, n_bytes, tmp_path):
    """By one byte too: the last number may have lost digits."""
    truth = planted(n_frames=4)
    written = WRITERS[name](tmp_path, truth)
    os.truncate(written.path, written.path.stat().st_size - n_bytes)
    with open_trajectory(written.path, **written.needs) as frames:
        assert frames.n_frames == len(frames.time_fs) == 3
        np.testing.assert_allclose(frames.positions(2), truth.positions(2), atol=1e-6)
        assert frames.repairs == ("frame 3, the last one, is cut short and left out",)


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_a_file_without_a_whole_frame(name, tmp_path):
    written = WRITERS[name](tmp_path, planted(n_frames=1))
    os.truncate(written.path, written.path.stat().st_size - 5)
    refused(written.path, "no whole frame", **written.needs)


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_a_line_that_is_missing_in_the_middle(name, tmp_path):
    written = WRITERS[name](tmp_path, planted(n_frames=4))
    lines = written.path.read_text().splitlines()
    del lines[len(lines) // 2]
    refused(write_text(written.path, *lines), r"leave (that frame|frame \d) out of the file", **written.needs)


@pytest.mark.parametrize("name", TEXT_FORMATS)
@pytest.mark.parametrize(("word", "match"), [("nan", "no number"), ("*******", "no number")])
def test_a_position_that_is_no_number(name, word, match, tmp_path):
    written = WRITERS[name](tmp_path, planted(n_frames=3))
    lines = written.path.read_text().splitlines()
    columns = lines[-4].split()
    columns[2] = word
    lines[-4] = " ".join(columns)
    refused(write_text(written.path, *lines), f"frame 2 .*{match}", **written.needs)


def test_atoms_that_come_or_go(tmp_path):
    few, many = planted(n_frames=2, n_atoms=10), planted(n_frames=2, n_atoms=12)
    for name in (*TEXT_FORMATS, "traj"):
        first, second = (tmp_path / f"{name} {n}" for n in "12")
        first.mkdir()
        second.mkdir()
        written = WRITERS[name](first, few)
        if name == "traj":
            write(written.path, [*atoms_of(few), Atoms("Li3", cell=few.cell(0), pbc=True)], format="traj")
        else:
            more = WRITERS[name](second, many).path.read_text()
            more = more.replace("TIMESTEP\n0\n", "TIMESTEP\n100\n").replace(
                "TIMESTEP\n50\n", "TIMESTEP\n150\n"
            )
            more = more.replace("time_fs=100.0", "time_fs=300.0").replace("time_fs=0.0", "time_fs=200.0")
            written.path.write_text(written.path.read_text() + more)
        needs = written.needs | ({"frame_interval_fs": 1.0} if name == "traj" else {})
        refused(written.path, r"frame 2 (\(step 100\) )?holds .* frame 0", **needs)


def test_atoms_that_change_their_order_without_ids(tmp_path):
    truth = planted(n_frames=2)
    frames = atoms_of(truth)
    frames[1] = frames[1][::-1]
    for path in (tmp_path / "t.extxyz", tmp_path / "t.traj"):
        write(path, frames)
        refused(path, "frame 1 is not of the kind")


def test_extended_xyz_is_sorted_by_ids(tmp_path):
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


def test_a_dump_without_ids(tmp_path):
    written = lammps(tmp_path / "t.dump", planted(n_frames=1), "x")
    written.path.write_text(written.path.read_text().replace("ATOMS id type", "ATOMS mol type"))
    refused(written.path, "no column id", **written.needs)


def test_a_dump_in_which_an_atom_changes_its_type_or_its_id(tmp_path):
    written = lammps(tmp_path / "t.dump", planted(n_frames=2), "x")
    lines = written.path.read_text().splitlines()
    atom, kind, *rest = lines[-1].split()
    other = str(int(kind) % 3 + 1)
    refused(
        write_text(written.path, *lines[:-1], " ".join([atom, other, *rest])),
        "change their element",
        **written.needs,
    )
    refused(
        write_text(written.path, *lines[:-1], " ".join(["999", kind, *rest])), "other ids", **written.needs
    )


def test_units_and_boxes_without_a_length_in_angstrom(tmp_path):
    written = lammps(tmp_path / "t.dump", planted(n_frames=1), "x")
    text = written.path.read_text()
    written.path.write_text("ITEM: UNITS\nlj\n" + text)
    refused(written.path, "units 'lj'", **written.needs)
    written.path.write_text(text.replace("pp pp pp", "pp pp ss"))
    refused(written.path, "shrink-wrapped", **written.needs)


def test_a_frame_that_a_restart_wrote_again_is_left_out_and_said(tmp_path):
    truth = planted(n_frames=3)
    for name in ("LAMMPS xu", "extxyz"):
        written = WRITERS[name](tmp_path, truth)
        text = written.path.read_text()
        start = text.rindex("ITEM: TIMESTEP" if name == "LAMMPS xu" else f"{truth.n_atoms}\nLattice")
        written.path.write_text(text + text[start:])
        frames = read_all(written.path, **written.needs)
        assert frames.n_frames == 3
        assert "a second frame" in frames.repairs[0]
        written.path.write_text(text + text)
        refused(written.path, "goes back", **written.needs)


def test_a_cell_that_jumps(tmp_path):
    truth = planted(n_frames=4)
    truth.cells[2:] *= 1.2
    for name in WRITERS:
        if name != "LAMMPS general":
            written = WRITERS[name](tmp_path, truth)
            refused(written.path, "the cell jumps between frames 1 and 2", **written.needs)


@pytest.mark.parametrize("name", ["LAMMPS xu", "LAMMPS x", "XDATCAR"])
def test_another_setting_of_the_same_lattice_is_mended_and_said(name, tmp_path):
    """LAMMPS flips a box that has become too skewed: c becomes c - b, atoms are where they were."""
    truth = planted(n_frames=6)
    before = truth.cells.copy()
    truth.cells[3:, 2] -= truth.cells[3:, 1]
    written = WRITERS[name](tmp_path, truth)
    with open_trajectory(written.path, **written.needs) as frames:
        assert "from frame 3 on" in frames.repairs[0]
        for frame in (0, 2, 3, 5):
            np.testing.assert_allclose(frames.cell(frame), before[frame], atol=1e-6)
            np.testing.assert_allclose(frames.positions(frame), truth.positions(frame), atol=1e-6)


def test_a_step_of_half_a_cell(tmp_path):
    """It cannot be unwrapped; a file that is known to be unwrapped is left as it is."""
    truth = planted(n_frames=4)
    truth.all_positions[2:, 7] += 0.48 * truth.cells[0, 1] + truth.positions(1)[7] - truth.positions(2)[7]
    written = extxyz(tmp_path / "t.extxyz", truth)
    refused(written.path, "atom 7 moves 0.48 of the cell along b between frames 1 and 2")
    with open_trajectory(written.path, wrapped=False) as frames:
        np.testing.assert_allclose(frames.positions(3), truth.positions(3), atol=1e-6)
        assert frames.unwrapping == "in the file, by the caller's word"


def test_wrapped_is_no_word_for_a_file_that_says_it_is_not(tmp_path):
    written = lammps(tmp_path / "t.dump", planted(n_frames=1), "xu")
    refused(written.path, "leave wrapped=True out", wrapped=True, **written.needs)


def test_a_direction_that_is_not_periodic_is_not_unwrapped(tmp_path):
    atoms = [Atoms("Li", [[1, 1, z]], cell=[10, 10, 10], pbc=[True, True, False]) for z in (1.0, 9.0)]
    write(tmp_path / "t.extxyz", atoms)
    frames = read_all(tmp_path / "t.extxyz", frame_interval_fs=1.0)
    assert frames.positions(1)[0, 2] == pytest.approx(9.0)


def test_extended_xyz_without_a_cell_or_positions(tmp_path):
    refused(write_text(tmp_path / "a.xyz", "1", "a comment", "Li 0 0 0"), "no Lattice", frame_interval_fs=1.0)
    comment = 'Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:forces:R:3'
    refused(
        write_text(tmp_path / "b.xyz", "1", comment, "Li 0 0 0"), "names no positions", frame_interval_fs=1.0
    )


def test_an_xdatcar_without_symbols(tmp_path):
    lines = ["old", "1.0", "5 0 0", "0 5 0", "0 0 5", "1", "Direct configuration=     1", "0.1 0.2 0.3"]
    refused(write_text(tmp_path / "XDATCAR", *lines), "symbols", frame_interval_fs=1.0)


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "notes.txt").touch()
    refused(tmp_path, "damaged")


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_empty_lines_at_the_end_are_nothing_and_in_the_middle_an_error(name, tmp_path):
    written = WRITERS[name](tmp_path, planted(n_frames=3))
    text = written.path.read_text()
    written.path.write_text(text + "\n  \n")
    frames = read_all(written.path, **written.needs)
    assert frames.n_frames == 3
    assert frames.repairs == ()
    lines = text.splitlines()
    lines.insert(2 * len(lines) // 3, "")
    refused(write_text(written.path, *lines), "frame", **written.needs)


def test_a_time_that_is_no_number(tmp_path):
    written = extxyz(tmp_path / "t.extxyz", planted(n_frames=2))
    written.path.write_text(written.path.read_text().replace("time_fs=100.0", "time_fs=later"))
    refused(written.path, "frame 1 has time_fs=later")
