"""Interpolation of L_ij between compositions, and along the normal of an interphase."""

import numpy as np
import pytest

from interphase_flows.analysis.profiles.composition import ProfileSeries
from interphase_flows.analysis.transport.composition_grid.arrhenius_matrix import arrhenius_matrix
from interphase_flows.analysis.transport.composition_grid.interpolation import composition_grid
from interphase_flows.analysis.transport.composition_grid.local_composition import (
    CompositionLine,
    onsager_along_normal,
)
from interphase_flows.exceptions import AnalysisError
from interphase_flows.units import KB_EV_PER_K
from onsager_draws import exact_points, true_matrix

TEMPERATURES_K = (600.0, 800.0, 1000.0)
LINE = CompositionLine({"Li": 2.0}, {"Li": 14.0, "P": 6.0, "S": 22.0})
HEIGHTS = {0.0: (1.0, 0.5), 0.3: (1.6, 0.2), 0.6: (2.2, -0.1), 0.9: (2.8, -0.4)}
"""ln L_ii at 1000 K is linear in x."""


def grid(heights=HEIGHTS, species=("Li", "P"), **truth):
    return composition_grid(
        {
            x: arrhenius_matrix(species, exact_points(TEMPERATURES_K, log_height=height, **truth))
            for x, height in heights.items()
        }
    )


def test_measured_compositions_are_reproduced_with_their_intervals():
    found = grid().at(0.3, 700.0)
    alone = arrhenius_matrix(("Li", "P"), exact_points(TEMPERATURES_K, log_height=HEIGHTS[0.3])).at(700.0)
    for name in ("value", "lower", "upper"):
        np.testing.assert_allclose(getattr(found, name), getattr(alone, name), rtol=1e-9)


def test_logarithm_is_linear_between_two_compositions():
    """The interval is wider than at either."""
    found = grid().at(0.45, 1000.0)
    np.testing.assert_allclose(found.value, true_matrix(1000.0, log_height=(1.9, 0.05)), rtol=1e-6)
    ratios = [float(e.upper[0, 0] / e.lower[0, 0]) for e in (found, grid().at(0.3, 1000.0))]
    assert ratios[0] > 1.5 * ratios[1]


def test_error_of_x_propagates_through_the_slope():
    """d ln L_LiLi / dx is 2."""
    sure, unsure = (grid().parts_at(0.3, 1000.0, error) for error in (0.0, 0.1))
    added = unsure.log_error[0] ** 2 - sure.log_error[0] ** 2
    assert added == pytest.approx((2.0 * 0.1) ** 2, rel=1e-6)


def test_fewer_compositions_give_wider_intervals():
    """With two more increments Student's quantile falls from 12.7 to 3.2."""
    two = grid({x: HEIGHTS[x] for x in (0.3, 0.6)}).at(0.45, 1000.0)
    assert two.upper[0, 0] / two.value[0, 0] > 3 * grid().at(0.45, 1000.0).upper[0, 0] / two.value[0, 0]


@pytest.mark.parametrize("x", [-0.01, 0.95, np.nan])
def test_compositions_outside_the_grid_raise(x):
    with pytest.raises(AnalysisError, match="outside the grid"):
        grid().at(x, 700.0)


def test_one_composition_or_different_species_raise():
    with pytest.raises(AnalysisError, match="1 composition with a fitted matrix"):
        grid({0.3: HEIGHTS[0.3]})
    one, other = (arrhenius_matrix(species, exact_points(TEMPERATURES_K)) for species in (("Li", "P"), ("Na", "P")))
    with pytest.raises(AnalysisError, match=r"x = 0.20: Li, P; x = 0.50: Na, P"):
        composition_grid({0.2: one, 0.5: other})


def test_extrapolation_warns_for_each_composition_and_species():
    warnings = grid().warnings_at(300.0)
    assert len(warnings) == 8
    assert warnings[0].startswith("x = 0.00, Li: 300 K is outside the measured 600 to 1000 K")
    assert grid().warnings_at(700.0) == []


def test_transformation_of_the_frame_applies_to_values_and_intervals():
    frame = np.array([[0.8, -0.3], [-0.1, 0.6], [-0.2, -0.2]])
    found = grid().parts_at(0.45, 700.0).estimate(0.95, frame)
    value = grid().at(0.45, 700.0).value
    np.testing.assert_allclose(found.value, frame @ value @ frame.T)
    assert (found.lower <= found.value).all()
    assert (found.value <= found.upper).all()


def test_x_is_read_from_amounts():
    """Li7P3S11 with 24 Li is 24/45; points off the line have a distance from it."""
    none = np.zeros(3)
    assert LINE.elements == ("Li", "P", "S")
    x, error, off = LINE.nearest(np.array([31.0, 3.0, 11.0]), none)
    assert (x, error) == (pytest.approx(24 / 45), 0.0)
    assert off == pytest.approx(0.0, abs=1e-12)
    assert LINE.nearest(np.array([2.0, 0.0, 1.0]), none)[2] > 0.05  # Li2S
    assert LINE.nearest(np.array([5.0, 0.0, 0.0]), none)[0] == pytest.approx(1.0)
    assert np.isnan(LINE.nearest(none, none)[0])


def test_error_of_x_follows_from_the_amounts():
    """Compare with a finite difference."""
    amounts, error = np.array([31.0, 3.0, 11.0]), np.array([0.5, 0.0, 0.0])
    shifted = [LINE.nearest(amounts + s * error, error)[0] for s in (-1e-3, 1e-3)]
    assert LINE.nearest(amounts, error)[1] == pytest.approx((shifted[1] - shifted[0]) / 2e-3, rel=1e-5)


def densities(x: np.ndarray) -> np.ndarray:
    return 0.05 * np.stack([LINE.shares(each) for each in x], axis=1)


def test_slices_have_the_coefficients_of_their_composition():
    """In the barycentric frame; slices outside the grid have a reason."""
    x = np.repeat([0.15, 0.45, 0.95], 12)
    edges = np.linspace(0.0, 36.0, 37)
    found = onsager_along_normal(grid(), LINE, "S", LINE.elements, edges, densities(x), 700.0, window_angstrom=1.0)
    np.testing.assert_allclose(found.x_electrode, x, atol=1e-9)
    assert found.species == ("Li", "P", "S")
    masses = np.array([6.94, 30.973761998, 32.06])
    values = found.onsager.value[:24]
    np.testing.assert_allclose(np.einsum("i,kij->kj", masses, values), 0.0, atol=1e-12 * values.max())
    counts, centre = LINE.shares(0.15), LINE.shares(0.15) * masses
    frame = np.eye(3) - np.outer(counts, masses) / centre.sum()
    padded = np.zeros((3, 3))
    padded[:2, :2] = grid().at(0.15, 700.0).value
    np.testing.assert_allclose(found.onsager.value[5], frame @ padded @ frame.T, rtol=1e-9)
    assert found.reasons[:24] == (None,) * 24
    assert set(found.reasons[24:]) == {"its x is outside the grid, 0.00 to 0.90"}
    assert np.isnan(found.onsager.value[30]).all()


def test_window_averages_over_layers_of_atoms():
    """Alternating Li and S, 1 Å each: without a window every slice is off the line; elements in any order."""
    layers = densities(np.full(24, 0.4))
    layers[0, ::2], layers[0, 1::2] = 2 * layers[0, ::2], 0.0
    layers[1:, 1::2], layers[1:, ::2] = 2 * layers[1:, 1::2], 0.0
    edges = np.linspace(0.0, 24.0, 25)
    arguments = (grid(), LINE, "S", ("S", "P", "Li"), edges, layers[::-1], 700.0)
    single = onsager_along_normal(*arguments, window_angstrom=1.0)
    assert not any(reason is None for reason in single.reasons)
    smooth = onsager_along_normal(*arguments, window_angstrom=6.0)
    np.testing.assert_allclose(smooth.x_electrode, 0.4, atol=1e-9)
    assert smooth.reasons == (None,) * 24


def test_empty_slices_and_those_off_the_line_are_unavailable():
    """Li2S is not on the line from lithium to Li7P3S11 by more than is let pass; vacuum has no composition."""
    density = densities(np.full(12, 0.4))
    density[:, 3] = 0.0
    density[:, 6] = [0.01, 0.0, 0.03]
    found = onsager_along_normal(
        grid(), LINE, "S", LINE.elements, np.linspace(0.0, 12.0, 13), density, 700.0, window_angstrom=1.0
    )
    assert found.reasons[3] == "the slice is empty"
    assert "not on the line of the grid" in (found.reasons[6] or "")


def test_fluxes_are_driven_down_the_gradients_of_the_local_composition():
    """J = - L grad(mu) of an ideal solution in one slice; no net mass flux; mirrored profiles reverse the fluxes."""
    x = 0.45 + 0.2 * np.cos(2 * np.pi * (np.arange(30) + 0.5) / 30)
    edges, density = np.linspace(0.0, 30.0, 31), densities(x)
    arguments = (grid(), LINE, "S", LINE.elements, edges)
    found = onsager_along_normal(*arguments, density, 700.0, window_angstrom=1.0)
    flux = found.flux_atoms_per_nm2_ps
    shares = np.log(density / density.sum(axis=0))
    slope = KB_EV_PER_K * 700.0 * (shares[:, 9] - shares[:, 7]) / 2.0
    np.testing.assert_allclose(flux.value[8], -100.0 * found.onsager.value[8] @ slope)
    # a fraction of lithium that falls drives it up, and back on the other side, also across the border of the cell
    assert flux.value[7, 0] > 0 > flux.value[22, 0]
    np.testing.assert_allclose(flux.value, -flux.value[::-1], atol=1e-9 * np.abs(flux.value).max())
    np.testing.assert_allclose(flux.value @ [6.94, 30.973761998, 32.06], 0.0, atol=1e-9 * np.abs(flux.value).max())
    assert (flux.lower <= flux.value).all()
    assert (flux.value <= flux.upper).all()
    assert flux.lower[7, 0] > 0


def test_slice_without_a_species_of_the_grid_is_unavailable():
    """Li2S is near the line, at its x = 0.51, and holds no phosphorus to have a coefficient."""
    density = densities(np.full(12, 0.5))
    density[:, 6] = [0.04, 0.0, 0.02]
    found = onsager_along_normal(
        grid(), LINE, "S", LINE.elements, np.linspace(0.0, 12.0, 13), density, 700.0, window_angstrom=1.0
    )
    assert found.off_line[6] < 0.1
    assert found.reasons[6] == "the slice has no P, unlike the cells of the grid"
    assert np.isfinite(found.onsager.value[[5, 7]]).all()


@pytest.mark.parametrize("window_angstrom", [1.0, 5.0, 6.0, 6.5, 12.0, 40.0])
def test_window_is_centred_on_the_slice(window_angstrom):
    """A symmetric profile gives symmetric coefficients, without a shift by half a slice."""
    half = np.linspace(0.1, 0.8, 9)
    density = densities(np.concatenate([half, half[::-1]]))
    found = onsager_along_normal(
        grid(),
        LINE,
        "S",
        LINE.elements,
        np.linspace(0.0, 18.0, 19),
        density,
        700.0,
        window_angstrom=window_angstrom,
    )
    np.testing.assert_allclose(found.x_electrode, found.x_electrode[::-1], atol=1e-12)
    assert found.x_electrode.mean() == pytest.approx(half.mean())


def test_a_profile_is_averaged_over_its_frames():
    """As `composition_profile` returns it; other elements raise."""
    edges = np.linspace(0.0, 12.0, 13)
    density = np.stack([densities(np.full(12, x)) for x in (0.2, 0.4, 0.4)])
    profile = ProfileSeries(np.arange(3.0), LINE.elements, edges, density, np.ones(density.shape, dtype=int))
    mean = profile.mean_over(slice(1, None))
    found = onsager_along_normal(grid(), LINE, "S", LINE.elements, edges, mean, 700.0)
    np.testing.assert_allclose(found.x_electrode, 0.4, atol=1e-9)
    with pytest.raises(AnalysisError, match="all must be of the same elements"):
        onsager_along_normal(grid(species=("Na", "P")), LINE, "S", LINE.elements, edges, mean, 700.0)
