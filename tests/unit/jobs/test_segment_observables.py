"""Moments of the observables of a segment."""

import numpy as np
import pytest
from scipy.signal import lfilter

from interphase_flows.jobs.dynamics.segment_observables import _moments


def test_standard_error_accounts_for_correlation():
    """The error of the mean of an autoregressive process of coefficient 0.8 is 3 times that of independent values."""
    rng = np.random.default_rng(5)
    series = lfilter([1.0], [1.0, -0.8], rng.normal(size=20_000))
    moments = _moments("normal_stress", "GPa", series, np.ones(len(series), dtype=bool))
    naive = moments["normal_stress_std_GPa"] / np.sqrt(len(series))
    assert moments["normal_stress_standard_error_GPa"] / naive == pytest.approx(3.0, rel=0.1)
    assert (
        _moments("volume", "angstrom3", np.empty(0), np.ones(3, dtype=bool))["volume_standard_error_angstrom3"] is None
    )


def test_single_value_has_no_standard_error():
    moments = _moments("temperature", "K", np.array([300.0]), np.ones(1, dtype=bool))
    assert moments == {
        "temperature_mean_K": 300.0,
        "temperature_std_K": 0.0,
        "temperature_standard_error_K": None,
    }


@pytest.mark.parametrize("n", [80, 300])
@pytest.mark.parametrize("correlation", [0.0, 0.8, 0.9])
def test_two_standard_errors_contain_the_true_mean(n, correlation):
    generator, contained = np.random.default_rng(n), []
    for _ in range(400):
        values = lfilter([1.0], [1.0, -correlation], generator.normal(size=n + 200))[200:]
        moments = _moments("volume", "angstrom3", values, np.ones(n, dtype=bool))
        contained.append(abs(moments["volume_mean_angstrom3"]) < 2 * moments["volume_standard_error_angstrom3"])
    assert 0.78 < np.mean(contained) <= 1.0


def test_short_series_have_no_standard_error():
    moments = _moments("temperature", "K", np.arange(79.0), np.ones(79, dtype=bool))
    assert moments["temperature_standard_error_K"] is None
    assert moments["temperature_mean_K"] == 39.0
