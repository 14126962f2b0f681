"""Verdicts on single histories; tests/physics measures their accuracy."""

from dataclasses import replace

import numpy as np
import pytest

from correlated_series import correlated_noise
from interphase_flows.analysis.passivation.history import InterphaseHistory
from interphase_flows.analysis.passivation.rate_history import rate_history
from interphase_flows.analysis.passivation.verdict import verdict
from interphase_flows.analysis.statistics.window_rate import window_rate, window_rates
from interphase_flows.exceptions import AnalysisError
from interphase_histories import history


def test_rates_of_a_passivated_interphase_are_below_epsilon():
    found = verdict([history("passivated", 0)])
    assert found.state == "passivated"
    assert found.windows_ps == ((2000.0, 3000.0), (3000.0, 4000.0))
    assert found.trajectory_needed_ps is None
    check = found.checks["Li"]
    assert check.epsilon_per_ps == pytest.approx(0.01 * check.initial_peak_per_ps.value)
    assert all(window.largest_magnitude < check.epsilon_per_ps for window in check.windows_per_ps)


def test_species_without_a_peak_is_compared_with_the_largest_peak():
    checks = verdict([history("passivated", 0)]).checks
    assert checks["S"].epsilon_is_of == "Li"
    assert checks["S"].epsilon_per_ps == checks["Li"].epsilon_per_ps
    assert checks["P"].epsilon_is_of == "P"


def test_depletion_overrides_passivation():
    stopped = history("passivated", 0)
    grown = stopped.thickness_angstrom - stopped.thickness_angstrom[0]
    starved = replace(stopped, reservoirs={"lithium": 20.5 - grown, "electrolyte": 300.0 - grown})
    found = verdict([starved])
    assert found.state == "depleted"
    assert found.depletion.reservoir == "lithium"
    assert found.depletion.reservoir in found.reason


def test_continued_flux_is_growing_at_constant_thickness():
    stopped = history("passivated", 0)
    leak = -0.5 * stopped.time_ps  # downwards
    flowing = replace(stopped, passed_atoms_per_nm2={**stopped.passed_atoms_per_nm2, "P": leak})
    found = verdict([flowing])
    assert found.state == "growing"
    assert found.reason.startswith("P:")


def test_undecided_verdict_estimates_the_required_trajectory():
    short = history("undecided", 0)
    found = verdict([short])
    assert found.state == "undecided"
    at_best, at_worst = found.trajectory_needed_ps
    assert short.time_ps[-1] < at_best < at_worst


def test_too_few_frames_are_undecided_with_the_required_number():
    full = history("passivated", 0)
    few = type(full)(
        full.time_ps[:20],
        full.thickness_angstrom[:20],
        {name: series[:20] for name, series in full.passed_atoms_per_nm2.items()},
        {name: series[:20] for name, series in full.reservoirs.items()},
    )
    found = verdict([few])
    assert found.state == "undecided"
    assert found.checks == {}
    assert found.trajectory_needed_ps[0] == pytest.approx(40 * full.time_ps[1])


def of_frames(history, kept):
    """Return some frames of a history."""
    return type(history)(
        history.time_ps[kept],
        history.thickness_angstrom[kept],
        {name: series[kept] for name, series in history.passed_atoms_per_nm2.items()},
        {name: series[kept] for name, series in history.reservoirs.items()},
    )


def test_verdict_without_an_initial_rate_is_undecided():
    found = verdict([of_frames(history("passivated", 0), np.arange(500, 1000))])
    assert found.state == "undecided"
    assert "no initial rate differs from zero with 99.9 % confidence" in found.reason


def test_message_about_a_missing_peak_has_an_interval_that_contains_zero():
    """A rate whose 95 % interval excludes zero may be the largest of ten by chance."""
    time = np.linspace(0.0, 4.8, 162)
    noise = 0.3 * np.random.default_rng(1).normal(size=162)
    passed = {"Li": 40.0 * -np.expm1(-time / 0.5), "P": np.zeros(162)}
    left = {"electrode": np.full(162, 20.0), "electrolyte": np.full(162, 20.0)}
    found = verdict([InterphaseHistory(time, 4.0 + 0.5 * time + noise, passed, left, area_nm2=2.0)])
    assert found.state == "undecided"
    assert found.reason.startswith("the initial rate of the thickness, ")
    lower, upper = map(float, found.reason.split("[")[1].split("]")[0].split(", "))
    assert lower < 0 < upper


def test_error_of_three_replicas_is_their_spread():
    found = verdict([history("growing", seed) for seed in range(3)])
    alone = verdict([history("growing", 0)])
    assert (found.state, found.n_replicas) == ("growing", 3)
    assert found.checks["thickness"].windows_per_ps != alone.checks["thickness"].windows_per_ps


def test_invalid_windows_raise():
    with pytest.raises(AnalysisError, match="do not fit"):
        verdict([history("growing", 0)], window_ps=3000.0)
    with pytest.raises(AnalysisError, match="at least 10 are required"):
        verdict([history("growing", 0)], window_ps=20.0)
    with pytest.raises(AnalysisError, match="one or more"):
        verdict([])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reservoirs": {"lithium": np.ones(1000)}}, "a depleted slab looks passivated"),
        ({"passed_atoms_per_nm2": {}}, "does not show that ions stopped"),
        ({"passed_atoms_per_nm2": {"thickness": np.ones(1000)}}, "none of them named"),
        ({"thickness_angstrom": np.ones(3)}, "one per frame is required"),
        ({"time_ps": np.zeros(1000)}, "times must increase"),
    ],
)
def test_invalid_history_raises(changes, message):
    intact = history("passivated", 0)
    with pytest.raises(AnalysisError, match=message):
        replace(intact, **changes)


def test_rate_of_a_noiseless_line_has_no_error():
    time = np.linspace(5.0, 25.0, 201)
    found = window_rate(time, 3.0 - 0.2 * time)
    assert found.rate_per_ps == pytest.approx(-0.2)
    assert found.standard_error_per_ps < 1e-9


def test_rates_of_uneven_times():
    """Frames every 1 ps, then every 10 ps, as of a run that was continued with another interval."""
    time = np.concatenate([np.arange(0.0, 100.0), np.arange(100.0, 1001.0, 10.0)])
    series = 0.1 * time + np.random.default_rng(0).normal(0.0, 0.05, len(time))
    for rate in window_rates(time, series, (0.0, 250.0, 500.0, 750.0, 1000.0)):
        assert rate.rate_per_ps == pytest.approx(0.1, rel=0.01)


def test_short_gap_costs_no_frames():
    time = np.delete(np.arange(0.0, 1001.0), np.arange(300, 310))
    series = 0.1 * time + np.random.default_rng(0).normal(0.0, 0.05, len(time))
    first, last = window_rates(time, series, (0.0, 500.0, 1000.0))
    assert first.rate_per_ps == pytest.approx(0.1, rel=0.001)
    assert last.degrees_of_freedom == 198 - 3  # groups of five of 1000 frames, two of them missing


def test_rates_on_both_sides_of_a_long_gap():
    time = np.concatenate([np.arange(0.0, 100.0), np.arange(400.0, 500.0)])
    series = 0.1 * time + np.random.default_rng(0).normal(0.0, 0.05, len(time))
    for edges in ((0.0, 99.0), (400.0, 499.0), (0.0, 499.0)):
        assert window_rates(time, series, edges)[0].rate_per_ps == pytest.approx(0.1, rel=0.01)
    with pytest.raises(AnalysisError, match=r"a window of 0 frames .* between 99 and 400 ps.* Hint: .* after this gap"):
        window_rates(time, series, (0.0, 150.0, 250.0))


@pytest.mark.parametrize("accumulates", [False, True])
def test_gap_costs_the_information_of_its_frames_alone(accumulates):
    """Half of 300 frames are missing: intervals cover, and those of a random walk have the same error."""
    time = np.arange(300.0)
    kept = np.abs(time - 150.0) >= 75.0
    noises = correlated_noise(60, 5, size=1.0, correlation=0.0 if accumulates else 0.8, n_frames=len(time))
    noises = np.cumsum(noises, axis=1) if accumulates else noises
    gapped = [window_rate(time[kept], (0.1 * time + noise)[kept]) for noise in noises]
    intervals = [each.interval() for each in gapped]
    assert np.mean([each.lower <= 0.1 <= each.upper for each in intervals]) >= 0.85
    if accumulates:
        intact = [window_rate(time, 0.1 * time + noise).standard_error_per_ps for noise in noises]
        assert np.mean([each.standard_error_per_ps for each in gapped]) == pytest.approx(np.mean(intact), rel=0.1)


@pytest.mark.parametrize("missing", [(100, 160), (400, 500), (600, 700), (700, 900)])
def test_verdict_does_not_depend_on_missing_frames(missing):
    for kind in ("growing", "passivated"):
        intact = history(kind, 1)
        kept = np.delete(np.arange(len(intact.time_ps)), np.arange(*missing))
        gapped = of_frames(intact, kept)
        judged = verdict([gapped])
        assert judged.state == kind
        assert len(rate_history([gapped], judged).edges_ps) >= 2


def test_flux_of_a_window_without_crossings_has_the_poisson_bound():
    """No crossing in 100 ps through 2 nm² is compatible with up to 3.7 atoms (Garwood)."""
    time = np.linspace(0.0, 100.0, 50)
    silent = window_rate(time, np.zeros(50), event=0.5).interval()
    assert silent.value == 0.0
    assert silent.upper == pytest.approx(0.5 * 3.689 / 100.0, rel=0.03)
    assert silent.lower == -silent.upper


def test_missing_crossings_of_a_small_interface_are_undecided():
    """The Poisson bound is above epsilon for a small interface, and below it for a large one."""
    time = np.linspace(0.0, 4000.0, 1000)
    grown = 20.0 * -np.expm1(-time / 80.0)
    noise = np.random.default_rng(0).normal(0.0, 0.05, 1000)
    stops = np.floor(8.0 * grown) / 8.0
    left = {"electrode": 300.0 - grown, "electrolyte": 300.0 - grown}
    states = {
        area: verdict([InterphaseHistory(time, 4.0 + grown + noise, {"Li": stops}, left, area_nm2=area)]).state
        for area in (0.2, 200.0)
    }
    assert states == {0.2: "undecided", 200.0: "passivated"}
