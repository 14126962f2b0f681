"""Errors and repairs of damaged HDF5, ASE and packed trajectories."""

import os

import h5py
import numpy as np
import pytest

from trajectory_files import (
    assert_read_error,
    campaign_run,
    h5md,
    planted,
    read_all,
    traj,
    wrapped,
)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_binary_files_keep_frames_or_raise(share, tmp_path):
    """ASE's index is at the front, so frames remain; those of HDF5 and packed files are lost."""
    truth = wrapped(planted(n_frames=20))
    path = traj(tmp_path / "t.traj", truth).path
    os.truncate(path, int(share * path.stat().st_size))
    frames = read_all(path)
    assert 20 * share - 3 < frames.n_frames < 20 * share + 1
    assert frames.repairs == (f"frames {frames.n_frames} to 19 are incomplete and were left out",)
    for write_file, name, hint in (
        (h5md, "t.h5", "Hint: copy it again"),
        (campaign_run, "t.zarr.zip", "Hint: fetch it again"),
    ):
        path = write_file(tmp_path / name, truth).path
        os.truncate(path, int(share * path.stat().st_size))
        assert_read_error(path, hint)


def test_h5md_frames_without_data_at_the_end_are_left_out(tmp_path):
    truth = planted(n_frames=3)
    path = h5md(tmp_path / "t.h5", truth).path
    with h5py.File(path, "a") as file:
        values = file["particles/all/position/value"][()]
        values[2] = 0.0
        file["particles/all/position/value"][...] = values
    frames = read_all(path)
    assert frames.n_frames == 2
    assert frames.repairs == ("frames 2 to 2 are incomplete and were left out",)


def test_h5md_requires_elements_times_and_known_units(tmp_path):
    truth = planted(n_frames=2)
    path = h5md(tmp_path / "t.h5", truth).path
    with h5py.File(path, "a") as file:
        group = file["particles/all"]
        del group["species"]
        group["species"] = truth.numbers
        del group["position/time"].attrs["unit"]
    assert_read_error(path, "elements of types 3, 15, 16", time_step_fs=2.0)
    elements = {3: "Li", 15: "P", 16: "S"}
    assert_read_error(path, "pass time_step_fs", elements=elements)
    np.testing.assert_allclose(read_all(path, elements=elements, time_step_fs=2.0).time_fs, truth.time_fs)
    with h5py.File(path, "a") as file:
        file["particles/all/position/value"].attrs["unit"] = "furlong"
    assert_read_error(path, "unit 'furlong'", elements=elements, time_step_fs=2.0)


def test_h5md_without_cell_or_with_two_groups_raises(tmp_path):
    path = h5md(tmp_path / "t.h5", planted(n_frames=1)).path
    with h5py.File(path, "a") as file:
        file.copy("particles/all", "particles/copy")
    assert_read_error(path, "2 groups of particles")
    with h5py.File(path, "a") as file:
        del file["particles/copy"]
        del file["particles/all/box/edges"]
    assert_read_error(path, "no box/edges")
