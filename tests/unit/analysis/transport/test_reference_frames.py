"""Reference frames."""

import numpy as np
import pytest

from brownian import MASSES_U, SYMBOLS, Brownian
from interphase_flows.analysis.transport import onsager_matrix
from interphase_flows.analysis.transport.momentum_constraint import without_barycentre
from interphase_flows.analysis.transport.reference_frames import (
    frame_matrix,
)
from interphase_flows.exceptions import AnalysisError

NULL = 1e-10
FRAMES = [("barycentric", ()), ("lattice", ("P", "S")), ("hittorf", ("S",))]


@pytest.fixture(scope="module")
def frames():
    return Brownian().frames(np.random.default_rng(0), 600)


@pytest.mark.parametrize(("name", "at_rest"), FRAMES)
def test_transformed_coefficients_are_those_of_transformed_displacements(frames, name, at_rest):
    """T L T^T from the barycentric L, against steps that were taken in the frame itself."""
    barycentric = onsager_matrix(frames, temperature_K=600, step_ps=4)
    ours = onsager_matrix(frames, temperature_K=600, step_ps=4, frame=name, at_rest=at_rest)
    matrix = Brownian().frame(name, at_rest)
    expected = matrix @ barycentric.onsager.value @ matrix.T
    np.testing.assert_allclose(ours.onsager.value, expected, rtol=1e-9, atol=NULL * expected.max())


def test_momentum_is_conserved_in_the_barycentric_frame(frames):
    """sum_i m_i L_ij = 0."""
    found = onsager_matrix(frames, temperature_K=600).onsager.value
    assert np.abs(MASSES_U @ found).max() <= NULL * np.abs(found).max()


def test_what_is_at_rest_does_not_move(frames):
    hittorf = onsager_matrix(frames, temperature_K=600, frame="hittorf", at_rest=["S"]).onsager
    assert np.abs(hittorf.value[2]).max() <= NULL * hittorf.value.max()
    lattice = onsager_matrix(frames, temperature_K=600, frame="lattice", at_rest=["P", "S"]).onsager
    assert np.abs(lattice.value[1] + lattice.value[2]).max() <= NULL * lattice.value.max()


def test_what_the_barycentre_takes_from_self_diffusion_is_put_back():
    """Exactly, for atoms that move by themselves; of two atoms alone it cannot be, and nothing breaks."""
    for counts in ((31, 3, 11), (1, 1, 1), (360, 80, 200)):
        known = Brownian(counts, (0.3, 0.002, 0.05), np.zeros((3, 3)))
        found, error = without_barycentre(known.self_rate(), np.zeros(3), known.counts, MASSES_U)
        np.testing.assert_allclose(found, known.diffusion, rtol=1e-9)
        assert (error == 0.0).all()
    two, _ = without_barycentre(np.array([0.1, 0.02]), np.zeros(2), np.array([1, 1]), MASSES_U[:2])
    assert np.isfinite(two).all()


def test_a_species_at_rest_has_exact_zeros():
    """Rounding would be taken for motion, with a scatter and a number of independent steps: 49 x (1 / 49) is not 1."""
    for count in (7, 49, 98, 103):
        matrix = frame_matrix("hittorf", SYMBOLS, np.array([31, 3, count]), MASSES_U, ["S"])
        assert (matrix[2] == 0.0).all()
    found = onsager_matrix(
        Brownian((20, 8, 49)).frames(np.random.default_rng(0), 400),
        temperature_K=600,
        frame="hittorf",
        at_rest=["S"],
    )
    assert np.isinf(found.n_independent[2])
    assert found.half_window_z[2] == 0.0


@pytest.mark.parametrize(("name", "at_rest"), FRAMES)
def test_a_species_of_which_there_is_none_changes_nothing(name, at_rest):
    """A slice of Li2S has no phosphorus; the others are as if it had never been named."""
    counts = np.array([31.0, 0.0, 11.0])
    matrix = frame_matrix(name, SYMBOLS, counts, MASSES_U, at_rest)
    rest = tuple(symbol for symbol in at_rest if symbol != "P")
    without = frame_matrix(name, ("Li", "S"), counts[[0, 2]], MASSES_U[[0, 2]], rest)
    np.testing.assert_allclose(matrix[np.ix_([0, 2], [0, 2])], without)
    np.testing.assert_allclose(matrix[1], [0.0, 1.0, 0.0])
    with pytest.raises(AnalysisError, match="no atom of P is present to define the hittorf frame"):
        frame_matrix("hittorf", SYMBOLS, counts, MASSES_U, ["P"])


@pytest.mark.parametrize(("name", "at_rest"), FRAMES)
def test_a_common_displacement_is_none(name, at_rest):
    counts = np.array([7, 3, 5])
    common = counts[None, :, None] * np.array([1.0, -2.0, 0.5])
    matrix = frame_matrix(name, SYMBOLS, counts, MASSES_U, at_rest)
    np.testing.assert_allclose(np.einsum("ij,tjx->tix", matrix, common), 0.0, atol=1e-12)


def test_two_species_have_one_coefficient_in_the_barycentric_frame():
    """|L_12| / L_22 = m_2 / m_1 for any dynamics."""
    ours = Brownian(counts=(10, 6), diffusion=(0.4, 0.1), together=((3.0, 1.0), (1.0, 1.5)))
    found = onsager_matrix(ours.frames(np.random.default_rng(1), 400), temperature_K=600).onsager.value
    assert found[0, 1] < 0
    assert -found[0, 1] / found[1, 1] == pytest.approx(MASSES_U[1] / MASSES_U[0], rel=NULL)
    assert -found[0, 1] / found[0, 0] == pytest.approx(MASSES_U[0] / MASSES_U[1], rel=NULL)


def test_three_species_have_no_independent_off_diagonal_coefficient(frames):
    """In the barycentric frame L_12, L_13 and L_23 follow from the diagonal."""
    found = onsager_matrix(frames, temperature_K=600).onsager.value
    m = MASSES_U
    weighted = m**2 * np.diagonal(found)
    for i, j, k in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
        expected = (weighted[k] - weighted[i] - weighted[j]) / (2 * m[i] * m[j])
        assert found[i, j] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    ("name", "at_rest", "message"),
    [
        ("laboratory", (), "choose from barycentric, lattice, hittorf"),
        ("barycentric", ("S",), "needs no species"),
        ("hittorf", ("P", "S"), "needs one species"),
        ("lattice", (), "needs the host's species"),
        ("hittorf", ("Cl",), "at_rest names Cl"),
    ],
)
def test_invalid_frames_raise(name, at_rest, message):
    with pytest.raises(AnalysisError, match=message):
        frame_matrix(name, SYMBOLS, np.array([1, 1, 1]), MASSES_U, at_rest)
