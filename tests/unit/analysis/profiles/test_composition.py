"""Composition along the normal."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.profiles.composition import composition_profile
from interphase_flows.exceptions import AnalysisError

CELL = np.array([[6.0, 0.0, 0.0], [2.0, 7.0, 0.0], [-3.0, 4.0, 20.0]])


def slab_frames(shifts_fractional, n=400, seed=0):
    """Return S in the lower 40 % of the cell and Li elsewhere, shifted rigidly from frame to frame."""
    rng = np.random.default_rng(seed)
    numbers = np.array([16] * (2 * n // 5) + [3] * (n - 2 * n // 5))
    fractions = rng.random((n, 3))
    fractions[:, 2] = np.where(numbers == 16, 0.4 * fractions[:, 2], 0.4 + 0.6 * fractions[:, 2])
    moved = np.array([fractions + np.array([0, 0, shift]) for shift in shifts_fractional])
    return ArrayFrames(numbers, 1000.0 * np.arange(len(moved)), moved @ CELL, CELL)


def test_every_atom_is_counted_once_and_density_integrates_to_atoms():
    frames = slab_frames([0.0, 0.37, -5.2])
    profile = composition_profile(frames, bin_width_angstrom=0.9)
    assert profile.elements == ("Li", "S")
    np.testing.assert_array_equal(profile.counts.sum(axis=2), [[240, 160]] * 3)
    slice_volume = abs(np.linalg.det(CELL)) / (len(profile.bin_edges_angstrom) - 1)
    np.testing.assert_allclose(profile.density * slice_volume, profile.counts)
    assert profile.bin_edges_angstrom[-1] == pytest.approx(20.0)  # the normal, not the length of c


def test_bins_are_parallel_to_the_interface_in_a_triclinic_cell():
    profile = composition_profile(slab_frames([0.0]), bin_width_angstrom=2.0)
    np.testing.assert_array_equal(profile.counts[0, 1, 4:], 0)
    np.testing.assert_array_equal(profile.counts[0, 0, :4], 0)


def test_profile_relative_to_the_electrolyte_is_invariant_under_drift():
    """Shifts of many periods and of a fraction of a bin leave the counts as they were."""
    frames = slab_frames([0.0, 0.013, 0.49, 0.51, 3.27, -8.9])
    profile = composition_profile(frames, bin_width_angstrom=1.0, reference=frames.numbers == 16)
    # rounding may carry an atom that sits on an edge across it
    assert np.abs(profile.counts - profile.counts[0]).sum(axis=(1, 2)).max() <= 2
    middle = 0.5 * (profile.bin_edges_angstrom[1:] + profile.bin_edges_angstrom[:-1])
    centre = (middle * profile.counts[0, 1]).sum() / profile.counts[0, 1].sum()
    assert centre == pytest.approx(10.0, abs=0.5)


def test_wrapped_and_unwrapped_atoms_give_the_same_profile():
    frames = slab_frames([0.0, 0.2])
    wrapped = ArrayFrames(
        frames.numbers,
        frames.time_fs,
        np.array([(p @ np.linalg.inv(CELL) % 1.0) @ CELL for p in frames.all_positions]),
        CELL,
    )
    ours, theirs = composition_profile(frames).counts, composition_profile(wrapped).counts
    assert np.abs(ours - theirs).sum() <= 2


def test_the_last_frame_is_always_used():
    profile = composition_profile(slab_frames(np.zeros(8)), every=3)
    np.testing.assert_allclose(profile.time_ps, [0.0, 3.0, 6.0, 7.0])


def test_bins_wider_than_the_cell_raise():
    with pytest.raises(AnalysisError, match=r"20\.00 Å"):
        composition_profile(slab_frames([0.0]), bin_width_angstrom=30.0)


def test_evenly_spread_reference_raises():
    fractions = np.zeros((10, 3))
    fractions[:, 2] = np.arange(10) / 10
    frames = ArrayFrames(np.full(10, 3), np.zeros(1), (fractions @ CELL)[None], CELL)
    with pytest.raises(AnalysisError, match="middle is undefined"):
        composition_profile(frames, reference=np.ones(10, dtype=bool))


def test_empty_trajectory_raises():
    frames = ArrayFrames(np.array([3]), np.empty(0), np.empty((0, 1, 3)), CELL)
    with pytest.raises(AnalysisError, match="nothing to analyse"):
        composition_profile(frames)


def test_positions_of_the_wrong_shape_raise():
    with pytest.raises(AnalysisError, match="n_frames, n_atoms, 3"):
        ArrayFrames(np.array([3, 3]), np.zeros(1), np.zeros((1, 3, 3)), CELL)
