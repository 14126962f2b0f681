"""Rates of collective displacements and their errors."""

import numpy as np
import pytest

from interphase_flows.analysis.transport.covariance_estimator import block_steps


@pytest.mark.parametrize("block_frames", [1, 5])
@pytest.mark.parametrize("n_axes", [1, 3])
def test_diagonal_rates_and_errors_are_those_of_the_matrix(block_frames, n_axes):
    """With rare jumps, of which the scatter gives the error."""
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(800, 3, n_axes))
    steps[:, 2] *= rng.random((800, 1)) < 0.02
    found = block_steps(np.cumsum(steps, axis=0), block_frames, 0.1)
    rate, error = found.diagonal
    np.testing.assert_allclose(rate, np.diagonal(found.rate_angstrom2_per_ps), rtol=1e-12)
    np.testing.assert_allclose(error, np.diagonal(found.standard_error), rtol=1e-12)


def test_covariance_of_gaussian_steps_follows_from_isserlis_theorem():
    """Summed over all pairs of axes, element by element."""
    walk = np.cumsum(np.random.default_rng(1).normal(size=(500, 2, 3)), axis=0)
    found = block_steps(walk, 3, 1.0)
    zero, one = found._lags
    scale = 1.0 / (2.0 * 3 * 3.0)
    expected = np.zeros((2, 2, 2, 2))
    for i, j, k, m in np.ndindex(2, 2, 2, 2):
        for first, second, weight in ((zero, zero, 3.0), (zero, one, 4.0), (one, zero, 4.0), (one, one, 8.0)):
            same = (first[i, :, k] * second[j, :, m]).sum()
            crossed = (first[i, :, m] * second[j, :, k]).sum()
            expected[i, j, k, m] += weight * (same + crossed) * scale**2 / found.n_steps
    excess = np.sqrt(np.einsum("ijij->ij", found.covariance) / np.einsum("ijij->ij", expected))
    assert (excess >= 1.0 - 1e-12).all()
    np.testing.assert_allclose(found.covariance, expected * excess[:, :, None, None] * excess, rtol=1e-12, atol=1e-15)
