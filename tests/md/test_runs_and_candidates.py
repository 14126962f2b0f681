"""Archives of candidates, trajectories of runs, and dynamics with the reference method."""

import numpy as np
import pytest

from interphase_flows.exceptions import DynamicsError
from interphase_flows.md.candidates import pack_candidates, unpack_candidates
from interphase_flows.md.checkpoint import read_checkpoint
from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.reference_dynamics import reference_snapshots
from interphase_flows.md.run_trajectory import RunFrames

STORED_ANGSTROM = 1e-7
"""Trajectories store displacements in single precision."""

COOL = LangevinNVT(temperature_K=40.0, timestep_fs=2.0)


def test_candidate_archive_round_trip(tmp_path, go, argon):
    """Exact, and equal candidates give equal bytes."""
    argon.set_array("side", np.repeat([0, 1], 16), dtype=int)
    candidates = go(tmp_path / "run", start=argon).candidates
    data = pack_candidates(candidates)
    back = unpack_candidates(data)
    assert [c.step for c in back] == [c.step for c in candidates]
    assert [c.uncertainty_eV_per_angstrom for c in back] == [c.uncertainty_eV_per_angstrom for c in candidates]
    for one, two in zip(candidates, back, strict=True):
        np.testing.assert_array_equal(one.atoms.positions, two.atoms.positions)
        for name in ("side", "force_std_eV_per_angstrom"):
            np.testing.assert_array_equal(one.atoms.arrays[name], two.atoms.arrays[name])
    assert pack_candidates(back) == data


def test_run_of_two_segments_equals_one(tmp_path, go):
    """30 + 30 steps give the frames and times of 60, unwrapped; negative indices count from the end."""
    single = go(tmp_path / "single")
    first = go(tmp_path / "first", n_steps=30)
    second = go(tmp_path / "second", n_steps=30, start=read_checkpoint(first.last_good_checkpoint), seed=None)
    with (
        RunFrames([single.trajectory]) as one,
        RunFrames([first.trajectory, second.trajectory]) as two,
    ):
        assert one.n_frames == two.n_frames == 21
        np.testing.assert_array_equal(one.time_fs, two.time_fs)
        for index in (0, 10, 11, 20, -1):
            np.testing.assert_allclose(one.positions(index), two.positions(index), rtol=0, atol=STORED_ANGSTROM)
        assert two.atoms(-1).info["time_fs"] == 120.0
        with pytest.raises(IndexError):
            two.positions(21)


def test_run_without_frames_raises():
    with pytest.raises(DynamicsError, match="no frames"):
        RunFrames([])


def test_snapshots_are_reproducible(tmp_path, argon, pair_committee):
    """Every fifth step without the start; a second call in the same folder computes nothing."""
    calculator = pair_committee.dynamics_calculator
    frames = [
        reference_snapshots(argon, calculator, COOL, 20, 5, seed=3, folder=tmp_path / name) for name in ("a", "a", "b")
    ]
    assert [len(each) for each in frames] == [4, 4, 4]
    assert np.abs(frames[0][0].positions - argon.positions).max() > 0
    for again in frames[1:]:
        np.testing.assert_array_equal(frames[0][-1].positions, again[-1].positions)
    assert frames[0][0].calc is None


def test_quench_continues_from_the_melt(tmp_path, argon, pair_committee):
    """The second stage continues positions and momenta of the first."""
    calculator = pair_committee.dynamics_calculator
    melt = reference_snapshots(argon, calculator, COOL, 10, 5, seed=3, folder=tmp_path / "melt")
    quench = reference_snapshots(
        None, calculator, COOL, 10, 5, seed=3, folder=tmp_path / "quench", previous=tmp_path / "melt"
    )
    single = reference_snapshots(argon, calculator, COOL, 20, 5, seed=3, folder=tmp_path / "single")
    for one, two in zip([*melt, *quench], single, strict=True):
        np.testing.assert_allclose(one.positions, two.positions, rtol=0, atol=STORED_ANGSTROM)
    with pytest.raises(DynamicsError, match="needs a start"):
        reference_snapshots(None, calculator, COOL, 10, 5, seed=3, folder=tmp_path / "none")
