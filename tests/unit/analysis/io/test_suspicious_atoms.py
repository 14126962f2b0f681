"""Atoms that cannot be identified, elements that contradict each other, and positions that cannot be right."""

import h5py
import numpy as np
import pytest
from ase.io import write

from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.analysis.io.species import elements_of_types
from interphase_flows.exceptions import AnalysisError
from trajectory_files import (
    TYPES,
    assert_read_error,
    atoms_of,
    extxyz,
    h5md,
    lammps,
    planted,
    read_all,
    traj,
    wrapped,
    xdatcar,
)


def dump_with_elements(path, truth, symbols):
    """Write a dump with the columns id, type and element, the latter from the type."""
    written = lammps(path, truth, "xu")
    rows = []
    for line in written.path.read_text().replace("id type", "id type element").splitlines():
        fields = line.split()
        is_atom = len(fields) == 5 and fields[0].isdigit()
        rows.append(" ".join([*fields[:2], symbols[int(fields[1])], *fields[2:]]) if is_atom else line)
    written.path.write_text("\n".join([*rows, ""]))
    return written


def test_repeated_ids_are_rejected(tmp_path):
    truth = planted(n_frames=3)
    written = lammps(tmp_path / "t.dump", truth, "x")
    n_atoms = truth.n_atoms
    rows = [
        f"{int(line.split()[0]) % (n_atoms - 3) + 1} {line.split(' ', 1)[1]}"
        if len(line.split()) == 5 and line[0].isdigit()
        else line
        for line in written.path.read_text().splitlines()
    ]
    written.path.write_text("\n".join([*rows, ""]))
    assert_read_error(written.path, "3 ids occur more than once", **written.arguments)
    frames = atoms_of(truth)
    for atoms in frames:
        atoms.set_array("id", np.arange(n_atoms) // 2)
    write(tmp_path / "t.extxyz", frames, columns=["symbols", "positions", "id"])
    assert_read_error(tmp_path / "t.extxyz", "ids occur more than once")


def test_elements_that_contradict_a_column_of_elements_are_rejected(tmp_path):
    truth = planted(n_frames=2)
    written = dump_with_elements(tmp_path / "t.dump", truth, TYPES)
    for elements in (None, TYPES):
        found = open_trajectory(written.path, time_step_fs=2.0, elements=elements)
        np.testing.assert_array_equal(found.numbers, truth.numbers)
    exchanged = {1: "S", 2: "P", 3: "Li"}
    assert_read_error(
        written.path, "type 1 is S, the column element that it is Li", time_step_fs=2.0, elements=exchanged
    )


def test_default_carbon_of_lammps_requires_elements(tmp_path):
    truth = planted(n_frames=2)
    written = dump_with_elements(tmp_path / "t.dump", truth, dict.fromkeys(TYPES, "C"))
    assert_read_error(written.path, r"C for all 3 atom types, .*\(--elements", time_step_fs=2.0)
    np.testing.assert_array_equal(open_trajectory(written.path, **written.arguments).numbers, truth.numbers)


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("Li,P,S", {1: "Li", 2: "P", 3: "S"}),
        (" Li , P,S ", {1: "Li", 2: "P", 3: "S"}),
        ("3=Li, 16 = S", {3: "Li", 16: "S"}),
    ],
)
def test_elements_option_has_an_order_or_numbers(text, elements):
    assert elements_of_types(text) == elements


@pytest.mark.parametrize("text", ["", "Li,,S", "x=Li", "1=Li,1=S", "=Li", "1=", "-1=Li", "9" * 30 + "=Li"])
def test_unclear_elements_option_is_rejected(text):
    with pytest.raises(AnalysisError, match="Hint: write Li,P,S"):
        elements_of_types(text)


def test_h5md_of_atomic_numbers_names_the_option(tmp_path):
    truth = planted(n_frames=2)
    written = h5md(tmp_path / "t.h5", truth)
    with h5py.File(written.path, "a") as file:
        del file["particles/all/species"]
        file["particles/all/species"] = truth.numbers
    hint = r"if they are atomic numbers: --elements 3=Li,15=P,16=S"
    for elements in (None, {1: "Li", 2: "P", 3: "S"}):
        assert_read_error(written.path, hint, elements=elements)
    found = read_all(written.path, elements=elements_of_types("3=Li,15=P,16=S"))
    np.testing.assert_array_equal(found.numbers, truth.numbers)


def test_dummy_atoms_are_rejected(tmp_path):
    frames = atoms_of(planted(n_frames=2))
    for atoms in frames:
        atoms.symbols[-1] = "X"
    write(tmp_path / "t.extxyz", frames)
    assert_read_error(tmp_path / "t.extxyz", "'X' is not a chemical element .a dummy atom")
    write(tmp_path / "t.traj", frames)
    assert_read_error(tmp_path / "t.traj", "atomic number 0")


@pytest.mark.parametrize("write_file", [extxyz, traj, h5md])
def test_coordinates_of_overflowed_numbers_are_rejected(write_file, tmp_path):
    truth = planted(n_frames=3)
    truth.all_positions[2, 5, 1] = 1e39
    written = write_file(tmp_path / "t", truth)
    assert_read_error(written.path, "frame 2: atom .* is at 1e.39 Å", **written.arguments)


@pytest.mark.parametrize("wrapped_along", [0, 2])
def test_wrapped_positions_in_a_direction_without_periodicity_are_rejected(wrapped_along, tmp_path):
    truth = planted(n_frames=20)
    frames = atoms_of(wrapped(truth))
    for atoms in frames:
        atoms.pbc = [axis != wrapped_along for axis in range(3)]
    path = tmp_path / "t.extxyz"
    write(path, frames)
    assert_read_error(path, f"along {'abc'[wrapped_along]} .* not periodic in this direction.*--wrapped")
    found = read_all(path, wrapped=True)
    np.testing.assert_allclose(found.positions(19), truth.positions(19), atol=1e-6)
    assert read_all(path, wrapped=False).n_frames == 20


def test_unwrapped_positions_in_a_direction_without_periodicity_are_read(tmp_path):
    truth = planted(n_frames=20)
    frames = atoms_of(truth)
    for atoms in frames:
        atoms.pbc = [True, True, False]
    write(tmp_path / "t.extxyz", frames)
    found = read_all(tmp_path / "t.extxyz")
    np.testing.assert_allclose(found.positions(19), truth.positions(19), atol=1e-6)


def test_cells_in_other_units_are_rejected(tmp_path):
    frames = atoms_of(planted(n_frames=2))
    for factor in (1e-3, 1e30):
        for atoms in frames:
            atoms.set_cell(factor * np.eye(3))
        write(tmp_path / "t.extxyz", frames)
        assert_read_error(tmp_path / "t.extxyz", "frame 0: a cell of")


def test_touching_numbers_are_separated(tmp_path):
    """Numbers that fill their columns, as in VASP's XDATCAR for cells of 100 Å and coordinates below -10."""
    truth = planted(n_frames=3)
    written = xdatcar(tmp_path / "XDATCAR", truth, every_header=False)
    text = written.path.read_text()
    cell = "\n".join("".join(f"{x:12.6f}" for x in row) for row in truth.cells[0] * 100)
    lines = text.split("\n")
    lines[2:5] = cell.split("\n")
    lines[3] = lines[3].strip().replace("  ", " ").replace(" 8", "8", 1).replace(" ", "", 1)
    written.path.write_text("\n".join(lines))
    found = open_trajectory(written.path, **written.arguments)
    np.testing.assert_allclose(found.cell(0), truth.cells[0] * 100, atol=1e-4)


@pytest.mark.parametrize("line", ["12.0000x0 0.000000 0.000000", "12.000000"])
def test_damaged_cell_of_xdatcar_names_the_line(line, tmp_path):
    written = xdatcar(tmp_path / "XDATCAR", planted(n_frames=2), every_header=False)
    lines = written.path.read_text().split("\n")
    lines[3] = line
    written.path.write_text("\n".join(lines))
    assert_read_error(written.path, "line 4, .* is not a lattice vector", **written.arguments)
