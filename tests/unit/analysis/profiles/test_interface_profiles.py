"""Profiles along the normal: known crystals, invariance under drift and rotation, time blocks."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_masses
from scipy.spatial.transform import Rotation

from growing_interphase import growing
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.profiles.composition import composition_profile
from interphase_flows.analysis.profiles.results import ProfileBlock
from interphase_flows.analysis.statistics.block_means import MOST_SAMPLES, TimeBlocks, block_means
from interphase_flows.structures.crystals.library import load_phase
from sodium import sodium_thiophosphate

G_PER_CM3 = 1.66053906660
"""Of one u per Å³."""
PARTS = ("profiles",)
LITHIUM = InterfaceAnalysisSettings(composition_of("Li"), composition_of("Li7P3S11"), 300.0, PARTS)
SODIUM = InterfaceAnalysisSettings(composition_of("Na"), composition_of("Na3PS4"), 300.0, PARTS)


def shaken(atoms: Atoms, n_frames: int = 12, *, drift: float = 0.0, sigma: float = 0.03) -> ArrayFrames:
    """Return frames of an atomic arrangement that vibrates and drifts along c by so many cells per frame."""
    moves = np.random.default_rng(0).normal(0, sigma, (n_frames, len(atoms), 3))
    moves += drift * np.arange(n_frames)[:, None, None] * atoms.cell[2]
    return ArrayFrames(atoms.numbers, 1000.0 * np.arange(n_frames), atoms.positions + moves, atoms.cell[:])


def lithium_on_sulfide() -> Atoms:
    """Li2S from 0 to 22.84 Å, bcc lithium, whose cell is 3/5 of that of Li2S, above."""
    sulfide = bulk("SLi2", "fluorite", a=5.71, cubic=True) * (3, 3, 4)
    metal = bulk("Li", "bcc", a=5.71 * 3 / 5, cubic=True) * (5, 5, 6)
    metal.positions[:, 2] += 4 * 5.71
    height = 4 * 5.71 + 6 * 5.71 * 3 / 5
    # not on the border of the cell, where a vibration would take atoms to its other end
    return Atoms(
        [*sulfide.symbols, *metal.symbols],
        [*(sulfide.positions + 0.8), *(metal.positions + 0.8)],
        cell=[17.13, 17.13, height],
        pbc=True,
    )


@pytest.mark.parametrize(
    ("atoms", "settings", "coordination"),
    [
        (bulk("SLi2", "fluorite", a=5.71, cubic=True) * (2, 2, 3), LITHIUM, {"Li around S": 8}),
        (load_phase("Li7P3S11") * (1, 2, 2), LITHIUM, {"S around P": 4}),
        (sodium_thiophosphate() * (2, 2, 2), SODIUM, {"S around P": 4, "Na around S": 3}),
    ],
    ids=["Li2S", "Li7P3S11, triclinic", "Na3PS4"],
)
def test_crystal_has_its_density_composition_and_coordination(atoms, settings, coordination):
    found = analyse_interface(shaken(atoms), settings)
    result, series = found.parts["profiles"], found.arrays
    density = atomic_masses[atoms.numbers].sum() / atoms.get_volume() * G_PER_CM3
    assert result.mass_density_g_per_cm3 == pytest.approx(density, rel=1e-6)
    np.testing.assert_allclose(series["profiles.g_per_cm3"].mean(axis=1), density, rtol=1e-6)
    per_nm3 = np.unique(atoms.numbers, return_counts=True)[1] / atoms.get_volume() * 1e3
    np.testing.assert_allclose(series["profiles.atoms_per_nm3"].mean(axis=2), [per_nm3] * 2)
    fraction = series["profiles.mole_fraction"]
    some = np.isfinite(fraction)
    np.testing.assert_allclose(fraction.sum(axis=1)[some.all(axis=1)], 1.0)
    shells = {each.name: each for each in result.coordination.shells}
    for name, expected in coordination.items():
        assert shells[name].start.value == expected
        row = series["profiles.coordination"][:, list(shells).index(name)]
        np.testing.assert_allclose(row[np.isfinite(row)], expected)
        centres = (atoms.symbols == shells[name].centre).sum()
        assert series["profiles.coordination_atoms"][-1, list(shells).index(name)].sum() == pytest.approx(centres)


def test_slab_position_is_found_and_slices_without_sulfur_have_no_coordination():
    atoms = lithium_on_sulfide()
    found = analyse_interface(shaken(atoms), LITHIUM).arrays
    edges = found["profiles.edges_angstrom"]
    middle = 0.5 * (edges[1:] + edges[:-1])
    # the middle of the sulfur is in the middle of the profile
    off = middle - 0.5 * edges[-1]
    fraction, shells = found["profiles.mole_fraction"][0], found["profiles.coordination"][0, 0]
    metal, inside = np.abs(off) > 12.5, np.abs(off) < 7.0
    assert np.nanmin(fraction[0, metal]) == 1.0
    assert np.isnan(shells[metal]).all()
    assert np.nanmin(shells[inside]) == np.nanmax(shells[inside]) == 8.0
    atoms_in = found["profiles.atoms_per_nm3"][0] * 1e-3 * atoms.get_volume() / len(middle)
    assert atoms_in[1].sum() == pytest.approx(144)
    assert atoms_in[1, ~metal].sum() == pytest.approx(144)
    assert atoms_in[0, metal].sum() + atoms_in[0, ~metal].sum() == pytest.approx(288 + 300)


@pytest.mark.parametrize("drift", [0.013, -0.4, 3.0])
def test_profiles_are_invariant_under_drift(drift):
    atoms = lithium_on_sulfide()
    still, moving = (analyse_interface(shaken(atoms, drift=each), LITHIUM).arrays for each in (0.0, drift))
    for name, series in still.items():
        np.testing.assert_allclose(moving[name], series, atol=1e-9, err_msg=name)


def test_profiles_are_invariant_under_rotation():
    """Slices are parallel to a and b for any directions of these vectors."""
    frames = shaken(load_phase("Li7P3S11") * (1, 2, 2))
    turn = Rotation.from_euler("xyz", [0.4, -0.9, 2.0]).as_matrix().T
    turned = ArrayFrames(frames.numbers, frames.time_fs, frames.all_positions @ turn, frames.cells @ turn)
    one, other = (analyse_interface(each, LITHIUM).arrays for each in (frames, turned))
    for name, series in one.items():
        np.testing.assert_allclose(other[name], series, atol=1e-9, err_msg=name)


def test_density_falls_as_the_cell_expands():
    atoms = load_phase("Li7P3S11")
    frames = shaken(atoms)
    stretch = np.linspace(1.0, 1.1, frames.n_frames)
    cells = atoms.cell[:] * stretch[:, None, None]
    found = analyse_interface(
        ArrayFrames(frames.numbers, frames.time_fs, frames.all_positions * stretch[:, None, None], cells),
        LITHIUM,
    ).arrays["profiles.atoms_per_nm3"]
    expected = len(atoms) / atoms.get_volume() * 1e3 * (stretch**-3).reshape(2, 6).mean(axis=1)
    np.testing.assert_allclose(found.sum(axis=1).mean(axis=1), expected)


def test_blocks_average_the_composition_of_all_their_frames():
    """More frames than samples: means are of all frames, to rounding."""
    frames = shaken(lithium_on_sulfide()[::7], MOST_SAMPLES + 55, sigma=0.6, drift=0.01)
    found = analyse_interface(frames, LITHIUM).arrays
    edges, ends = found["profiles.edges_angstrom"], found["profiles.block_ps"]
    plain = composition_profile(frames, bin_width_angstrom=edges[1], reference=frames.numbers == 16)
    np.testing.assert_allclose(plain.bin_edges_angstrom, edges)
    for block, (begin, end) in enumerate(ends):
        rows = (plain.time_ps >= begin) & (plain.time_ps <= end)
        np.testing.assert_allclose(
            found["profiles.atoms_per_nm3"][block], 1e3 * plain.density[rows].mean(axis=0), atol=1e-9
        )
        np.testing.assert_allclose(
            found["profiles.g_per_cm3"][block], plain.mass_density_g_per_cm3()[rows].mean(axis=0), atol=1e-9
        )


@pytest.mark.parametrize("n_frames", [2, 9, 10, 59, 600, 601, 12_345])
def test_blocks_hold_every_frame_once(n_frames):
    blocks = TimeBlocks(n_frames)
    assert blocks.frame_edges[0] == 0
    assert blocks.frame_edges[-1] == n_frames
    assert blocks.n_samples <= MOST_SAMPLES
    assert len(blocks) == min(6, max(1, n_frames // 5))
    assert (np.bincount(blocks.sample_of(np.arange(n_frames))) <= blocks.frames_per_sample).all()
    assert np.ptp(np.diff(blocks.sample_edges)) <= 1


@pytest.mark.parametrize("drift_angstrom", [0.0, 1.3])
def test_interphase_positions_match_the_planted_ones(drift_angstrom):
    """Planted: faces at 30 and 90 Å, so at 15 and 75 Å where the anions' middle is at 45 Å."""
    frames = growing(2.0, n_frames=60, planes_per_angstrom=2)
    frames.all_positions[:, :, 2] += drift_angstrom * np.arange(60)[:, None]
    found = analyse_interface(frames, LITHIUM).arrays
    half = 0.5 * np.sqrt(2.0 * np.arange(50, 60)).mean()
    above, below = (found[f"profiles.interphase_{side}_angstrom"] for side in ("above", "below"))
    np.testing.assert_allclose(above[-1], [15.0 - half, 15.0 + half], atol=1.5)
    np.testing.assert_allclose(below[-1], [75.0 - half, 75.0 + half], atol=1.5)
    assert (np.diff(above[:, 1]) > 0).all()


def test_empty_block_has_no_mean_and_constant_block_has_zero_width():
    numerator = np.r_[np.zeros(5), np.full(5, 6.0)][:, None]
    denominator = np.r_[np.zeros(5), np.full(5, 2.0)][:, None]
    found = block_means(numerator, denominator, np.array([0, 5, 10]))
    assert np.isnan([found.value[0], found.lower[0], found.upper[0]]).all()
    assert found.value[1] == 3.0
    np.testing.assert_allclose([found.lower[1], found.upper[1]], 3.0)


def test_too_few_frames_and_unknown_roles_are_unavailable():
    atoms = bulk("SLi2", "fluorite", a=5.71, cubic=True) * (2, 2, 3)
    assert "one frame" in analyse_interface(shaken(atoms, 1), LITHIUM).parts["profiles"].reason
    two = analyse_interface(shaken(atoms, 2), LITHIUM)
    end = two.parts["profiles"].coordination.shells[0].end
    assert end.value == 8.0
    assert np.isnan([end.lower, end.upper, end.standard_error]).all()
    assert np.isnan(two.arrays["profiles.g_per_cm3_upper"]).all()
    unrelated = InterfaceAnalysisSettings(composition_of("Li"), composition_of("Na2S"), 300.0, PARTS)
    found = analyse_interface(shaken(atoms), unrelated)
    assert "do not determine which element" in found.parts["profiles"].coordination.reason
    assert found.parts["profiles"].n_slices == 11
    assert "profiles.coordination" not in found.arrays


def test_result_describes_frames_blocks_and_shells():
    result = analyse_interface(shaken(load_phase("Li7P3S11")), LITHIUM).parts["profiles"]
    assert result.n_frames == 12
    assert [each.n_frames for each in result.blocks] == [6, 6]
    assert result.blocks[1] == ProfileBlock(from_ps=6.0, to_ps=11.0, n_frames=6)
    assert result.slice_angstrom == pytest.approx(1.5, abs=0.15)
    assert result.reference.startswith("the centre of P, S stays in the centre")
    cutoffs = {each.name: each.cutoffs_angstrom for each in result.coordination.shells}
    assert set(cutoffs) == {"Li around S", "Li around P", "S around P"}
    assert 2.2 < cutoffs["S around P"]["S"] < 3.3
