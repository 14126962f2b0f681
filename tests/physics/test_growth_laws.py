"""Selection of growth laws and recovery of their parameters from noisy, correlated series."""

import numpy as np
import pytest

from correlated_series import correlated_noise
from interphase_flows.analysis.growth.kinetics import LAWS, fraction_kinetics, thickness_kinetics
from interphase_flows.analysis.growth.laws.avrami import Avrami
from interphase_flows.analysis.growth.laws.linear import Linear
from interphase_flows.analysis.growth.laws.linear_then_parabolic import LinearThenParabolic
from interphase_flows.analysis.growth.laws.logarithmic import Logarithmic
from interphase_flows.analysis.growth.laws.parabolic import Parabolic
from interphase_flows.analysis.growth.laws.power import Power
from interphase_flows.analysis.growth.least_squares import fit_law
from interphase_flows.analysis.growth.model_selection import rivals_of_the_best, scores_of
from interphase_flows.analysis.growth.replicas import average_kinetics

TIME_PS = np.linspace(0.0, 100.0, 300)
TWO_STAGES = np.array([0.5, 0.12, 30.0, 0.2])  # Å, Å/ps, ps, Å²/ps: from 0.12 to 0.024 Å/ps at 30 ps


def series_of(law, parameters, n_series, seed, **noise):
    return law.curve(TIME_PS, np.array(parameters, dtype=float)) + correlated_noise(n_series, seed, **noise)


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_crossover_is_found_within_two_percent(correlation):
    errors = [
        fit_law(LinearThenParabolic(), TIME_PS, series).parameters[2] / TWO_STAGES[2] - 1
        for series in series_of(LinearThenParabolic(), TWO_STAGES, 200, seed=3, correlation=correlation)
    ]
    assert np.mean(np.abs(errors) < 0.02) >= 0.95
    assert abs(np.mean(errors)) < 0.005


SINGLE_STAGES = {
    "linear": (Linear(), (1.0, 0.05)),
    "parabolic": (Parabolic(), (1.0, 0.3)),
    "logarithmic": (Logarithmic(), (1.0, 1.0, 3.0)),
    "power": (Power(), (1.0, 5.0, 0.7)),
    "avrami": (Avrami(), (5.0, 0.03, 2.0)),
}


@pytest.mark.parametrize("name", SINGLE_STAGES)
def test_single_stage_is_split_for_at_most_five_percent_of_seeds(name):
    law, parameters = SINGLE_STAGES[name]
    found = []
    for series in series_of(law, parameters, 40, seed=6):
        fits = [fit for each in LAWS if (fit := fit_law(each, TIME_PS, series)) is not None]
        found.append(rivals_of_the_best(scores_of(fits, "angstrom", series.max())[0]))
    split = [names == ["linear_then_parabolic"] for names in found]
    right = [names == [law.name] for names in found]
    assert np.mean(split) <= 0.05
    assert np.mean(right) >= 0.8


def test_bic_of_frames_instead_of_independent_samples_splits_single_stages():
    """BIC without g takes correlated noise for a second stage."""
    law, parameters = SINGLE_STAGES["parabolic"]
    split = 0
    for series in series_of(law, parameters, 40, seed=6, correlation=0.8):
        fits = [fit for each in LAWS if (fit := fit_law(each, TIME_PS, series)) is not None]
        n = len(series)
        plain = [n * np.log(fit.squares / n) + (fit.law.n_parameters + 1) * np.log(n) for fit in fits]
        split += fits[int(np.argmin(plain))].law.name == "linear_then_parabolic"
    assert split / 40 > 0.1


def test_avrami_exponent_and_rate_are_recovered():
    """Ten series: every one within a few percent; how often the intervals hold is counted in test_growth_intervals."""
    planted = {"plateau_fraction": 0.8, "avrami_rate_per_ps": 0.03, "avrami_exponent": 2.5}
    hits = 0
    for series in series_of(Avrami(), (0.8, 0.03, 2.5), 10, seed=1, size=0.02):
        found = fraction_kinetics(TIME_PS, series)
        assert found.decision == "avrami"
        numbers = found.candidates[0].parameters
        assert numbers["avrami_exponent"].value == pytest.approx(2.5, rel=0.1)
        assert numbers["avrami_rate_per_ps"].value == pytest.approx(0.03, rel=0.05)
        hits += sum(numbers[name].lower < value < numbers[name].upper for name, value in planted.items())
    assert hits >= 0.8 * 30


def test_parabolic_constant_is_recovered():
    found = thickness_kinetics(TIME_PS, series_of(Parabolic(), (1.0, 0.3), 1, seed=8)[0])
    assert found.decision == "parabolic"
    constant = found.candidates[0].parameters["parabolic_constant_angstrom2_per_ps"]
    assert constant.value == pytest.approx(0.3, rel=0.02)
    assert constant.lower < 0.3 < constant.upper


def test_frames_after_depletion_are_not_fitted():
    """Linear growth until depletion at 60 ps; the plateau would make it two stages."""
    grown = 1.0 + 0.05 * np.minimum(TIME_PS, 60.0)
    series = grown + correlated_noise(1, seed=9)[0]
    lithium = 3.0 - (grown - 1.0)
    fooled = thickness_kinetics(TIME_PS, series)
    found = thickness_kinetics(TIME_PS, series, reservoirs={"lithium": lithium, "electrolyte": 50 - grown})
    assert fooled.decision != "linear"
    assert found.decision == "linear"
    assert found.depletion.reservoir == "lithium"
    assert 50 < found.fitted_until_ps < 60
    assert found.candidates[0].parameters["rate_angstrom_per_ps"].value == pytest.approx(0.05, rel=0.05)


def test_ten_picoseconds_are_undecided():
    """The first tenth of two-stage growth with the noise of a boundary selects no law."""
    time = np.linspace(0.0, 10.0, 100)
    for noise in correlated_noise(20, seed=10, size=0.3, n_frames=100):
        found = thickness_kinetics(time, 2.0 + 0.12 * time + noise, n_resamples=50)
        assert found.decision == "undecided"
        assert len(found.candidates) >= 1
        assert all(number.is_known for law in found.candidates for number in law.parameters.values())


def test_constant_requires_that_growth_is_excluded():
    quiet = thickness_kinetics(TIME_PS, 5.0 + correlated_noise(1, seed=11)[0])
    loud = thickness_kinetics(TIME_PS, 5.0 + correlated_noise(1, seed=11, size=2.0)[0])
    assert quiet.decision == "constant"
    assert loud.decision == "undecided"
    assert "not excluded" in loud.reason


def test_average_of_replicas_has_two_stages_with_intervals_from_their_spread():
    law = LinearThenParabolic()
    planted = [np.array([0.5, 0.12, crossover, 0.2]) for crossover in (25.0, 30.0, 35.0)]
    noises = correlated_noise(3, seed=13)
    runs = [
        thickness_kinetics(TIME_PS, law.curve(TIME_PS, each) + noise, n_resamples=100)
        for each, noise in zip(planted, noises, strict=True)
    ]
    average = average_kinetics(runs)
    assert average.decision == "linear_then_parabolic"
    assert average.decisions == ("linear_then_parabolic",) * 3
    together = average.parameters["linear_then_parabolic"]["crossover_ps"]
    alone = runs[1].candidates[0].parameters["crossover_ps"]
    assert together.value == pytest.approx(30.0, rel=0.02)
    assert together.upper - together.lower > 5 * (alone.upper - alone.lower)


def test_replicas_of_few_independent_samples_are_undecided():
    """Each series is a line with one slow wave."""
    time = np.linspace(0.1, 3.0, 25)
    runs = [
        thickness_kinetics(time, 20.0 + 2.0 * time + np.sin(2.0 * time + phase), n_resamples=50)
        for phase in (0.0, 0.5, 1.0)
    ]
    assert sum(run.n_independent for run in runs) < 20
    average = average_kinetics(runs)
    assert average.decision == "undecided"
    assert "independent samples" in average.reason


def crossovers_of(early_crossover_points, size, seed, n_series=20, fast_angstrom=1.0):
    """Return the kinetics of two-stage series whose fast stage lasts a few points of 200."""
    time = np.linspace(0.0, 100.0, 200)
    crossover = time[1] * early_crossover_points
    clean = LinearThenParabolic().curve(time, np.array([0.5, fast_angstrom / crossover, crossover, 0.5]))
    noise = correlated_noise(n_series, seed, size=size, correlation=0.5, n_frames=200)
    return crossover, [thickness_kinetics(time, clean + each, n_resamples=100) for each in noise]


@pytest.mark.parametrize("size", [0.03, 0.1])
def test_crossover_at_the_limit_of_the_search_is_undecided(size):
    """The earliest crossover of the search is at the third point; a rival may also fit as well (power, 8 of 20)."""
    _, found = crossovers_of(2.0, size, seed=5)
    assert sum(each.decision == "undecided" for each in found) >= 18
    assert any("crossover_ps of linear_then_parabolic reaches" in each.reason for each in found)


def test_crossover_off_the_limit_of_the_search_is_decided():
    crossover, found = crossovers_of(6.0, 0.03, seed=5, fast_angstrom=3.0)
    assert sum(each.decision == "linear_then_parabolic" for each in found) >= 18
    intervals = [each.candidates[0].parameters["crossover_ps"] for each in found]
    assert sum(each.lower < crossover < each.upper for each in intervals) >= 17


def test_growth_that_stops_is_not_a_parabolic_stage():
    series = LinearThenParabolic().curve(TIME_PS, np.array([0.5, 0.1, 60.0, 0.0])) + correlated_noise(5, 4)
    for each in series:
        found = thickness_kinetics(TIME_PS, each, n_resamples=100)
        assert found.decision == "undecided"
        assert "parabolic_constant_angstrom2_per_ps of linear_then_parabolic reaches 0" in found.reason


def test_replicas_with_a_parameter_at_a_limit_are_undecided():
    """Two crossovers are resolved; the mean with one that the search truncates is none."""
    _, resolved = crossovers_of(6.0, 0.03, seed=5, n_series=2, fast_angstrom=3.0)
    _, truncated = crossovers_of(2.0, 0.03, seed=5, n_series=1)
    assert average_kinetics([resolved[0], resolved[1], resolved[0]]).decision == "linear_then_parabolic"
    average = average_kinetics([*resolved, *truncated])
    assert average.decision == "undecided"
    assert "in one replica or more, crossover_ps" in average.reason
