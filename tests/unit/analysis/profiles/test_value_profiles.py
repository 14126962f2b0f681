"""Profiles of any property of atoms."""

import numpy as np
import pytest

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.profiles.composition import composition_profile
from interphase_flows.analysis.profiles.value_profiles import (
    anions_of,
    coordination_of,
    label_profile,
    profile_of,
)
from interphase_flows.exceptions import AnalysisError
from interphase_flows.structures.crystals.library import load_phase
from li_p_s import LI_P_S

CELL = np.array([[6.0, 0.0, 0.0], [2.0, 7.0, 0.0], [-3.0, 4.0, 20.0]])


def random_frames(n_frames=3, n_atoms=500):
    rng = np.random.default_rng(0)
    fractions = rng.random((n_frames, n_atoms, 3))
    numbers = rng.choice([3, 15, 16], n_atoms)
    return ArrayFrames(numbers, 1000.0 * np.arange(n_frames), fractions @ CELL, CELL)


def of_crystal(name, repeat):
    atoms = load_phase(name) * repeat
    return ArrayFrames(atoms.numbers, np.zeros(1), atoms.positions[None], atoms.cell.array)


def test_the_mean_height_of_atoms_is_the_middle_of_their_slice():
    frames = random_frames(n_atoms=20_000)

    def heights(frame):
        return frames.positions(frame) @ np.linalg.inv(CELL)[:, 2] * 20.0

    profile = profile_of(frames, heights, bin_width_angstrom=2.0)
    middle = 0.5 * (profile.bin_edges_angstrom[1:] + profile.bin_edges_angstrom[:-1])
    np.testing.assert_allclose(profile.mean, np.tile(middle, (3, 1)), atol=0.08)
    # a uniform distribution over 2 Å
    np.testing.assert_allclose(profile.standard_deviation, 2.0 / np.sqrt(12), rtol=0.05)
    np.testing.assert_array_equal(profile.counts.sum(axis=1), 20_000)


def test_a_large_offset_does_not_spoil_the_deviation():
    frames = random_frames()
    profile = profile_of(frames, lambda _: 1e9 + np.where(frames.numbers == 3, 1.0, -1.0))
    assert 0.8 < np.nanmean(profile.standard_deviation) < 1.0


def test_atoms_without_a_value_are_not_counted_and_empty_slices_have_none():
    frames = random_frames()
    lithium = frames.numbers == 3
    profile = profile_of(frames, lambda _: np.where(lithium, 2.0, np.nan))
    counts = composition_profile(frames, elements=["Li"]).counts[:, 0]
    np.testing.assert_array_equal(profile.counts, counts)
    np.testing.assert_array_equal(profile.mean[counts > 0], 2.0)
    nothing = profile_of(frames, lambda _: np.full(500, np.nan))
    assert np.isnan(nothing.mean).all()


def test_labels_are_counted_like_elements():
    frames = random_frames()
    codes = np.searchsorted([3, 15, 16], frames.numbers)
    profile = label_profile(frames, lambda _: codes, ["Li", "P", "S"])
    composition = composition_profile(frames)
    np.testing.assert_array_equal(profile.counts, composition.counts)
    np.testing.assert_allclose(profile.shares(), composition.fractions())
    unlabelled = label_profile(frames, lambda _: np.where(codes == 0, -1, codes), ["Li", "P", "S"])
    np.testing.assert_array_equal(unlabelled.counts[:, 0], 0)


def test_every_sulfur_of_li2s_has_eight_lithium_around_it_at_every_height():
    frames = of_crystal("Li2S", (2, 2, 2))
    values = coordination_of(frames, centre="S", neighbour="Li", cutoff_angstrom=3.0)
    profile = profile_of(frames, values)
    assert profile.counts.sum() == (frames.numbers == 16).sum()
    np.testing.assert_array_equal(profile.mean[profile.counts > 0], 8.0)


def test_anions_of_li7p3s11_are_found_along_the_normal():
    frames = of_crystal("Li7P3S11", (1, 1, 1))
    codes = anions_of(frames, LI_P_S)
    profile = label_profile(frames, codes, ("PS4", "P2S7"), bin_width_angstrom=1.0)
    assert profile.counts.sum(axis=(0, 2)).tolist() == [10, 18]


def test_density_and_composition_of_a_crystal():
    frames = of_crystal("Li2S", (2, 2, 2))
    profile = composition_profile(frames, bin_width_angstrom=10.0)
    assert profile.mass_density_g_per_cm3().mean() == pytest.approx(1.66, abs=0.06)
    np.testing.assert_allclose(profile.counts.sum(axis=2) / profile.counts.sum(), [[2 / 3, 1 / 3]])
    np.testing.assert_allclose(np.nansum(profile.fractions(), axis=1), 1.0)


def test_unnamed_labels_and_misshaped_values_raise():
    frames = random_frames()
    with pytest.raises(AnalysisError, match="every label needs a name"):
        label_profile(frames, lambda _: np.full(500, 2), ["Li", "P"])
    with pytest.raises(AnalysisError, match="there must be one per atom"):
        profile_of(frames, lambda _: np.zeros(7))
