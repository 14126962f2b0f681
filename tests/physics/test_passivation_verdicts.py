"""Accuracy of verdicts on synthetic interphases."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import toeplitz

from correlated_series import correlated_noise
from interphase_flows.analysis.passivation.verdict import verdict
from interphase_flows.analysis.statistics.window_rate import correlations_of_means, window_rate, window_rates
from interphase_histories import history
from verdict_accuracy import KINDS, noisy_history, states

N_SEEDS = 100


@pytest.mark.parametrize("kind", ["growing", "passivated", "depleted", "undecided"])
def test_at_least_95_of_100_verdicts_are_correct(kind):
    found = Counter(verdict([history(kind, seed)]).state for seed in range(N_SEEDS))
    assert found[kind] >= 95, found


@pytest.mark.parametrize("kind", ["growing", "passivated"])
def test_verdicts_of_three_replicas_are_correct(kind):
    found = Counter(verdict([history(kind, 1000 * replica + seed) for replica in range(3)]).state for seed in range(30))
    assert found[kind] >= 28, found


def test_slow_leak_is_not_passivated():
    """A constant rate of twice epsilon may be undecided, but not passivated."""
    found = Counter()
    for seed in range(40):
        stopped = history("passivated", seed)
        leak = 0.02 * 20.0 / 80.0  # Å/ps, of the initial rate
        leaking = type(stopped)(
            stopped.time_ps,
            stopped.thickness_angstrom + leak * stopped.time_ps,
            stopped.passed_atoms_per_nm2,
            stopped.reservoirs,
        )
        found[verdict([leaking]).state] += 1
    assert found["passivated"] == 0


NOISES = {
    "white": lambda n, seed: correlated_noise(200, seed, size=1.0, correlation=0.0, n_frames=n),
    "bounded": lambda n, seed: correlated_noise(200, seed, size=1.0, correlation=0.8, n_frames=n),
    "walk": lambda n, seed: np.cumsum(correlated_noise(200, seed, size=1.0, correlation=0.0, n_frames=n), 1),
    "walk and white": lambda n, seed: NOISES["walk"](n, seed) + 3.0 * NOISES["white"](n, seed + 1),
    "bounded and weak walk": lambda n, seed: NOISES["bounded"](n, seed) + 0.05 * NOISES["walk"](n, seed + 1),
}
WIDEST = {60: 3.5, 100: 2.7, 300: 2.2}
"""Largest mean standard error over scatter of bounded noise, by number of frames."""
LEAST_BOUNDED = {60: 0.0, 100: 0.6, 300: 0.85}
"""Least share of bounded noise that is recognised."""


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("n_frames", [60, 100, 300])
def test_coverage_of_intervals_of_window_rates(kind, n_frames):
    """Short windows do not exclude a random walk, which makes their intervals too wide."""
    time = np.arange(float(n_frames))
    rates = [window_rate(time, 0.1 * time + noise) for noise in NOISES[kind](n_frames, seed=3)]
    intervals = [rate.interval() for rate in rates]
    share = np.mean([each.lower <= 0.1 <= each.upper for each in intervals])
    scatter = np.std([rate.rate_per_ps for rate in rates])
    too_wide = np.mean([rate.standard_error_per_ps for rate in rates]) / scatter
    bounded = np.mean([rate.noise == "bounded" for rate in rates])
    print(f"{kind}, {n_frames} frames: coverage {share:.3f}, width / scatter {too_wide:.2f}, bounded {bounded:.2f}")
    if kind.startswith("walk"):
        assert (0.89 if kind == "walk" else 0.85) <= share <= 0.98
        assert 0.8 < too_wide < 1.2
        assert bounded < 0.15
    else:
        assert share >= 0.92
        assert too_wide < WIDEST[n_frames]
        assert bounded >= LEAST_BOUNDED[n_frames]


def test_windows_that_share_an_edge_have_shorter_intervals():
    """The mean is continuous: the slopes of three windows that are fitted together scatter less than of single ones."""
    time = np.arange(751.0)
    series = correlated_noise(40, 5, size=1.0, correlation=0.9, n_frames=len(time))
    together = np.array([[r.rate_per_ps for r in window_rates(time, y, (0.0, 250.0, 500.0, 750.0))] for y in series])
    single = np.array([window_rate(time[250:501], y[250:501]).rate_per_ps for y in series])
    assert together[:, 1].std() < 0.9 * single.std()


@pytest.mark.parametrize("per_point", [1, 3, 8])
def test_covariance_of_means_over_groups_of_frames(per_point):
    """Of an AR(1) process; with the correlations of single frames, slow bounded noise resembles a random walk."""
    n = 6
    of_frames = toeplitz(0.8 ** np.arange(n * per_point))
    averaged = of_frames.reshape(n, per_point, n, per_point).mean(axis=(1, 3))
    found = correlations_of_means(0.8**per_point, n, per_point)
    np.testing.assert_allclose(found, averaged[0] / averaged[0, 0], rtol=1e-12)


@pytest.mark.parametrize("correlation", [0.6, 0.9, 0.95])
@pytest.mark.parametrize("kind", KINDS)
def test_verdicts_with_correlated_bounded_noise(kind, correlation):
    """19 of 20 that stopped are passivated, half with slow noise; none that leaks, grows, is cut off or starved."""
    found = states(kind, range(7000, 7020), correlation=correlation)
    print(f"{kind}, correlation {correlation}: {dict(found)}, seeds 7000 to 7019")
    if kind == "passivated":
        assert found["passivated"] >= (10 if correlation == 0.95 else 19)
        assert found["growing"] == 0
    else:
        assert found["passivated"] == 0
        assert found["depleted"] == (20 if kind == "starved" else 0)


def test_random_walk_with_a_leak_is_not_passivated():
    """Noise that accumulates, below the bounded noise, on top of twice epsilon."""
    for seed in range(20):
        leaking = noisy_history("leaking", seed)
        walk = 0.02 * np.cumsum(np.random.default_rng(seed).normal(size=len(leaking.time_ps)))
        walking = replace(leaking, thickness_angstrom=leaking.thickness_angstrom + walk)
        assert verdict([walking]).state != "passivated"
