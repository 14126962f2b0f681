"""Growth laws, depletion and averages over replicas on small series."""

import numpy as np
import pytest
from pydantic import TypeAdapter

from correlated_series import correlated_noise
from interphase_flows.analysis.growth.kinetics import (
    LAWS,
    GrowthKinetics,
    fraction_kinetics,
    thickness_kinetics,
)
from interphase_flows.analysis.growth.laws.linear import Linear
from interphase_flows.analysis.growth.laws.linear_then_parabolic import LinearThenParabolic
from interphase_flows.analysis.growth.laws.power import Power
from interphase_flows.analysis.growth.least_squares import fit_law, fit_many
from interphase_flows.analysis.growth.replicas import average_kinetics
from interphase_flows.analysis.interfaces.depletion import find_depletion
from interphase_flows.analysis.statistics.autocorrelation import statistical_inefficiencies, statistical_inefficiency
from interphase_flows.analysis.statistics.block_bootstrap import block_length, resampled_noise
from interphase_flows.analysis.statistics.replicas import between_replicas
from interphase_flows.exceptions import AnalysisError

TIME_PS = np.linspace(0.0, 100.0, 120)
PLANTED = {
    "constant": [4.0],
    "linear": [1.0, 0.05],
    "parabolic": [1.0, 0.3],
    "linear_then_parabolic": [0.5, 0.12, 30.0, 0.2],
    "logarithmic": [1.0, 0.8, 3.0],
    "power": [1.0, 5.0, 0.4],
    "avrami": [0.8, 0.03, 2.5],
}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_parameters_of_a_noiseless_curve_are_recovered(law):
    planted = np.array(PLANTED[law.name])
    fit = fit_law(law, TIME_PS, law.curve(TIME_PS, planted))
    np.testing.assert_allclose(fit.parameters, planted, rtol=1e-4)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_law_of_a_noiseless_curve_is_selected(law):
    found = thickness_kinetics(TIME_PS, law.curve(TIME_PS, np.array(PLANTED[law.name])), n_resamples=5)
    assert found.decision == law.name


def test_absent_phase_is_constant():
    found = fraction_kinetics(TIME_PS, np.zeros_like(TIME_PS), n_resamples=5)
    assert found.decision == "constant"
    assert found.candidates[0].parameters["level_fraction"].value == 0.0


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_joint_fit_of_many_series_agrees_with_single_fits(law):
    curve = law.curve(TIME_PS, np.array(PLANTED[law.name]))
    series = curve + correlated_noise(4, seed=1, n_frames=len(TIME_PS), size=0.01)
    one_by_one = np.array([fit_law(law, TIME_PS, each).parameters for each in series])
    at_once = fit_many(law, TIME_PS, series, one_by_one[0])
    np.testing.assert_allclose(at_once, one_by_one, rtol=5e-3)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_columns_times_amplitudes_equal_the_curve(law):
    """The grid and the refinement fit the same function."""
    shapes = law.shapes(TIME_PS)[5:6] if len(law.shapes(TIME_PS)) > 1 else law.shapes(TIME_PS)
    columns = law.columns(TIME_PS, shapes)[0]
    amplitudes = np.array([0.7, 1.3])[: columns.shape[1]]
    parameters = law.parameters(amplitudes, shapes[0])
    np.testing.assert_allclose(law.curve(TIME_PS, parameters), columns @ amplitudes, rtol=1e-9)


def test_parameter_names_contain_units():
    found = thickness_kinetics(TIME_PS, 1.0 + 0.05 * TIME_PS + correlated_noise(1, 2, n_frames=120)[0])
    assert found.decision == "linear"
    assert set(found.candidates[0].parameters) == {"initial_angstrom", "rate_angstrom_per_ps"}
    assert {score.law for score in found.scores} >= {"constant", "linear"}
    assert found.n_frames == 120
    assert 20 < found.n_independent < 60
    assert 6 < found.candidates[0].block_frames <= 12


def test_averaging_of_long_series_preserves_parameters():
    time = np.linspace(0.0, 100.0, 5000)
    noise = correlated_noise(1, seed=3, n_frames=5000, correlation=0.9)[0]
    found = thickness_kinetics(time, 1.0 + 0.05 * time + noise, n_resamples=50)
    rate = found.candidates[0].parameters["rate_angstrom_per_ps"]
    assert found.decision == "linear"
    assert rate.lower < 0.05 < rate.upper
    assert rate.upper - rate.lower < 0.001


@pytest.mark.parametrize(("correlation", "frames_per_sample"), [(0.0, 1.0), (0.5, 3.0), (0.8, 9.0)])
def test_statistical_inefficiency_of_a_first_order_process(correlation, frames_per_sample):
    """(1 + c) / (1 - c), on average over series."""
    noise = correlated_noise(40, seed=4, correlation=correlation, n_frames=2000)
    found = np.mean([statistical_inefficiency(each) for each in noise])
    assert found == pytest.approx(frames_per_sample, rel=0.12)


def test_resampled_noise_has_the_long_run_variance():
    """The variance of the mean of resampled noise is that of the process."""
    noise = correlated_noise(20, seed=5, n_frames=1000, size=1.0, correlation=0.8)
    random = np.random.default_rng(6)
    scatter = [resampled_noise(each, 1, 300, random).mean(axis=1).std() for each in noise]
    assert np.mean(scatter) == pytest.approx(np.sqrt(9.0 / 1000), rel=0.15)


def test_block_has_six_inefficiencies_and_at_most_a_tenth_of_the_series():
    assert block_length(1000, 5.0) == 30
    assert block_length(100, 5.0) == 10
    assert block_length(10, 1.0) == 1


def test_first_depleted_reservoir_is_reported_with_its_time():
    remaining = np.clip(20.0 - 0.25 * TIME_PS, 0.0, None)
    found = find_depletion(TIME_PS, {"electrolyte": 50.0 - 0.1 * TIME_PS, "lithium": remaining})
    assert found.reservoir == "lithium"
    assert found.time_ps == pytest.approx(72.0, abs=1.0)
    assert found.remaining_share == 0.0
    assert find_depletion(TIME_PS, {"electrolyte": 50.0 - 0.1 * TIME_PS}) is None


@pytest.mark.parametrize("frame", [0, 50, -1])
def test_outlier_is_no_depletion(frame):
    remaining = np.full_like(TIME_PS, 20.0)
    remaining[frame] = 0.0
    assert find_depletion(TIME_PS, {"lithium": remaining}) is None


def test_crossover_of_a_series_that_begins_long_after_the_contact_is_not_at_a_limit():
    time = np.linspace(1000.0, 1100.0, 400)
    crossed = LinearThenParabolic().curve(time, np.array([-598.0, 0.6, 1006.0, 1.0]))
    found = thickness_kinetics(time, crossed + correlated_noise(1, 3, n_frames=400)[0], n_resamples=20)
    assert found.decision == "linear_then_parabolic", found.reason


def test_immediate_depletion_is_undecided():
    found = thickness_kinetics(TIME_PS, 1 + 0.1 * TIME_PS, reservoirs={"lithium": 10.0 * np.exp(-TIME_PS)})
    assert found.decision == "undecided"
    assert "before lithium was exhausted" in found.reason
    assert found.candidates == ()


@pytest.mark.parametrize(
    ("time", "values", "message"),
    [
        (TIME_PS, TIME_PS[:-1], "one value per frame"),
        (TIME_PS[:5], TIME_PS[:5], "5 frames; a growth law needs at least 20"),
        (TIME_PS - 1.0, TIME_PS, "must increase"),
        (TIME_PS[::-1], TIME_PS, "must increase"),
        (TIME_PS, np.where(TIME_PS > 50, np.nan, 1.0), "not finite"),
    ],
)
def test_invalid_series_raise(time, values, message):
    with pytest.raises(AnalysisError, match=message):
        thickness_kinetics(time, values)


def test_invalid_reservoir_raises():
    with pytest.raises(AnalysisError, match="one per frame is required"):
        find_depletion(TIME_PS, {"lithium": np.ones(3)})
    with pytest.raises(AnalysisError, match="unknown in 1 of 3 frames"):
        find_depletion(np.arange(3.0), {"lithium": np.array([1.0, np.nan, 1.0])})
    with pytest.raises(AnalysisError, match="empty in the first frames"):
        find_depletion(TIME_PS, {"lithium": np.zeros_like(TIME_PS)})


def test_fewer_frames_than_parameters_raise():
    with pytest.raises(AnalysisError, match="has 2 parameters"):
        fit_law(Linear(), TIME_PS[:2], TIME_PS[:2])


def test_average_of_two_replicas_raises():
    run = thickness_kinetics(TIME_PS, 1.0 + 0.05 * TIME_PS + correlated_noise(1, 7, n_frames=120)[0])
    with pytest.raises(AnalysisError, match="differ in their seed"):
        average_kinetics([run, run])
    assert not between_replicas([1.0]).is_known
    assert between_replicas([1.0, 2.0, 3.0]).upper == pytest.approx(2.0 + 4.303 / np.sqrt(3), rel=1e-3)


def test_kinetics_are_unchanged_by_json():
    time = np.linspace(0.1, 10.0, 100)
    found = thickness_kinetics(time, 2.0 * time + np.random.default_rng(0).normal(0, 0.1, 100))
    adapter = TypeAdapter(GrowthKinetics)
    assert adapter.validate_json(adapter.dump_json(found)) == found


def test_crossover_in_the_first_per_cent_is_found():
    time = np.linspace(0.0, 100.0, 600)
    planted = np.array([0.5, 3.0, 1.0, 0.5])
    noise = correlated_noise(1, 21, n_frames=600, correlation=0.5)[0]
    fit = fit_law(LinearThenParabolic(), time, LinearThenParabolic().curve(time, planted) + noise)
    assert fit.parameters[2] == pytest.approx(1.0, rel=0.1)


def test_parameter_at_its_limit_makes_a_law_undecided():
    """A power beyond the largest exponent that is searched."""
    series = 1.0 + 5.0 * (TIME_PS / 100.0) ** 5.5 + correlated_noise(1, 22, size=0.2, correlation=0.0, n_frames=120)[0]
    found = thickness_kinetics(TIME_PS, series, laws=(Power(),), n_resamples=5)
    assert found.decision == "undecided"
    assert found.reason == "exponent of power reaches 5, a limit of what this series can resolve"


def test_independent_samples_do_not_collapse():
    """75 independent samples in 300 frames; residuals of four fitted parameters, the lowest of 400 series."""
    place = np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, 300), 3)
    basis = np.linalg.qr(place)[0]
    noise = correlated_noise(400, 17, size=1.0, correlation=0.6)
    residuals = noise - (noise @ basis) @ basis.T
    independent = 300 / statistical_inefficiencies(residuals.T, 4)
    assert independent.min() > 25
    assert np.median(independent) == pytest.approx(75, rel=0.15)
