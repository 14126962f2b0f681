"""Averages over replicas."""

import numpy as np
import pytest

from interphase_flows.analysis.statistics.replicas import between_replicas, mean_over_replicas
from interphase_flows.exceptions import AnalysisError


def test_mean_and_interval_of_three_replicas():
    found = mean_over_replicas([1.0, 2.0, 3.0])
    assert found.value == 2.0
    assert found.standard_error == pytest.approx(1.0 / np.sqrt(3))
    assert found.upper - found.value == pytest.approx(4.303 / np.sqrt(3), rel=1e-3)
    assert found.n_independent == 3


def test_standard_error_of_three_replicas_is_not_that_of_a_normal_distribution():
    found = between_replicas([1.0, 2.0, 3.0])
    assert found == mean_over_replicas([1.0, 2.0, 3.0])
    assert found.standard_error == pytest.approx(1.0 / np.sqrt(3))


def test_one_replica_has_no_interval():
    found = mean_over_replicas([[1.0, 2.0]])
    assert np.isnan(found.standard_error).all()


def test_series_are_cut_to_the_shortest():
    found = mean_over_replicas([np.ones((5, 2)), np.zeros((3, 2))])
    assert found.value.shape == (3, 2)
    np.testing.assert_allclose(found.value, 0.5)


def test_no_replica_raises():
    with pytest.raises(AnalysisError, match="no replica"):
        mean_over_replicas([])


def test_different_shapes_raise():
    with pytest.raises(AnalysisError, match="different shapes"):
        mean_over_replicas([np.ones((5, 2)), np.ones((5, 3))])
