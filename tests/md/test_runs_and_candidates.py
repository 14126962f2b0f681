"""Candidates as a file, the frames of a run over its segments, and short dynamics with a reference method."""

import numpy as np
import pytest

from interphase_flows.exceptions import DynamicsError
from interphase_flows.md.candidate_archive import pack_candidates, unpack_candidates
from interphase_flows.md.checkpoint import read_checkpoint
from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.reference_dynamics import reference_snapshots
from interphase_flows.md.run_trajectory import RunFrames

STORED_ANGSTROM = 1e-7
"""Trajectories keep displacements from the start of their segment in single precision."""

COOL = LangevinNVT(temperature_K=40.0, timestep_fs=2.0)


def test_candidates_come_back_from_their_file(tmp_path, go, argon):
    """Step, uncertainty, positions and what each atom knows, to the last bit; same candidates, same bytes."""
    argon.set_array("side", np.repeat([0, 1], 16), dtype=int)
    candidates = go(tmp_path / "run", start=argon).candidates
    data = pack_candidates(candidates)
    back = unpack_candidates(data)
    assert [c.step for c in back] == [c.step for c in candidates]
    assert [c.uncertainty_eV_per_angstrom for c in back] == [
        c.uncertainty_eV_per_angstrom for c in candidates
    ]
    for one, two in zip(candidates, back, strict=True):
        np.testing.assert_array_equal(one.atoms.positions, two.atoms.positions)
        for name in ("side", "force_std_eV_per_angstrom"):
            np.testing.assert_array_equal(one.atoms.arrays[name], two.atoms.arrays[name])
    assert pack_candidates(back) == data


def test_a_run_of_two_segments_reads_like_one(tmp_path, go):
    """30 + 30 steps are the frames of 60, unwrapped, with their times; negative indices count from the end."""
    whole = go(tmp_path / "whole")
    first = go(tmp_path / "first", n_steps=30)
    second = go(tmp_path / "second", n_steps=30, start=read_checkpoint(first.last_good_checkpoint), seed=None)
    with (
        RunFrames([whole.trajectory]) as one,
        RunFrames([first.trajectory, second.trajectory]) as two,
    ):
        assert one.n_frames == two.n_frames == 21
        np.testing.assert_array_equal(one.time_fs, two.time_fs)
        for index in (0, 10, 11, 20, -1):
            np.testing.assert_allclose(
                one.positions(index), two.positions(index), rtol=0, atol=STORED_ANGSTROM
            )
        assert two.atoms(-1).info["time_fs"] == 120.0
        with pytest.raises(IndexError):
            two.positions(21)


def test_no_frames_is_an_error_that_says_where_to_look():
    """Not an empty average."""
    with pytest.raises(DynamicsError, match="no frames"):
        RunFrames([])


def test_snapshots_are_of_the_dynamics_and_again_the_same(tmp_path, argon, pair_committee):
    """Every fifth step but not the start; in the same folder nothing is computed, elsewhere it is the same."""
    calculator = pair_committee.dynamics_calculator
    frames = [
        reference_snapshots(argon, calculator, COOL, 20, 5, seed=3, folder=tmp_path / name)
        for name in ("a", "a", "b")
    ]
    assert [len(each) for each in frames] == [4, 4, 4]
    assert np.abs(frames[0][0].positions - argon.positions).max() > 0
    for again in frames[1:]:
        np.testing.assert_array_equal(frames[0][-1].positions, again[-1].positions)
    assert frames[0][0].calc is None


def test_a_quench_goes_on_from_the_melt(tmp_path, argon, pair_committee):
    """The second stage begins where the first ended, with its momenta; with neither there is an error."""
    calculator = pair_committee.dynamics_calculator
    melt = reference_snapshots(argon, calculator, COOL, 10, 5, seed=3, folder=tmp_path / "melt")
    quench = reference_snapshots(
        None, calculator, COOL, 10, 5, seed=3, folder=tmp_path / "quench", previous=tmp_path / "melt"
    )
    whole = reference_snapshots(argon, calculator, COOL, 20, 5, seed=3, folder=tmp_path / "whole")
    for one, two in zip([*melt, *quench], whole, strict=True):
        np.testing.assert_allclose(one.positions, two.positions, rtol=0, atol=STORED_ANGSTROM)
    with pytest.raises(DynamicsError, match="needs a start"):
        reference_snapshots(None, calculator, COOL, 10, 5, seed=3, folder=tmp_path / "none")
