"""Onsager coefficients against exact ones: efficiency, bias, and change with time."""

import numpy as np
import pytest

from brownian import TRICLINIC, Brownian
from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.transport import onsager_matrix, onsager_windows
from onsager_accuracy import CELL_ANGSTROM, KINDS, accuracy, vibration_bias


def cramer_rao(rate: float, noise: float, n: int) -> float:
    """Smallest standard error of a rate from n increments along three axes, vibration's variance unknown.

    Increments of diffusion and uncorrelated vibration have the covariance 2 rate on the diagonal plus
    noise (2, -1) on it and beside it, whose eigenvectors do not depend on either.
    """
    shape = 2.0 * (1.0 - np.cos(np.pi * np.arange(1, n + 1) / (n + 1)))
    eigenvalues = 2.0 * rate + noise * shape
    by_rate, by_noise = 2.0 / eigenvalues, shape / eigenvalues
    cross = by_rate @ by_noise
    information = 0.5 * np.array([[by_rate @ by_rate, cross], [cross, by_noise @ by_noise]])
    return float(np.sqrt(np.linalg.inv(information)[0, 0] / 3.0))


@pytest.mark.parametrize("vibration_angstrom", [0.0, 0.5, 2.0])
def test_errors_are_near_the_smallest_possible(vibration_angstrom):
    """Root mean square over 50 replicas and two species at most 1.4 times the Cramér-Rao bound."""
    known = Brownian(
        counts=(12, 12, 40),
        diffusion=(0.3, 0.1, 1e-9),
        together=np.zeros((3, 3)),
        vibration_angstrom=vibration_angstrom,
    )
    n_frames, host = 700, 40
    ratios = []
    for seed in range(50):
        frames = known.frames(np.random.default_rng(seed), n_frames, cell=10 * TRICLINIC)
        result = onsager_matrix(frames, temperature_K=600, frame="hittorf", at_rest=["S"])
        for i in (0, 1):
            n, rate = known.counts[i], known.counts[i] * known.diffusion[i]
            bound = cramer_rao(rate, n * vibration_angstrom**2 * (1 + n / host), n_frames - 1)
            error = result.onsager.value[i, i] * result.kT_volume_eV_angstrom3 - rate
            ratios.append(error / bound)
    assert np.sqrt(np.mean(np.square(ratios))) <= 1.4


@pytest.mark.parametrize(("memory_ps", "largest"), [(0.0, 0.02), (4.0, 0.02), (16.0, 0.02), (32.0, 0.03)])
def test_vibration_adds_no_bias(memory_ps, largest):
    """On the diagonal: the same walks with and without it, at the step that was chosen with it.

    At 32 ps the mean over 30 draws has a standard error of 0.5 %.
    """
    bias, steps = vibration_bias(memory_ps, range(30))
    print(f"memory {memory_ps} ps: bias {bias}, steps {steps}, seeds 0 to 29")
    assert (np.abs(bias) < largest).all(), bias


@pytest.mark.parametrize(("frequency_THz", "memory_ps"), [(1.3, 1.0), (1.3, 5.0), (0.5, 1.5), (0.5, 5.0)])
def test_soft_oscillations_of_atoms_add_no_bias_to_self_diffusion(frequency_THz, memory_ps):
    """0.5 Å, frames 0.1 ps apart: less than half a standard error, and intervals cover, over 20 draws."""
    known = Brownian(vibration_angstrom=0.5, memory_ps=memory_ps, frequency_THz=frequency_THz)
    own, rate, errors, covered = known.self_rate(), known.rate(), [], []
    for seed in range(70000, 70020):
        frames = known.frames(np.random.default_rng(seed), 2000, interval_ps=0.1, cell=CELL_ANGSTROM)
        result = onsager_matrix(frames, temperature_K=600)
        found = result.self_diffusion_angstrom2_per_ps
        errors.append((found.value - own) / found.standard_error)
        onsager = result.onsager.scaled(result.kT_volume_eV_angstrom3)
        covered.append((onsager.lower <= rate) & (rate <= onsager.upper))
    bias = np.mean(errors, axis=0)
    print(f"{frequency_THz} THz, {memory_ps} ps: bias in standard errors {bias}, coverage {np.mean(covered)}")
    assert (np.abs(bias) < 0.5 + 3.0 / np.sqrt(len(errors))).all()
    assert abs(bias.mean()) < 0.5
    assert np.mean(np.abs(errors) < 1.96) >= 0.85
    assert np.mean(covered) >= 0.9


@pytest.mark.parametrize("name", KINDS)
def test_errors_and_intervals_are_near_those_of_an_ideal_block_estimator(name):
    """The first 40 of the 100 draws of benchmarks/onsager_accuracy.py, six coefficients each."""
    found = accuracy(KINDS[name], range(5000, 5040))
    print(f"{name}: {found}, seeds 5000 to 5039")
    assert found.rms <= 1.4 * found.ideal_rms
    assert found.within_3_sigma >= 0.95
    assert found.coverage >= 0.90


def test_coefficients_that_decay_are_followed():
    """exp(-t / 4000 ps): windows of 500 ps within 4 % of the value in their middle, over 80 replicas."""
    known, decay_ps, n_frames, window = Brownian(), 4000.0, 1501, 500
    slower = np.exp(-np.arange(n_frames - 1) / (2.0 * decay_ps))
    found = []
    for seed in range(80):
        frames = known.frames(np.random.default_rng(seed), n_frames)
        steps = np.diff(frames.all_positions, axis=0) * slower[:, None, None]
        start = frames.all_positions[:1]
        positions = np.concatenate([start, start + np.cumsum(steps, axis=0)])
        slowing = ArrayFrames(frames.numbers, frames.time_fs, positions, TRICLINIC)
        windows = onsager_windows(slowing, window_ps=window, temperature_K=600, step_ps=2.0)
        found.append([w.result.onsager.value.diagonal() * w.result.kT_volume_eV_angstrom3 for w in windows])
    middle = (np.arange(3) + 0.5) * window
    expected = np.exp(-middle / decay_ps)[:, None] * known.rate().diagonal()
    np.testing.assert_allclose(np.mean(found, axis=0), expected, rtol=0.04)
