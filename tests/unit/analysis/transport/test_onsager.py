"""Onsager coefficients of one window."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from brownian import MASSES_U, SYMBOLS, TRICLINIC, Brownian
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.analysis.transport import onsager_matrix
from interphase_flows.analysis.transport.momentum_constraint import without_barycentre
from interphase_flows.exceptions import AnalysisError, UnsupportedWindowError

SIGMAS = 3.0


@pytest.fixture(scope="module")
def known():
    return Brownian()


@pytest.fixture(scope="module")
def result(known):
    return onsager_matrix(known.frames(np.random.default_rng(0), 3000), temperature_K=600)


def test_correlated_brownian_motion_is_measured_within_three_standard_errors(known, result):
    rate = result.onsager.value * result.kT_volume_eV_angstrom3
    error = result.onsager.standard_error * result.kT_volume_eV_angstrom3
    assert (np.abs(rate - known.rate()) < SIGMAS * error).all()
    assert (error.diagonal() < 0.1 * rate.diagonal()).all()
    assert result.species == SYMBOLS
    assert result.stationary


def test_single_atoms_diffuse_as_they_do(known, result):
    found = result.self_diffusion_angstrom2_per_ps
    assert (np.abs(found.value - known.self_rate()) < SIGMAS * found.standard_error).all()
    assert (found.standard_error < 0.05 * found.value).all()
    parts = result.self_part.value + result.distinct_part.value
    np.testing.assert_allclose(parts, result.onsager.value.diagonal())


def test_short_lag_estimate_agrees(result):
    """Short-lag slopes of the mean squared cross-displacement: other weights, same motion."""
    apart = np.abs(result.short_lag_onsager - result.onsager.value)
    assert (apart < SIGMAS * result.onsager.standard_error).all()


def test_correlation_beyond_the_frame_vanishes_for_independent_atoms_only(known, result):
    alone, _ = without_barycentre(known.self_rate(), np.zeros(3), known.counts, MASSES_U)
    matrix = known.frame()
    expected = known.rate() - matrix @ np.diag(known.counts * alone) @ matrix.T
    found = result.beyond_frame.scaled(result.kT_volume_eV_angstrom3)
    assert (np.abs(found.value - expected) < SIGMAS * found.standard_error).all()
    assert found.lower[0, 1] > 0  # lithium and phosphorus move together, though L_12 itself need not say so
    alone = Brownian(together=np.zeros((3, 3)))
    free = onsager_matrix(alone.frames(np.random.default_rng(1), 3000), temperature_K=600)
    assert (np.abs(free.beyond_frame.value) < SIGMAS * free.beyond_frame.standard_error).all()
    # the momentum constraint alone makes these differ from zero
    assert free.onsager.upper[0, 2] < 0


def test_uncorrelated_atoms_have_the_coefficients_of_independent_atoms():
    """L_ii -> N_i D_i / (kB T V), L_ij -> 0, in the frame of a heavy host that does not move."""
    alone = Brownian(counts=(30, 15, 200), diffusion=(0.3, 0.1, 1e-6), together=np.zeros((3, 3)))
    frames = alone.frames(np.random.default_rng(2), 2000)
    found = onsager_matrix(frames, temperature_K=600, frame="hittorf", at_rest=["S"])
    per_rate = 1 / found.kT_volume_eV_angstrom3
    error = found.onsager.standard_error
    expected = alone.rate("hittorf", ["S"]) * per_rate
    assert np.abs(expected[0, 1]) < 0.01 * error[0, 1]
    assert abs(found.onsager.value[0, 0] - 9.0 * per_rate) < SIGMAS * error[0, 0]
    assert abs(found.onsager.value[1, 1] - 1.5 * per_rate) < SIGMAS * error[1, 1]
    assert abs(found.onsager.value[0, 1]) < SIGMAS * error[0, 1]


def test_the_matrix_is_symmetric_and_positive_semidefinite(result):
    """Also where a framework only vibrates, whose coefficients as estimated are noise around zero."""
    still = Brownian(counts=(20, 8, 20), diffusion=(0.3, 1e-9, 1e-9), together=np.zeros((3, 3)), vibration_angstrom=0.3)
    smallest = []
    for seed in range(6):
        frames = still.frames(np.random.default_rng(seed), 600)
        found = onsager_matrix(frames, temperature_K=600, frame="lattice", at_rest=["P", "S"])
        smallest.append(found.smallest_eigenvalue)
        value = found.onsager.value
        np.testing.assert_array_equal(value, value.T)
        assert np.linalg.eigvalsh(value)[0] >= -1e-12 * value.max()
        assert (found.onsager.lower.diagonal() >= 0).all()
        assert (found.onsager.lower <= value).all()
        assert (value <= found.onsager.upper).all()
    assert min(smallest) < -1e-6 * result.onsager.value.max()  # it was needed


def test_too_short_window_raises_with_the_length_it_needs(known):
    frames = known.frames(np.random.default_rng(3), 40)
    with pytest.raises(UnsupportedWindowError, match="3 axes need 51 frames"):
        onsager_matrix(frames, temperature_K=600)
    with pytest.raises(UnsupportedWindowError, match="1 axis needs 151 frames"):
        onsager_matrix(frames, temperature_K=600, directions="normal")
    longer = known.frames(np.random.default_rng(3), 400)
    with pytest.raises(UnsupportedWindowError, match=r"too few steps of 16 ps.* 816 ps"):
        onsager_matrix(longer, temperature_K=600, step_ps=10)


def test_motion_that_is_not_diffusive_raises():
    """Atoms that swing with a memory of a fifth of the window."""
    swinging = Brownian(
        counts=(200, 80, 200),
        diffusion=(1e-6,) * 3,
        together=np.zeros((3, 3)),
        vibration_angstrom=1.0,
        memory_ps=60.0,
    )
    with pytest.raises(UnsupportedWindowError, match="not yet diffusive"):
        onsager_matrix(swinging.frames(np.random.default_rng(4), 300), temperature_K=600)


def test_steps_are_at_least_as_long_as_a_vibration(known):
    """Walkers are random from frame to frame, unlike atoms within 30 fs; a requested step may be shorter."""
    walk = known.frames(np.random.default_rng(5), 100)
    fast = ArrayFrames(walk.numbers, 30.0 * np.arange(100), walk.all_positions, walk.cells)
    with pytest.raises(UnsupportedWindowError, match=r"too few steps of 0\.1 ps.* window of 5\.1 ps or more"):
        onsager_matrix(fast, temperature_K=600)
    assert onsager_matrix(fast, temperature_K=600, step_ps=0.03).step_ps == pytest.approx(0.03)
    more = known.frames(np.random.default_rng(5), 1000)
    longer = ArrayFrames(more.numbers, 30.0 * np.arange(1000), more.all_positions, more.cells)
    assert onsager_matrix(longer, temperature_K=600).step_ps >= 0.1


def test_the_step_grows_with_the_memory_of_the_vibration():
    """Unaided; the plateau holds every candidate, its bias by vibration, and which of them passed."""
    steps = []
    for memory_ps in (0.5, 4.0, 10.0):
        shaken = Brownian(counts=(80, 30, 40), vibration_angstrom=1.0, memory_ps=memory_ps)
        found = onsager_matrix(shaken.frames(np.random.default_rng(5), 2000), temperature_K=600)
        steps.append(found.step_ps)
        passed = [point.passes for point in found.plateau]
        bias = np.array([point.vibration_bias_angstrom2_per_ps for point in found.plateau])
        assert (np.diff(bias, axis=0) <= 0).all()
        assert passed[-1]
    assert steps == sorted(steps)
    assert steps[0] < steps[-1]
    assert not passed[0]


def test_drift_of_one_species_is_advection_not_diffusion(known):
    """0.5 Å/ps of lithium against the rest: taken out of L and reported."""
    frames = known.frames(np.random.default_rng(6), 1000)
    before = onsager_matrix(frames, temperature_K=600)
    positions = frames.all_positions.copy()
    velocity = np.array([0.3, -0.4, 0.0])
    positions[:, frames.numbers == 3] += np.arange(1000)[:, None, None] * velocity
    after = onsager_matrix(ArrayFrames(frames.numbers, frames.time_fs, positions, TRICLINIC), temperature_K=600)
    np.testing.assert_allclose(after.onsager.value, before.onsager.value, rtol=1e-6)
    np.testing.assert_allclose(
        after.self_diffusion_angstrom2_per_ps.value, before.self_diffusion_angstrom2_per_ps.value, rtol=1e-6
    )
    share = 1 - 36 * 6.94 / (36 * 6.94 + 8 * 30.973761998 + 20 * 32.06)
    gained = after.advection_angstrom_per_ps.value - before.advection_angstrom_per_ps.value
    np.testing.assert_allclose(gained[0], share * velocity @ after.axes.T, rtol=1e-9)
    assert after.advection_angstrom_per_ps.lower[0, 0] > 0


def test_halves_that_differ_are_no_stationary_state(known):
    """Diffusion that is eight times slower in the second half."""
    frames = known.frames(np.random.default_rng(7), 2000)
    steps = np.diff(frames.all_positions, axis=0)
    steps[1000:] /= np.sqrt(8.0)
    positions = np.concatenate([frames.all_positions[:1], frames.all_positions[0] + np.cumsum(steps, axis=0)])
    slowing = ArrayFrames(frames.numbers, frames.time_fs, positions, TRICLINIC)
    found = onsager_matrix(slowing, temperature_K=600, step_ps=4)
    assert not found.stationary
    assert (found.half_window_z < -3).all()


def test_wrapped_and_unwrapped_files_give_the_same_in_a_triclinic_cell(known, tmp_path):
    """The same trajectory as extended XYZ, wrapped into the cell and not, through the reader."""
    frames = known.frames(np.random.default_rng(8), 200)
    found = {}
    for name in ("wrapped", "unwrapped"):
        images = []
        for time_fs, positions in zip(frames.time_fs, frames.all_positions, strict=True):
            atoms = Atoms(frames.numbers, positions, cell=TRICLINIC, pbc=True, info={"time_fs": time_fs})
            if name == "wrapped":
                atoms.wrap()
            images.append(atoms)
        write(tmp_path / f"{name}.extxyz", images)
        with open_trajectory(tmp_path / f"{name}.extxyz") as trajectory:
            found[name] = onsager_matrix(trajectory, temperature_K=600)
    for field in ("value", "lower", "upper"):
        wrapped, unwrapped = (getattr(found[name].onsager, field) for name in ("wrapped", "unwrapped"))
        np.testing.assert_allclose(wrapped, unwrapped, rtol=1e-6)
    assert found["wrapped"].step_ps == found["unwrapped"].step_ps


def test_species_are_reported_in_the_requested_order(known, result):
    frames = known.frames(np.random.default_rng(0), 3000)
    found = onsager_matrix(frames, temperature_K=600, species=["S", "Li"])
    expected = result.onsager.value[np.ix_([2, 0], [2, 0])]
    np.testing.assert_allclose(found.onsager.value, expected, rtol=1e-12)
    np.testing.assert_array_equal(found.n_atoms, [20, 36])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature_K": 0.0}, "temperature_K = 0.0: it must be positive"),
        ({"confidence": 1.0}, "between 0 and 1"),
        ({"step_ps": -1.0}, "step_ps = -1.0: it must be positive"),
        ({"species": ["Cl"]}, "no atom of Cl among Li, P, S"),
        ({"directions": "sideways"}, "choose from all, in_plane, normal"),
    ],
)
def test_invalid_settings_raise(known, settings, message):
    frames = known.frames(np.random.default_rng(9), 200)
    with pytest.raises(AnalysisError, match=message):
        onsager_matrix(frames, **{"temperature_K": 600.0} | settings)
