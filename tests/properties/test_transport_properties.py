"""Invariances of Onsager coefficients."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from brownian import TRICLINIC, Brownian
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.transport import OnsagerResult, onsager_matrix

N_FRAMES = 220
SAME = 1e-8

seeds = st.integers(0, 2**32 - 1)
directions = st.sampled_from(["all", "in_plane", "normal"])
few = settings(max_examples=12, deadline=None, derandomize=True)


def drawn(seed: int) -> ArrayFrames:
    shaken = Brownian(counts=(9, 4, 6), vibration_angstrom=0.3)
    return shaken.frames(np.random.default_rng(seed), N_FRAMES)


def measured(frames: ArrayFrames, directions: str = "all", **options: object) -> OnsagerResult:
    return onsager_matrix(
        frames, temperature_K=500.0, directions=directions, step_ps=float(frames.time_fs[1]) / 1000, **options
    )


def assert_same(ours: OnsagerResult, expected: OnsagerResult, factor: float = 1.0) -> None:
    """Compare all values of L, their intervals and self parts, with a scale factor."""
    scale = SAME * factor * expected.onsager.value.max()
    for name in ("onsager", "self_part", "beyond_frame"):
        for field in ("value", "standard_error", "lower", "upper"):
            first = getattr(getattr(ours, name), field)
            second = getattr(getattr(expected, name), field)
            np.testing.assert_allclose(first, factor * second, rtol=SAME, atol=scale)
    np.testing.assert_allclose(ours.short_lag_onsager, factor * expected.short_lag_onsager, rtol=1e-6, atol=100 * scale)


@few
@given(seed=seeds, directions=directions)
def test_invariant_under_permutation_of_atoms(seed, directions):
    frames = drawn(seed)
    order = np.random.default_rng(seed).permutation(frames.n_atoms)
    shuffled = ArrayFrames(frames.numbers[order], frames.time_fs, frames.all_positions[:, order], TRICLINIC)
    assert_same(measured(shuffled, directions), measured(frames, directions))


@few
@given(seed=seeds, order=st.permutations(["Li", "P", "S"]))
def test_permuting_species_permutes_the_matrix(seed, order):
    frames = drawn(seed)
    first, second = measured(frames), measured(frames, species=order)
    rows = [first.species.index(symbol) for symbol in order]
    scale = SAME * first.onsager.value.max()
    np.testing.assert_allclose(second.onsager.upper, first.onsager.upper[np.ix_(rows, rows)], rtol=SAME, atol=scale)


@few
@given(seed=seeds, directions=directions)
def test_invariant_under_rotation(seed, directions):
    """In-plane and normal axes rotate with the cell."""
    frames = drawn(seed)
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    turned = ArrayFrames(frames.numbers, frames.time_fs, frames.all_positions @ turn.T, TRICLINIC @ turn.T)
    assert_same(measured(turned, directions), measured(frames, directions))


@few
@given(
    seed=seeds,
    velocity=st.tuples(*[st.floats(-3, 3)] * 3),
    frame=st.sampled_from([("barycentric", ()), ("lattice", ("P", "S")), ("hittorf", ("S",))]),
)
def test_invariant_under_uniform_drift(seed, velocity, frame):
    frames = drawn(seed)
    drifting = frames.all_positions + np.arange(N_FRAMES)[:, None, None] * np.array(velocity)
    moving = ArrayFrames(frames.numbers, frames.time_fs, drifting, TRICLINIC)
    options = {"frame": frame[0], "at_rest": frame[1]}
    first, second = measured(frames, **options), measured(moving, **options)
    assert_same(second, first)
    gained = second.frame_drift_angstrom_per_ps - first.frame_drift_angstrom_per_ps
    np.testing.assert_allclose(gained, first.axes @ np.array(velocity), atol=1e-9)


@few
@given(seed=seeds, length=st.floats(0.5, 2.0), time=st.floats(0.1, 10.0))
def test_scales_as_length_squared_per_time_and_volume(seed, length, time):
    frames = drawn(seed)
    scaled = ArrayFrames(frames.numbers, time * frames.time_fs, length * frames.all_positions, length * TRICLINIC)
    assert_same(measured(scaled), measured(frames), factor=1.0 / (length * time))


@few
@given(seed=seeds, directions=directions, rms=st.floats(1e-4, 0.02))
def test_invariant_under_fluctuations_of_the_cell(seed, directions, rms):
    """Lengths and angles fluctuate about a mean cell; coefficients times the mean volume do not change."""
    frames = drawn(seed)
    strain = rms * np.random.default_rng(seed).standard_normal((N_FRAMES, 3, 3))
    deformation = np.eye(3) + strain - strain.mean(axis=0)
    changing = ArrayFrames(frames.numbers, frames.time_fs, frames.all_positions @ deformation, TRICLINIC @ deformation)
    volumes = np.abs(np.linalg.det(changing.cells))
    factor = float(np.abs(np.linalg.det(TRICLINIC)) / volumes.mean())
    assert_same(measured(changing, directions), measured(frames, directions), factor)


@few
@given(seed=seeds, temperature_K=st.floats(50, 5000))
def test_inversely_proportional_to_temperature(seed, temperature_K):
    frames = drawn(seed)
    other = onsager_matrix(frames, temperature_K=temperature_K, step_ps=1.0)
    assert_same(other, measured(frames), factor=500.0 / temperature_K)


@few
@given(seed=seeds, n=st.integers(2, 3))
def test_matrix_is_symmetric_positive_and_conserves_momentum(seed, n):
    kinds = Brownian(counts=(9, 4, 6)[:n], diffusion=(0.3, 0.05, 0.1)[:n], together=np.eye(n))
    found = measured(kinds.frames(np.random.default_rng(seed), N_FRAMES)).onsager.value
    masses = np.array([6.94, 30.973761998, 32.06])[:n]
    assert np.abs(masses @ found).max() <= 1e-10 * np.abs(found).max()
    np.testing.assert_array_equal(found, found.T)
    assert np.linalg.eigvalsh(found)[0] >= -1e-12 * found.max()
