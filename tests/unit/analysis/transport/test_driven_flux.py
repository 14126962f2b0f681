"""Fluxes driven by gradients of an ideal solution."""

import numpy as np
import pytest

from interphase_flows.analysis.transport.driven_flux import gradient_flux, ideal_gradient_eV_per_angstrom
from interphase_flows.exceptions import AnalysisError
from interphase_flows.units import KB_EV_PER_K

HEIGHT = np.linspace(0.5, 39.5, 40)
TEMPERATURE_K = 300.0


def two_species():
    """Return densities of Li and S, 1/Å³, that sum to a constant."""
    lithium = 0.03 + 0.01 * np.sin(2 * np.pi * HEIGHT / 80)
    return np.stack([lithium, 0.08 - lithium])


def test_uncorrelated_species_follow_fick():
    """L_ii = c_i D_i / kB T and an ideal solution: J_i = - D_i dc_i/dz."""
    density, diffusion = two_species(), np.array([2.0, 0.1])  # Å²/ps
    gradient = ideal_gradient_eV_per_angstrom(HEIGHT, density, TEMPERATURE_K)
    onsager = np.zeros((40, 2, 2))
    onsager[:, [0, 1], [0, 1]] = (density * diffusion[:, None] / (KB_EV_PER_K * TEMPERATURE_K)).T
    found = gradient_flux(gradient, onsager, onsager[None])
    fick = -100.0 * diffusion[:, None] * np.gradient(density, HEIGHT, axis=1)
    np.testing.assert_allclose(found.value, fick, rtol=0.05, atol=1e-5)
    np.testing.assert_allclose(found.lower, found.upper)


def test_a_cross_term_drives_a_species_without_its_own_gradient():
    gradient = np.zeros((2, 40))
    gradient[0] = -0.001  # eV/Å, downhill upwards
    onsager = np.array([[0.5, 0.2], [0.2, 0.3]])
    found = gradient_flux(gradient, onsager, onsager[None])
    np.testing.assert_allclose(found.value[1], 100 * 0.2 * 0.001)


def test_error_bars_are_those_of_the_coefficients():
    gradient = np.full((1, 40), -0.001)
    value = np.array([[0.5]])
    drawn = np.random.default_rng(0).normal(0.5, 0.05, (20_000, 1, 1))
    found = gradient_flux(gradient, value, drawn)
    np.testing.assert_allclose(found.value, 100 * 0.001 * 0.5)
    np.testing.assert_allclose(found.lower, 100 * 0.001 * 0.402, rtol=0.02)
    np.testing.assert_allclose(found.upper, 100 * 0.001 * 0.598, rtol=0.02)


def test_errors_that_are_tied_add_up():
    """L_12 = -L_11 of two equal masses: with opposite gradients errors add, and do not in squares."""
    gradient = np.array([[-0.001] * 40, [0.001] * 40])
    scale = np.random.default_rng(0).normal(1.0, 0.1, 20_000)[:, None, None]
    value = np.array([[0.5, -0.5], [-0.5, 0.5]])
    found = gradient_flux(gradient, value, scale * value)
    np.testing.assert_allclose(found.value[0], 100 * 0.001)
    np.testing.assert_allclose(found.upper[0], 100 * 0.001 * 1.196, rtol=0.01)


def test_a_slab_without_a_species_has_no_gradient_and_no_flux():
    density = two_species()
    density[1, 10] = 0.0
    gradient = ideal_gradient_eV_per_angstrom(HEIGHT, density, TEMPERATURE_K)
    onsager = np.eye(2)
    found = gradient_flux(gradient, onsager, onsager[None] * np.linspace(0.9, 1.1, 50)[:, None, None])
    unknown = np.isnan(found.value).any(axis=0)
    assert np.flatnonzero(unknown).tolist() == [9, 10, 11]
    assert np.isfinite(found.upper[:, :9]).all()


@pytest.mark.parametrize(
    ("onsager", "drawn", "message"),
    [
        (np.array([[1.0, 0.3], [0.1, 1.0]]), np.ones((5, 2, 2)), "differs from L_ji"),
        (np.eye(2), np.ones((5, 40, 2, 2)), "do not match"),
        (np.eye(2), np.ones(5), "do not match"),
        (np.eye(3), np.ones((5, 3, 3)), "do not match"),
    ],
)
def test_asymmetric_or_misshaped_coefficients_raise(onsager, drawn, message):
    with pytest.raises(AnalysisError, match=message):
        gradient_flux(np.zeros((2, 40)), onsager, drawn)


def test_densities_must_fit_their_heights():
    with pytest.raises(AnalysisError, match="n_species, n_slabs"):
        ideal_gradient_eV_per_angstrom(HEIGHT, np.ones((2, 3)), TEMPERATURE_K)
    with pytest.raises(AnalysisError, match="heights must rise"):
        ideal_gradient_eV_per_angstrom(HEIGHT[::-1], two_species(), TEMPERATURE_K)
