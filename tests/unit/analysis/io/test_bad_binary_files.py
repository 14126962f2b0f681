"""What is wrong with a file of HDF5, of ASE or packed is said with the mend."""

import os

import h5py
import numpy as np
import pytest

from trajectory_files import (
    campaign_run,
    h5md,
    planted,
    read_all,
    refused,
    traj,
    wrapped,
)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_binary_files_that_are_cut_short(share, tmp_path):
    """ASE's index stands in front, so that frames are left; those of HDF5 and of packed files are lost."""
    truth = wrapped(planted(n_frames=20))
    path = traj(tmp_path / "t.traj", truth).path
    os.truncate(path, int(share * path.stat().st_size))
    frames = read_all(path)
    assert 20 * share - 3 < frames.n_frames < 20 * share + 1
    assert frames.repairs == (f"frame {frames.n_frames} of 20 and those after it are cut short and left out",)
    for write_it, name, mend in (
        (h5md, "t.h5", "copy it again"),
        (campaign_run, "t.zarr.zip", "fetch it again"),
    ):
        path = write_it(tmp_path / name, truth).path
        os.truncate(path, int(share * path.stat().st_size))
        refused(path, mend)


def test_an_h5md_that_grew_before_it_was_filled(tmp_path):
    truth = planted(n_frames=3)
    path = h5md(tmp_path / "t.h5", truth).path
    with h5py.File(path, "a") as file:
        values = file["particles/all/position/value"][()]
        values[2] = 0.0
        file["particles/all/position/value"][...] = values
    frames = read_all(path)
    assert frames.n_frames == 2
    assert "not whole" in frames.repairs[0]


def test_h5md_of_numbered_species_in_odd_units(tmp_path):
    truth = planted(n_frames=2)
    path = h5md(tmp_path / "t.h5", truth).path
    with h5py.File(path, "a") as file:
        group = file["particles/all"]
        del group["species"]
        group["species"] = truth.numbers
        del group["position/time"].attrs["unit"]
    refused(path, "which element 3, 15, 16 is", time_step_fs=2.0)
    elements = {3: "Li", 15: "P", 16: "S"}
    refused(path, "pass time_step_fs", elements=elements)
    np.testing.assert_allclose(read_all(path, elements=elements, time_step_fs=2.0).time_fs, truth.time_fs)
    with h5py.File(path, "a") as file:
        file["particles/all/position/value"].attrs["unit"] = "furlong"
    refused(path, "unit 'furlong'", elements=elements, time_step_fs=2.0)


def test_h5md_without_a_cell_or_with_two_groups(tmp_path):
    path = h5md(tmp_path / "t.h5", planted(n_frames=1)).path
    with h5py.File(path, "a") as file:
        file.copy("particles/all", "particles/copy")
    refused(path, "has 2 groups")
    with h5py.File(path, "a") as file:
        del file["particles/copy"]
        del file["particles/all/box/edges"]
    refused(path, "no box/edges")
