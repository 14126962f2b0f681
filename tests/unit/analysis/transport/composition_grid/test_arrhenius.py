"""Arrhenius fits: known answers, points that are left out, and fits that raise."""

import numpy as np
import pytest

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.composition_grid.arrhenius import MeasuredAt, arrhenius_fit
from interphase_flows.analysis.transport.composition_grid.arrhenius_matrix import arrhenius_matrix, element
from interphase_flows.exceptions import AnalysisError
from interphase_flows.units import KB_EV_PER_K
from onsager_draws import ENERGIES_EV, exact_points, true_matrix

TEMPERATURES_K = (600.0, 800.0, 1000.0)


def number(value: float, lower: float | None = None, upper: float | None = None) -> Estimate:
    low = 0.9 * value if lower is None else lower
    high = value / 0.9 if upper is None else upper
    return Estimate(*(np.array(x) for x in (value, low, high)), standard_error=np.array(0.05 * value))


def line(temperature_K: float, energy_eV: float = 0.3) -> float:
    return float(np.exp(2.0 - energy_eV / (KB_EV_PER_K * temperature_K))) / temperature_K


def on_a_line(*temperatures_K: float) -> list[MeasuredAt]:
    return [MeasuredAt(t, number(line(t))) for t in temperatures_K]


def test_fit_returns_energy_and_values_of_a_line():
    """Between and beyond its points."""
    fit = arrhenius_fit(on_a_line(*TEMPERATURES_K))
    assert float(fit.activation_energy_eV.value) == pytest.approx(0.3, abs=1e-9)
    for temperature in (300.0, 700.0, 1500.0):
        assert float(fit.at(temperature).value) == pytest.approx(line(temperature), rel=1e-8)
    assert fit.error_scale == 1.0
    assert fit.notes == ()


def test_energy_is_that_of_diffusion():
    """L = c D / kB T: a diffusion coefficient of 0.3 eV gives 0.3 eV, and its value far from the temperatures."""
    density, d0 = 0.02, 5.0
    points = [
        MeasuredAt(t, number(density * d0 * np.exp(-0.3 / (KB_EV_PER_K * t)) / (KB_EV_PER_K * t)))
        for t in TEMPERATURES_K
    ]
    fit = arrhenius_fit(points)
    assert float(fit.activation_energy_eV.value) == pytest.approx(0.3, abs=1e-6)
    cold = KB_EV_PER_K * 300.0
    assert float(fit.at(300.0).value) == pytest.approx(density * d0 * np.exp(-0.3 / cold) / cold, rel=1e-4)


def test_interval_is_that_of_least_squares():
    """With one error for all: s_E = s / sqrt(sum (beta - mean)²)."""
    fit = arrhenius_fit(on_a_line(*TEMPERATURES_K))
    beta = 1 / (KB_EV_PER_K * np.array(TEMPERATURES_K))
    half = -np.log(0.9) / np.sqrt(((beta - beta.mean()) ** 2).sum())
    energy = fit.activation_energy_eV
    assert float(energy.upper - energy.value) == pytest.approx(half, rel=1e-6)
    assert float(energy.value - energy.lower) == pytest.approx(half, rel=1e-6)


def test_extrapolation_widens_intervals_and_warns():
    """Ratio of the bounds grows with the distance; between the points there is no warning."""
    fit = arrhenius_fit(on_a_line(*TEMPERATURES_K))
    inside, near, far = (fit.at(t) for t in (780.0, 500.0, 300.0))
    assert inside.upper / inside.lower < near.upper / near.lower < far.upper / far.lower
    assert fit.warning_at(600.0) is None
    assert fit.warning_at(700.0) is None
    warning = fit.warning_at(300.0)
    assert warning is not None
    assert "300 K is outside the measured 600 to 1000 K, by 2.5 times" in warning
    assert fit.warning_at(1200.0) is not None


def test_unavailable_points_are_left_out_with_their_reason():
    points = [*on_a_line(*TEMPERATURES_K), MeasuredAt(400.0, None, "not diffusive yet. Hint: run longer")]
    fit = arrhenius_fit(points)
    assert fit.notes == ("400 K left out: not diffusive yet",)
    assert fit.coldest_K == 600.0
    assert float(fit.activation_energy_eV.value) == pytest.approx(0.3, abs=1e-9)


def test_two_temperatures_raise_however_many_cells_there_are():
    """So do three of which one is not distinct from zero; the message lists all of them."""
    with pytest.raises(AnalysisError, match="needs 3 temperatures with a coefficient above zero, there are 2"):
        arrhenius_fit(on_a_line(600.0, 600.0, 800.0, 800.0))
    points = [*on_a_line(800.0, 1000.0), MeasuredAt(600.0, number(line(600.0), lower=0.0))]
    with pytest.raises(AnalysisError, match="600 K gives only an upper limit"):
        arrhenius_fit(points)
    with pytest.raises(AnalysisError, match="there is 1: 900 K left out"):
        arrhenius_fit([*on_a_line(800.0), MeasuredAt(900.0, None)])


def test_coefficients_not_distinct_from_zero_lower_the_line():
    """Without them, the cold points that noise raised would remain, and the energy would be too small."""
    warm = on_a_line(700.0, 850.0, 1000.0)
    without = arrhenius_fit(warm)
    nothing = MeasuredAt(300.0, number(0.0, lower=0.0, upper=0.01 * line(300.0)))
    limited = arrhenius_fit([*warm, nothing])
    assert limited.activation_energy_eV.value > without.activation_energy_eV.value
    assert limited.notes == ("300 K gives only an upper limit: the coefficient is not distinct from zero",)
    harmless = arrhenius_fit([*warm, MeasuredAt(300.0, number(0.0, lower=0.0, upper=1e6))])
    assert float(harmless.activation_energy_eV.value) == pytest.approx(0.3, abs=1e-6)


def test_interval_without_bounds_is_left_out():
    """An interval without an upper bound only limits from below."""
    useless = MeasuredAt(500.0, number(1.0, lower=0.0, upper=np.inf))
    fit = arrhenius_fit([*on_a_line(*TEMPERATURES_K), useless])
    assert fit.notes == ("500 K left out: its interval has no bounds",)
    open_above = MeasuredAt(500.0, number(0.5 * line(500.0), lower=0.3 * line(500.0), upper=np.inf))
    fit = arrhenius_fit([*on_a_line(*TEMPERATURES_K), open_above])
    assert float(fit.activation_energy_eV.value) == pytest.approx(0.3, abs=1e-6)


def test_scattered_points_widen_the_interval():
    """Cells that differ by far more than their errors."""
    scattered = [MeasuredAt(t, number(line(t) * f)) for t in TEMPERATURES_K for f in (0.5, 2.0)]
    fit = arrhenius_fit(scattered)
    assert fit.error_scale > 1.0
    assert fit.error_scale > 3
    assert float(fit.activation_energy_eV.value) == pytest.approx(0.3, abs=1e-6)
    half = fit.activation_energy_eV.upper - fit.activation_energy_eV.value
    tidy = arrhenius_fit([*on_a_line(*TEMPERATURES_K), *on_a_line(*TEMPERATURES_K)]).activation_energy_eV
    assert float(half / (tidy.upper - tidy.value)) == pytest.approx(fit.error_scale, rel=1e-3)


def in_cells(*factors: float) -> list[MeasuredAt]:
    """Return runs of cells at three temperatures, each cell on the line times its own factor."""
    return [
        MeasuredAt(t, number(line(t) * factor), cell=f"grid-x0.070-{n}")
        for n, factor in enumerate(factors)
        for t in TEMPERATURES_K
    ]


def test_differences_of_cells_widen_the_height_and_not_the_energy():
    """Factors of exp(-0.5), 1, exp(0.5), which more temperatures of the same cells would not average out."""
    fit = arrhenius_fit(in_cells(np.exp(-0.5), 1.0, np.exp(0.5)))
    assert fit.notes == ("cells differ by 50 % beyond the errors of their runs",)
    assert fit.error_scale == 1.0
    energy, alike = fit.activation_energy_eV, arrhenius_fit(in_cells(1.0, 1.0, 1.0)).activation_energy_eV
    assert float(energy.value) == pytest.approx(0.3, abs=1e-6)
    assert float(energy.upper - energy.lower) == pytest.approx(float(alike.upper - alike.lower), rel=1e-3)
    # of three heights: mean -+ t s / sqrt(3)
    at = fit.at(1.0 / (KB_EV_PER_K * fit.middle_per_eV))
    assert float(np.log(at.upper / at.value)) == pytest.approx(4.3027 * 0.5 / np.sqrt(3.0), rel=1e-3)


def test_a_cell_that_lacks_a_temperature_does_not_bend_the_line():
    """Three cells, the fastest unavailable at the coldest temperature; without offsets the energy is too large."""
    points = [p for p in in_cells(0.5, 1.0, 2.0) if (p.cell, p.temperature_K) != ("grid-x0.070-2", 600.0)]
    unnamed = [MeasuredAt(p.temperature_K, p.value) for p in points]
    assert float(arrhenius_fit(unnamed).activation_energy_eV.value) > 0.31
    assert float(arrhenius_fit(points).activation_energy_eV.value) == pytest.approx(0.3, abs=0.002)


def test_scatter_of_two_cells_is_noted_as_undetermined():
    """No note if they do not differ."""
    (note,) = arrhenius_fit(in_cells(0.5, 2.0)).notes
    assert "two cells do not determine this scatter: intervals are too narrow" in note
    assert arrhenius_fit(in_cells(1.0, 1.01)).notes == ()


def test_a_cell_that_only_limits_is_not_counted():
    """Two cells with numbers and one that is not distinct from zero at any temperature count as two."""
    still = [MeasuredAt(t, number(0.0, lower=0.0, upper=1e9), cell="still") for t in TEMPERATURES_K]
    fit = arrhenius_fit([*in_cells(0.5, 2.0), *still])
    assert (fit.covariance_of_cells == 0.0).all()
    assert "two cells do not determine this scatter" in fit.notes[-1]


def test_differences_of_cells_widen_the_error_of_correlations():
    """Correlations of 0.2, 0.4 and 0.6 at every temperature: 0.4, and Student's t times 0.2 / sqrt(3)."""
    points = [
        MeasuredAt(each.temperature_K, each.value, cell=str(c))
        for c in (0.2, 0.4, 0.6)
        for each in exact_points(TEMPERATURES_K, correlation=c)
    ]
    line = arrhenius_matrix(("Li", "P"), points).correlation[0, 1]
    found, error = line.at(1.0 / (KB_EV_PER_K * line.middle_per_eV))
    assert found == pytest.approx(0.4, abs=1e-6)
    assert 1.95996 * error == pytest.approx(4.3027 * 0.2 / np.sqrt(3.0), rel=1e-3)


def test_matrix_fit_returns_the_matrix_between_its_temperatures():
    """Diagonal and off the diagonal, at temperatures that were not measured."""
    fit = arrhenius_matrix(("Li", "P"), exact_points(TEMPERATURES_K, correlation=-0.4))
    for temperature in (650.0, 900.0):
        np.testing.assert_allclose(fit.at(temperature).value, true_matrix(temperature, correlation=-0.4), rtol=1e-6)
    assert [float(f.activation_energy_eV.value) for f in fit.diagonal] == pytest.approx(ENERGIES_EV)
    assert fit.warnings_at(700.0) == []
    assert fit.warnings_at(300.0)[1].startswith("P: 300 K is outside")


def test_correlation_is_constant_beyond_the_temperatures_with_a_larger_error():
    """A straight line would leave the range -1 to 1."""
    points = [
        MeasuredAt(t, each.value)
        for t, c in zip(TEMPERATURES_K, (0.8, 0.6, 0.4), strict=True)
        for each in exact_points([t], correlation=c)
    ]
    parts = {t: arrhenius_matrix(("Li", "P"), points).parts_at(t) for t in (200.0, 600.0, 700.0)}
    assert parts[200.0].correlation[0, 1] == parts[600.0].correlation[0, 1]
    assert parts[700.0].correlation[0, 1] < parts[600.0].correlation[0, 1]
    assert parts[200.0].correlation_error[0, 1] > 0.2 > parts[600.0].correlation_error[0, 1]


def test_error_names_the_species_without_a_fit():
    points = exact_points(TEMPERATURES_K)
    points[0].value.lower[1, 1] = 0.0
    with pytest.raises(AnalysisError, match=r"^P: .* there are 2"):
        arrhenius_matrix(("Li", "P"), points)
    assert element(points[0], 0).value is not None
    assert element(MeasuredAt(500.0, None, "why"), 0) == MeasuredAt(500.0, None, "why")
