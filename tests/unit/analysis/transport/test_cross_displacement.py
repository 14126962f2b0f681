"""Mean squared cross-displacement."""

import numpy as np
import pytest
import tidynamics

from interphase_flows.analysis.transport.cross_displacement import cross_displacement, short_lag_rate
from interphase_flows.exceptions import AnalysisError

FFT_RELATIVE_ERROR = 1e-12


@pytest.fixture
def walk():
    return np.cumsum(np.random.default_rng(0).normal(size=(200, 3, 3)), axis=0) + 50.0


def test_fourier_transforms_give_the_direct_sum(walk):
    """Every lag and pair of species, to 1e-12 of the largest value."""
    n = len(walk)
    direct = np.array(
        [np.einsum("tia,tja->ij", walk[t:] - walk[: n - t], walk[t:] - walk[: n - t]) / (n - t) for t in range(n)]
    )
    np.testing.assert_allclose(cross_displacement(walk), direct, rtol=0, atol=FFT_RELATIVE_ERROR * np.abs(direct).max())


def test_first_lags_are_those_of_all(walk):
    np.testing.assert_allclose(
        cross_displacement(walk, 7), cross_displacement(walk)[:7], rtol=FFT_RELATIVE_ERROR, atol=1e-9
    )


def test_another_library_gives_the_same(walk):
    """tidynamics, axis by axis."""
    theirs = np.sum([tidynamics.cross_displacement(walk[:, :, axis]) for axis in range(3)], axis=0)
    ours = np.moveaxis(cross_displacement(walk), 0, -1)
    # it subtracts large sums of products of absolute positions
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=100 * FFT_RELATIVE_ERROR * np.abs(theirs).max())


def test_the_slope_at_short_lags_is_not_moved_by_drift_or_vibration():
    """4000 frames; lags of 2 to 6 frames; the standard error is 3 %."""
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(size=(4000, 2, 3)), axis=0) + 2.0 * rng.normal(size=(4000, 2, 3))
    rate = short_lag_rate(walk, 1.0, 2, 6)
    np.testing.assert_allclose(rate, [[0.5, 0.0], [0.0, 0.5]], atol=0.08)
    drifting = walk + np.arange(4000)[:, None, None] * np.array([3.0, -1.0, 0.2])
    np.testing.assert_allclose(short_lag_rate(drifting, 1.0, 2, 6), rate, rtol=1e-5, atol=1e-6)


def test_invalid_lags_raise(walk):
    with pytest.raises(AnalysisError, match="first < last < frames"):
        short_lag_rate(walk, 1.0, 5, 200)
