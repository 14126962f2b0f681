"""Lines of ln L against 1/T: known answers, what is left out, what is refused."""

import numpy as np
import pytest

from interphase_flows.analysis.transport.arrhenius import MeasuredAt, arrhenius_fit
from interphase_flows.analysis.transport.arrhenius_matrix import arrhenius_matrix, element
from interphase_flows.analysis.transport.intervals import Estimate
from interphase_flows.exceptions import AnalysisError
from interphase_flows.units import KB_EV_PER_K
from onsager_draws import ENERGIES_EV, exact_points, true_matrix

TEMPERATURES_K = (600.0, 800.0, 1000.0)


def number(value: float, lower: float | None = None, upper: float | None = None) -> Estimate:
    low = 0.9 * value if lower is None else lower
    high = value / 0.9 if upper is None else upper
    return Estimate(*(np.array(x) for x in (value, 0.05 * value, low, high)))


def line(temperature_K: float, energy_eV: float = 0.3) -> float:
    return float(np.exp(2.0 - energy_eV / (KB_EV_PER_K * temperature_K)))


def on_a_line(*temperatures_K: float) -> list[MeasuredAt]:
    return [MeasuredAt(t, number(line(t))) for t in temperatures_K]


def test_a_line_gives_its_energy_and_its_values():
    """Between and beyond its points."""
    fit = arrhenius_fit(on_a_line(*TEMPERATURES_K))
    assert float(fit.activation_energy_eV.value) == pytest.approx(0.3, abs=1e-9)
    for temperature in (300.0, 700.0, 1500.0):
        assert float(fit.at(temperature).value) == pytest.approx(line(temperature), rel=1e-8)
    assert fit.is_straight
    assert fit.notes == ()


def test_the_interval_is_that_of_least_squares():
    """With one error for all: s_E = s / sqrt(sum (beta - mean)²)."""
    fit = arrhenius_fit(on_a_line(*TEMPERATURES_K))
    beta = 1 / (KB_EV_PER_K * np.array(TEMPERATURES_K))
    half = -np.log(0.9) / np.sqrt(((beta - beta.mean()) ** 2).sum())
    energy = fit.activation_energy_eV
    assert float(energy.upper - energy.value) == pytest.approx(half, rel=1e-6)
    assert float(energy.value - energy.lower) == pytest.approx(half, rel=1e-6)


def test_extrapolation_widens_and_is_told():
    """Ratio of the bounds grows with the distance; between the points there is no warning."""
    fit = arrhenius_fit(on_a_line(*TEMPERATURES_K))
    inside, near, far = (fit.at(t) for t in (780.0, 500.0, 300.0))
    assert inside.upper / inside.lower < near.upper / near.lower < far.upper / far.lower
    assert fit.warning_at(600.0) is None
    assert fit.warning_at(700.0) is None
    told = fit.warning_at(300.0)
    assert told is not None
    assert "300 K is outside the measured 600 to 1000 K, by 2.5 times" in told
    assert fit.warning_at(1200.0) is not None


def test_what_was_refused_is_left_out_and_named():
    """With its reason."""
    points = [*on_a_line(*TEMPERATURES_K), MeasuredAt(400.0, None, "not diffusive yet")]
    fit = arrhenius_fit(points)
    assert fit.notes == ("400 K left out: not diffusive yet",)
    assert fit.coldest_K == 600.0
    assert float(fit.activation_energy_eV.value) == pytest.approx(0.3, abs=1e-9)


def test_two_temperatures_are_refused_however_many_cells_there_are():
    """And so are three of which one cannot be told from zero; the message says what each gave."""
    with pytest.raises(AnalysisError, match="2 temperatures with a number above zero cannot carry"):
        arrhenius_fit(on_a_line(600.0, 600.0, 800.0, 800.0))
    points = [*on_a_line(800.0, 1000.0), MeasuredAt(600.0, number(line(600.0), lower=0.0))]
    with pytest.raises(AnalysisError, match="600 K limits only"):
        arrhenius_fit(points)
    with pytest.raises(AnalysisError, match="1 temperature with"):
        arrhenius_fit([*on_a_line(800.0), MeasuredAt(900.0, None)])


def test_what_cannot_be_told_from_zero_pulls_the_line_down():
    """Left out, the cold points that noise lifted would remain, and the energy would be too small."""
    warm = on_a_line(700.0, 850.0, 1000.0)
    without = arrhenius_fit(warm)
    nothing = MeasuredAt(300.0, number(0.0, lower=0.0, upper=0.01 * line(300.0)))
    limited = arrhenius_fit([*warm, nothing])
    assert limited.activation_energy_eV.value > without.activation_energy_eV.value
    assert limited.notes == ("300 K limits only: it cannot be told from zero",)
    harmless = arrhenius_fit([*warm, MeasuredAt(300.0, number(0.0, lower=0.0, upper=1e6))])
    assert float(harmless.activation_energy_eV.value) == pytest.approx(0.3, abs=1e-6)


def test_an_interval_without_any_end_says_nothing():
    """One without an upper end says only what is below."""
    useless = MeasuredAt(500.0, number(1.0, lower=0.0, upper=np.inf))
    fit = arrhenius_fit([*on_a_line(*TEMPERATURES_K), useless])
    assert fit.notes == ("500 K left out: its interval has neither end",)
    open_above = MeasuredAt(500.0, number(0.5 * line(500.0), lower=0.3 * line(500.0), upper=np.inf))
    fit = arrhenius_fit([*on_a_line(*TEMPERATURES_K), open_above])
    assert float(fit.activation_energy_eV.value) == pytest.approx(0.3, abs=1e-6)


def test_points_that_scatter_widen_the_interval_and_say_so():
    """Cells that differ by far more than their errors."""
    scattered = [MeasuredAt(t, number(line(t) * f)) for t in TEMPERATURES_K for f in (0.5, 2.0)]
    fit = arrhenius_fit(scattered)
    assert not fit.is_straight
    assert fit.error_scale > 3
    assert float(fit.activation_energy_eV.value) == pytest.approx(0.3, abs=1e-6)
    half = fit.activation_energy_eV.upper - fit.activation_energy_eV.value
    tidy = arrhenius_fit([*on_a_line(*TEMPERATURES_K), *on_a_line(*TEMPERATURES_K)]).activation_energy_eV
    assert float(half / (tidy.upper - tidy.value)) == pytest.approx(fit.error_scale, rel=1e-3)


def test_a_matrix_comes_back_between_its_temperatures():
    """Diagonal and off the diagonal, at temperatures that were not measured."""
    fit = arrhenius_matrix(("Li", "P"), exact_points(TEMPERATURES_K, correlation=-0.4))
    for temperature in (650.0, 900.0):
        np.testing.assert_allclose(
            fit.at(temperature).value, true_matrix(temperature, correlation=-0.4), rtol=1e-6
        )
    assert [float(f.activation_energy_eV.value) for f in fit.diagonal] == pytest.approx(ENERGIES_EV)
    assert fit.warnings_at(700.0) == []
    assert fit.warnings_at(300.0)[1].startswith("P: 300 K is outside")


def test_correlation_stays_what_it_was_beyond_the_temperatures_but_less_sure():
    """A line through it would leave -1 to 1."""
    points = [
        MeasuredAt(t, each.value)
        for t, c in zip(TEMPERATURES_K, (0.8, 0.6, 0.4), strict=True)
        for each in exact_points([t], correlation=c)
    ]
    parts = {t: arrhenius_matrix(("Li", "P"), points).parts_at(t) for t in (200.0, 600.0, 700.0)}
    assert parts[200.0].correlation[0, 1] == parts[600.0].correlation[0, 1]
    assert parts[700.0].correlation[0, 1] < parts[600.0].correlation[0, 1]
    assert parts[200.0].correlation_error[0, 1] > 0.2 > parts[600.0].correlation_error[0, 1]


def test_a_species_without_a_line_is_named():
    """So a reader knows which one to run longer."""
    points = exact_points(TEMPERATURES_K)
    points[0].value.lower[1, 1] = 0.0
    with pytest.raises(AnalysisError, match=r"^P: 2 temperatures"):
        arrhenius_matrix(("Li", "P"), points)
    assert element(points[0], 0).value is not None
    assert element(MeasuredAt(500.0, None, "why"), 0) == MeasuredAt(500.0, None, "why")
