"""Accuracy of verdicts on synthetic interphases."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from correlated_series import correlated_noise
from interphase_flows.analysis.passivation.verdict import verdict
from interphase_flows.analysis.statistics.window_rate import window_rate
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
}


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("n_frames", [60, 100, 300])
def test_coverage_of_intervals_of_window_rates(kind, n_frames):
    """Short windows, and white noise, do not exclude a random walk, which makes their intervals too wide."""
    time = np.arange(float(n_frames))
    rates = [window_rate(time, 0.1 * time + noise) for noise in NOISES[kind](n_frames, seed=3)]
    intervals = [rate.interval() for rate in rates]
    share = np.mean([each.lower <= 0.1 <= each.upper for each in intervals])
    scatter = np.std([rate.rate_per_ps for rate in rates])
    too_wide = np.mean([rate.standard_error_per_ps for rate in rates]) / scatter
    bounded = np.mean([rate.noise == "bounded" for rate in rates])
    print(f"{kind}, {n_frames} frames: coverage {share:.3f}, width / scatter {too_wide:.2f}, bounded {bounded:.2f}")
    if kind.startswith("walk"):
        assert 0.85 <= share <= 0.98
        assert 0.8 < too_wide < 1.2
        assert bounded < 0.25
    else:
        assert share >= 0.92
        assert too_wide < (4.0 if n_frames == 60 else 2.8)
        assert bounded > 0.6 or n_frames == 60 or kind == "white"


@pytest.mark.parametrize("correlation", [0.6, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_verdicts_with_correlated_bounded_noise(kind, correlation):
    """At least 16 of 20 that stopped are passivated; none that leaks, grows, is cut off or starved."""
    found = states(kind, range(7000, 7020), correlation=correlation)
    print(f"{kind}, correlation {correlation}: {dict(found)}, seeds 7000 to 7019")
    if kind == "passivated":
        assert found["passivated"] >= 16
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
