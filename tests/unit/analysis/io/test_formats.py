"""One trajectory in every format gives the same frames and results."""

import numpy as np
import pytest
from ase.io import write

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.analysis.profiles.composition import composition_profile
from interphase_flows.analysis.transport.squared_displacement import mean_squared_displacement
from trajectory_files import CELL, INTERVAL_FS, STEP_FS, WRITERS, atoms_of, lammps, planted, wrapped, xdatcar

TOLERANCE_ANGSTROM = 1e-6


@pytest.mark.parametrize("breathing", [False, True], ids=["constant cell", "changing cell"])
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_original_trajectory(name, breathing, tmp_path):
    """Wrapped or not, in a triclinic cell, with atoms in any order."""
    truth = planted(breathing=breathing)
    written = WRITERS[name](tmp_path, truth)
    with open_trajectory(written.path, **written.arguments) as frames:
        assert frames.repairs == ()
        assert (frames.n_frames, frames.n_atoms) == (truth.n_frames, truth.n_atoms)
        np.testing.assert_array_equal(frames.numbers, truth.numbers)
        np.testing.assert_allclose(frames.time_fs, truth.time_fs)
        for frame in range(truth.n_frames):
            np.testing.assert_allclose(frames.cell(frame), truth.cell(frame), atol=TOLERANCE_ANGSTROM)
            np.testing.assert_allclose(frames.positions(frame), truth.positions(frame), atol=TOLERANCE_ANGSTROM)
        np.testing.assert_allclose(composition_profile(frames).density, composition_profile(truth).density, atol=1e-6)
        np.testing.assert_allclose(
            mean_squared_displacement(frames).msd_angstrom2,
            mean_squared_displacement(truth).msd_angstrom2,
            rtol=1e-6,
            atol=1e-6,
        )


@pytest.mark.parametrize("seed", range(3))
def test_sums_of_wrapped_displacements_are_unwrapped_by_lattice_vectors(seed, tmp_path):
    """The unwrapped column sums the displacements of wrapped atoms, which the barostat scales in the cell alone."""
    truth = planted(n_frames=40, breathing=True, seed=seed)
    inside = wrapped(truth)
    inverse = np.linalg.inv(truth.cells)
    crossed = np.diff(np.floor(truth.all_positions @ inverse), axis=0)
    steps = np.diff(inside.all_positions, axis=0) + crossed @ truth.cells[1:]
    summed = inside.all_positions[0] + np.concatenate([np.zeros((1, truth.n_atoms, 3)), np.cumsum(steps, axis=0)])
    assert np.abs(summed - truth.all_positions).max() > 0.1
    frames = atoms_of(inside)
    for atoms, unwrapped in zip(frames, summed, strict=True):
        atoms.set_array("unwrapped_position", unwrapped)
    write(tmp_path / "t.extxyz", frames, format="extxyz")
    with open_trajectory(tmp_path / "t.extxyz") as found:
        assert "unwrapped_position" in found.unwrapping
        for frame in range(truth.n_frames):
            np.testing.assert_allclose(found.positions(frame), truth.positions(frame), atol=TOLERANCE_ANGSTROM)


def test_atoms_of_the_original_trajectory_leave_the_cell():
    """Otherwise the tests would not test unwrapping."""
    truth = planted()
    assert np.abs(truth.all_positions - wrapped(truth).all_positions).max() > 8.0


def test_xdatcar_with_one_header_has_a_constant_cell(tmp_path):
    truth = planted(n_frames=4)
    written = xdatcar(tmp_path / "XDATCAR", wrapped(truth), every_header=False)
    frames = open_trajectory(written.path, **written.arguments)
    np.testing.assert_allclose(frames.positions(3), truth.positions(3), atol=TOLERANCE_ANGSTROM)


def test_frames_can_be_read_in_any_order(tmp_path):
    truth = planted(n_frames=60)
    written = lammps(tmp_path / "t.dump", truth, "x")
    frames = open_trajectory(written.path, **written.arguments)
    for frame in (59, 0, 31, 30, 31, 5, -1, 58):
        np.testing.assert_allclose(frames.positions(frame), truth.positions(frame), atol=TOLERANCE_ANGSTROM)


def test_unwrapping_states_its_method(tmp_path):
    truth = planted(n_frames=3)
    unwrapping = {}
    for name in ("LAMMPS x", "LAMMPS xu", "LAMMPS x ix", "H5MD image", "own"):
        written = WRITERS[name](tmp_path, truth)
        with open_trajectory(written.path, **written.arguments) as frames:
            unwrapping[name] = frames.unwrapping
    assert unwrapping["LAMMPS x"] == "minimum-image steps between consecutive frames"
    assert "xu yu zu" in unwrapping["LAMMPS xu"]
    assert "image flags" in unwrapping["LAMMPS x ix"]
    assert "image" in unwrapping["H5MD image"]
    assert "displacements" in unwrapping["own"]


def test_times_follow_from_time_step_or_frame_interval(tmp_path):
    truth = planted(n_frames=3)
    dump = lammps(tmp_path / "t.dump", truth, "x")
    np.testing.assert_allclose(
        open_trajectory(dump.path, **dump.arguments | {"time_step_fs": 2 * STEP_FS}).time_fs,
        2 * truth.time_fs,
    )
    vasp = xdatcar(tmp_path / "XDATCAR", truth, every_header=False)
    assert open_trajectory(vasp.path, frame_interval_fs=7.0).time_fs[-1] == 14.0


def test_dump_with_units_and_time_requires_no_time_step(tmp_path):
    truth = planted(n_frames=3)
    written = lammps(tmp_path / "t.dump", truth, "xu")
    text = "ITEM: UNITS\nmetal\n" + written.path.read_text()
    for frame in range(3):
        step = f"ITEM: TIMESTEP\n{frame * 50}\n"
        text = text.replace(step, f"ITEM: TIME\n{frame * INTERVAL_FS / 1000}\n{step}")
    written.path.write_text(text)
    np.testing.assert_allclose(
        open_trajectory(written.path, elements=written.arguments["elements"]).time_fs, truth.time_fs
    )


def test_dump_with_column_element_requires_no_elements(tmp_path):
    truth = planted(n_frames=2)
    written = lammps(tmp_path / "t.dump", truth, "xu")
    text = written.path.read_text().replace("id type", "id element")
    for kind, symbol in ((1, "Li"), (2, "P"), (3, "S")):
        text = "\n".join(
            f"{line.split()[0]} {symbol} {' '.join(line.split()[2:])}"
            if len(line.split()) == 5 and line.split()[1] == str(kind)
            else line
            for line in text.split("\n")
        )
    written.path.write_text(text)
    frames = open_trajectory(written.path, time_step_fs=1.0)
    np.testing.assert_array_equal(frames.numbers, truth.numbers)
    np.testing.assert_allclose(frames.positions(1), truth.positions(1), atol=TOLERANCE_ANGSTROM)


def test_given_elements_take_precedence_over_the_default_carbon_of_lammps(tmp_path):
    truth = planted(n_frames=2)
    written = lammps(tmp_path / "t.dump", truth, "xu")
    lines = written.path.read_text().replace("id type", "id element type").split("\n")
    lines = [line.replace(" ", " C ", 1) if len(line.split()) == 5 and line[0].isdigit() else line for line in lines]
    written.path.write_text("\n".join(lines))
    np.testing.assert_array_equal(open_trajectory(written.path, **written.arguments).numbers, truth.numbers)


@pytest.mark.parametrize("scale", ["2.0", f"-{abs(np.linalg.det(CELL)):.9f}"])
def test_xdatcar_scale_is_a_factor_or_a_volume(scale, tmp_path):
    truth = planted(n_frames=2)
    half = ArrayFrames(truth.numbers, truth.time_fs, truth.all_positions / 2.0, truth.cells / 2.0)
    written = xdatcar(tmp_path / "XDATCAR", half, every_header=False)
    written.path.write_text(written.path.read_text().replace("  1.0\n", f"  {scale}\n", 1))
    frames = open_trajectory(written.path, **written.arguments)
    np.testing.assert_allclose(frames.cell(1), CELL, atol=1e-6)
    np.testing.assert_allclose(frames.positions(1), truth.positions(1), atol=TOLERANCE_ANGSTROM)
