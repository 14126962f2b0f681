"""Onsager matrices of the grid are symmetric, positive semidefinite and inside their intervals."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from interphase_flows.analysis.transport.composition_grid.arrhenius import MeasuredAt
from interphase_flows.analysis.transport.composition_grid.arrhenius_matrix import arrhenius_matrix
from interphase_flows.analysis.transport.composition_grid.interpolation import composition_grid
from interphase_flows.analysis.transport.composition_grid.local_composition import CompositionLine
from interphase_flows.analysis.transport.positive_matrices import OnsagerParts, nearest_correlation
from onsager_draws import drawn, true_matrix

SPECIES = ("Li", "P", "Cl")


def measured(random: np.random.Generator, temperature_K: float) -> MeasuredAt:
    """Three species with random correlations."""
    root = random.standard_normal((3, 3))
    matrix = root @ root.T + 0.3 * np.eye(3)
    height = np.exp(-random.uniform(0.1, 1.0, 3) * 1e4 / temperature_K / 8.0)
    return MeasuredAt(temperature_K, drawn(random, matrix * np.sqrt(np.outer(height, height)), 40))


def check(estimate) -> None:
    value = estimate.value
    np.testing.assert_allclose(value, value.T, rtol=1e-12)
    assert np.linalg.eigvalsh(value)[0] >= -1e-9 * np.trace(value)
    assert (estimate.lower <= value).all()
    assert (value <= estimate.upper).all()
    assert (np.diag(estimate.lower) >= 0).all()


@given(seed=st.integers(0, 2**32 - 1), target_K=st.floats(200.0, 3000.0), x=st.floats(0.1, 0.7))
@settings(max_examples=25, deadline=None)
def test_interpolated_and_extrapolated_matrices_are_valid(seed, target_K, x):
    """In temperature and in composition."""
    random = np.random.default_rng(seed)
    fits = {
        each: arrhenius_matrix(SPECIES, [measured(random, t) for t in (600.0, 900.0, 1200.0)])
        for each in (0.1, 0.3, 0.7)
    }
    for fit in fits.values():
        check(fit.at(target_K))
    check(composition_grid(fits).at(x, target_K, x_error=0.05))


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 5))
def test_nearest_correlation_is_valid_and_idempotent(seed, size):
    """Unit diagonal, no negative eigenvalue."""
    random = np.random.default_rng(seed)
    raw = random.uniform(-1.5, 1.5, (size, size))
    raw = np.tril(raw, -1) + np.tril(raw, -1).T + np.eye(size)
    near = nearest_correlation(raw)
    np.testing.assert_allclose(np.diag(near), 1.0, rtol=1e-9)
    assert np.linalg.eigvalsh(near)[0] >= -1e-9
    np.testing.assert_allclose(nearest_correlation(near), near, atol=1e-6)


@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_scaling_all_coefficients_keeps_energies_and_relative_intervals(scale, seed):
    random = np.random.default_rng(seed)
    points = [MeasuredAt(t, drawn(random, true_matrix(t), 50)) for t in (600.0, 800.0, 1000.0)]
    scaled = [MeasuredAt(p.temperature_K, p.value.scaled(scale)) for p in points]
    one, other = (arrhenius_matrix(("Li", "P"), each) for each in (points, scaled))
    np.testing.assert_allclose(other.at(500.0).lower, scale * one.at(500.0).lower, rtol=1e-4)
    for a, b in zip(one.diagonal, other.diagonal, strict=True):
        np.testing.assert_allclose(a.activation_energy_eV.value, b.activation_energy_eV.value, rtol=1e-5)


@given(x=st.floats(0.0, 1.0), amount=st.floats(1e-3, 1e3))
def test_nearest_composition_of_a_point_on_the_line_is_that_point(x, amount):
    line = CompositionLine({"Li": 1.0}, {"Li": 7.0, "P": 3.0, "S": 11.0})
    found, _, off = line.nearest(amount * line.shares(x), np.zeros(3))
    assert abs(found - x) < 1e-9
    assert off < 1e-9


def test_large_errors_give_finite_intervals():
    """An error of hundreds in ln L."""
    parts = OnsagerParts(np.array([900.0, -900.0]), np.array([300.0, 300.0]), np.eye(2), np.zeros((2, 2)))
    found = parts.estimate(0.95)
    assert np.isfinite(found.lower).all()
    assert np.isfinite(found.upper).all()
