"""Files that LAMMPS and ASE themselves wrote, and what ASE reads in them."""

from pathlib import Path

import ase.io
import numpy as np
import pytest

from interphase_flows.analysis.io.open import open_trajectory
from trajectory_files import INTERVAL_FS, atoms_of, planted

LAMMPS = Path(__file__).parent / "lammps"
"""Written by LAMMPS with `in.lammps`: the box is triclinic, grows, moves and flips, atoms leave it."""
NEEDS = {"elements": {1: "Ar", 2: "S"}, "time_step_fs": 2.0}
STEP_FS, STEPS_PER_FRAME = 2.0, 100


@pytest.mark.parametrize("name", ["wrapped", "images", "scaled"])
def test_dumps_of_one_run_are_the_same_however_they_are_wrapped(name):
    """Against the coordinates that LAMMPS itself unwrapped, through a flip of the box."""
    unwrapped = open_trajectory(LAMMPS / "unwrapped.dump", **NEEDS)
    other = open_trajectory(LAMMPS / f"{name}.dump", **NEEDS)
    assert unwrapped.n_frames == other.n_frames == 13
    for frame in range(13):
        np.testing.assert_allclose(other.positions(frame), unwrapped.positions(frame), atol=1e-6)
        np.testing.assert_allclose(other.cell(frame), unwrapped.cell(frame), atol=1e-9)
    np.testing.assert_allclose(other.time_fs, STEP_FS * STEPS_PER_FRAME * np.arange(13))
    assert other.repairs == unwrapped.repairs
    assert "from frame 2 on" in other.repairs[0]


def test_units_and_times_that_lammps_wrote_need_no_time_step():
    times = open_trajectory(LAMMPS / "wrapped.dump", elements=NEEDS["elements"]).time_fs
    np.testing.assert_allclose(times, STEP_FS * STEPS_PER_FRAME * np.arange(13))


def test_the_run_leaves_its_box_and_flips():
    """Else it would show nothing."""
    unwrapped = open_trajectory(LAMMPS / "unwrapped.dump", **NEEDS)
    fractions = np.array([unwrapped.positions(k) @ np.linalg.inv(unwrapped.cell(k)) for k in range(13)])
    assert fractions.min() < -0.2
    assert fractions.max() > 1.2


def test_ase_reads_the_same_in_a_dump():
    """ASE keeps the box's corner apart and the vectors of each frame."""
    ours = open_trajectory(LAMMPS / "unwrapped.dump", **NEEDS)
    theirs = ase.io.read(LAMMPS / "unwrapped.dump", index=":", format="lammps-dump-text")
    assert len(theirs) == ours.n_frames
    for frame, atoms in enumerate(theirs):
        corner = atoms.get_celldisp().ravel()
        np.testing.assert_allclose(ours.positions(frame), atoms.positions - corner, atol=1e-8)
        if frame < 2:
            np.testing.assert_allclose(ours.cell(frame), atoms.cell.array, atol=1e-8)


def test_an_xdatcar_that_ase_wrote(tmp_path):
    truth = planted(n_frames=5)
    ase.io.write(tmp_path / "XDATCAR", atoms_of(truth), format="vasp-xdatcar")
    ours = open_trajectory(tmp_path / "XDATCAR", frame_interval_fs=INTERVAL_FS)
    np.testing.assert_array_equal(ours.numbers, truth.numbers)
    for frame in range(5):
        # ASE writes eight digits of fractions
        np.testing.assert_allclose(ours.positions(frame), truth.positions(frame), atol=1e-6)
