"""Accuracy of verdicts on synthetic interphases."""

from collections import Counter

import numpy as np
import pytest

from correlated_series import correlated_noise
from interphase_flows.analysis.passivation.verdict import verdict
from interphase_flows.analysis.statistics.window_rate import window_rate
from interphase_histories import history

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
}


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("n_frames", [60, 300])
def test_coverage_of_intervals_of_window_rates(kind, n_frames):
    """Intervals of bounded noise are too wide rather than too narrow."""
    time = np.arange(float(n_frames))
    rates = [window_rate(time, 0.1 * time + noise) for noise in NOISES[kind](n_frames, seed=3)]
    intervals = [rate.interval() for rate in rates]
    share = np.mean([each.lower <= 0.1 <= each.upper for each in intervals])
    assert share >= 0.90
    scatter = np.std([rate.rate_per_ps for rate in rates])
    too_wide = np.mean([rate.standard_error_per_ps for rate in rates]) / scatter
    if kind == "walk":
        assert share <= 0.98
        assert 0.8 < too_wide < 1.2
    else:
        assert 1.5 < too_wide < 4.5
