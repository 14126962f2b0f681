"""Coverage of 95 % intervals of growth laws: 90 to 98 of a hundred correlated series."""

import numpy as np
import pytest

from correlated_series import correlated_noise
from growth_accuracy import Series, coverage
from interphase_flows.analysis.growth.laws.avrami import Avrami
from interphase_flows.analysis.growth.laws.linear import Linear
from interphase_flows.analysis.growth.laws.linear_then_parabolic import LinearThenParabolic
from interphase_flows.analysis.growth.laws.parabolic import Parabolic
from interphase_flows.analysis.growth.least_squares import fit_law, fit_many
from interphase_flows.analysis.statistics.block_bootstrap import resampled_noise
from interphase_flows.analysis.statistics.replicas import between_replicas

TIME_PS = np.linspace(0.0, 100.0, 300)
TWO_STAGES = np.array([0.5, 0.12, 30.0, 0.2])  # Å, Å/ps, ps, Å²/ps: from 0.12 to 0.024 Å/ps at 30 ps


def series_of(law, parameters, n_series, seed, **noise):
    return law.curve(TIME_PS, np.array(parameters, dtype=float)) + correlated_noise(n_series, seed, **noise)


def covered(law, parameters, n_replicas):
    """Return the fraction of replicas whose 95 % interval covers each known parameter."""
    random = np.random.default_rng(1)
    hits = np.zeros(len(parameters))
    for series in series_of(law, parameters, n_replicas, seed=2):
        fit = fit_law(law, TIME_PS, series)
        noise = resampled_noise(fit.residuals, len(parameters), 200, random)
        again = fit_many(law, TIME_PS, law.curve(TIME_PS, fit.parameters) + noise, fit.parameters)
        lower, upper = np.percentile(again, [2.5, 97.5], axis=0)
        hits += (lower <= parameters) & (parameters <= upper)
    return hits / n_replicas


def test_coverage_of_intervals_of_two_stage_growth():
    shares = covered(LinearThenParabolic(), TWO_STAGES, 200)
    assert ((shares >= 0.90) & (shares <= 0.98)).all(), shares


@pytest.mark.parametrize(
    ("law", "parameters"),
    [(Linear(), (1.0, 0.05)), (Parabolic(), (1.0, 0.3)), (Avrami(), (5.0, 0.03, 2.2))],
    ids=["linear", "parabolic", "avrami"],
)
def test_coverage_of_intervals_of_other_laws(law, parameters):
    shares = covered(law, np.array(parameters), 100)
    assert 0.90 <= shares.mean() <= 0.98, shares


def test_coverage_with_few_independent_samples():
    """With 16 independent samples; without the uncertainty of the long-run variance, 89 % of the intervals hold."""
    shares = coverage(Series(Linear(), (1.0, 0.05), correlation=0.9), n_series=300, seed=1)
    assert 0.92 <= shares.mean() <= 0.98, shares


def test_bootstrap_of_single_frames_has_too_short_intervals():
    """Without blocks, half of the intervals of a slope do not cover it."""
    random = np.random.default_rng(4)
    hits = 0
    for series in series_of(Linear(), (1.0, 0.05), 100, seed=5):
        fit = fit_law(Linear(), TIME_PS, series)
        noise = random.choice(fit.residuals, (200, len(TIME_PS)))
        again = fit_many(Linear(), TIME_PS, series - fit.residuals + noise, fit.parameters)
        lower, upper = np.percentile(again[:, 1], [2.5, 97.5])
        hits += lower <= 0.05 <= upper
    assert hits < 80


def test_interval_of_replicas_covers_the_mean_of_differing_replicas():
    """Each replica has its own crossover; the interval of three covers the mean, that of one does not."""
    random = np.random.default_rng(12)
    law = LinearThenParabolic()
    hits = []
    for _ in range(200):
        crossovers = 30.0 + 4.0 * random.standard_normal(3)
        fitted = []
        for crossover, noise in zip(crossovers, correlated_noise(3, random.integers(2**31)), strict=True):
            planted = np.array([0.5, 0.12, crossover, 0.2])
            fitted.append(fit_law(law, TIME_PS, law.curve(TIME_PS, planted) + noise).parameters[2])
        average = between_replicas(fitted)
        hits.append(average.lower <= 30.0 <= average.upper)
    assert 0.90 <= np.mean(hits) <= 0.98
