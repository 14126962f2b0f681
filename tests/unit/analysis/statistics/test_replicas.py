"""Reduction over replicas."""

import numpy as np
import pytest

from interphase_flows.analysis.statistics.replicas import over_replicas
from interphase_flows.exceptions import AnalysisError


def test_mean_error_and_range_of_three_replicas():
    band = over_replicas([1.0, 2.0, 3.0])
    assert band.mean == 2.0
    assert band.standard_error == pytest.approx(1.0 / np.sqrt(3))
    assert (band.minimum, band.maximum, band.n_replicas) == (1.0, 3.0, 3)


def test_one_replica_has_no_interval():
    band = over_replicas([[1.0, 2.0]])
    assert np.isnan(band.standard_error).all()


def test_series_are_cut_to_the_shortest():
    band = over_replicas([np.ones((5, 2)), np.zeros((3, 2))])
    assert band.mean.shape == (3, 2)
    np.testing.assert_allclose(band.mean, 0.5)


def test_no_replica_is_refused():
    with pytest.raises(AnalysisError, match="at least one"):
        over_replicas([])


def test_different_quantities_are_refused():
    with pytest.raises(AnalysisError, match="different shapes"):
        over_replicas([np.ones((5, 2)), np.ones((5, 3))])
