"""Files written by LAMMPS and ASE, compared with ASE's readers."""

from pathlib import Path

import ase.io
import numpy as np
import pytest

from interphase_flows.analysis.io.open import open_trajectory
from trajectory_files import INTERVAL_FS, atoms_of, planted

LAMMPS = Path(__file__).parent / "lammps"
"""Written by LAMMPS with `in.lammps`: a triclinic box that grows, moves and flips; atoms leave it."""
ARGUMENTS = {"elements": {1: "Ar", 2: "S"}, "time_step_fs": 2.0}
STEP_FS, STEPS_PER_FRAME = 2.0, 100


@pytest.mark.parametrize("name", ["wrapped", "images", "scaled"])
def test_wrapped_dump_equals_unwrapped_dump_of_the_same_run(name):
    """Compare with the coordinates that LAMMPS unwrapped, including a flip of the box."""
    unwrapped = open_trajectory(LAMMPS / "unwrapped.dump", **ARGUMENTS)
    other = open_trajectory(LAMMPS / f"{name}.dump", **ARGUMENTS)
    assert unwrapped.n_frames == other.n_frames == 13
    for frame in range(13):
        np.testing.assert_allclose(other.positions(frame), unwrapped.positions(frame), atol=1e-6)
        np.testing.assert_allclose(other.cell(frame), unwrapped.cell(frame), atol=1e-9)
    np.testing.assert_allclose(other.time_fs, STEP_FS * STEPS_PER_FRAME * np.arange(13))
    assert other.repairs == unwrapped.repairs
    assert "from frame 2 on" in other.repairs[0]


def test_dump_with_units_and_times_requires_no_time_step():
    times = open_trajectory(LAMMPS / "wrapped.dump", elements=ARGUMENTS["elements"]).time_fs
    np.testing.assert_allclose(times, STEP_FS * STEPS_PER_FRAME * np.arange(13))


def test_atoms_of_the_reference_run_leave_the_box():
    """Otherwise the files would not test unwrapping."""
    unwrapped = open_trajectory(LAMMPS / "unwrapped.dump", **ARGUMENTS)
    fractions = np.array([unwrapped.positions(k) @ np.linalg.inv(unwrapped.cell(k)) for k in range(13)])
    assert fractions.min() < -0.2
    assert fractions.max() > 1.2


def test_dump_reader_agrees_with_ase():
    """ASE keeps the origin of the box separate and does not undo the flip."""
    ours = open_trajectory(LAMMPS / "unwrapped.dump", **ARGUMENTS)
    theirs = ase.io.read(LAMMPS / "unwrapped.dump", index=":", format="lammps-dump-text")
    assert len(theirs) == ours.n_frames
    for frame, atoms in enumerate(theirs):
        corner = atoms.get_celldisp().ravel()
        np.testing.assert_allclose(ours.positions(frame), atoms.positions - corner, atol=1e-8)
        if frame < 2:
            np.testing.assert_allclose(ours.cell(frame), atoms.cell.array, atol=1e-8)


def test_xdatcar_written_by_ase(tmp_path):
    truth = planted(n_frames=5)
    ase.io.write(tmp_path / "XDATCAR", atoms_of(truth), format="vasp-xdatcar")
    ours = open_trajectory(tmp_path / "XDATCAR", frame_interval_fs=INTERVAL_FS)
    np.testing.assert_array_equal(ours.numbers, truth.numbers)
    for frame in range(5):
        # ASE writes eight digits of fractions
        np.testing.assert_allclose(ours.positions(frame), truth.positions(frame), atol=1e-6)
