"""Transport over replicas: means, intervals, and whether replicas agree."""

import numpy as np
import pytest

from brownian import Brownian
from interphase_flows.analysis.transport import Estimate, ionic_conduction, onsager_matrix
from interphase_flows.analysis.transport.replica_average import agreement, over_replicas_of, pooled_transport
from interphase_flows.analysis.transport.transport import TransportAnalysis
from interphase_flows.exceptions import AnalysisError

CHARGES = {"Li": 1.0, "P": 5.0, "S": -2.0}


def answer(seed, temperature_K=600.0, **model):
    frames = Brownian(**model).frames(np.random.default_rng(seed), 300)
    result = onsager_matrix(frames, temperature_K=temperature_K)
    return TransportAnalysis({}, result, ionic_conduction(result, CHARGES))


@pytest.fixture(scope="module")
def replicas():
    return [answer(seed) for seed in range(4)]


def test_the_mean_of_replicas_has_the_interval_of_their_spread(replicas):
    found = pooled_transport(replicas)
    values = np.array([each.onsager.onsager.value for each in replicas])
    pooled = found["onsager_per_eV_angstrom_ps"]
    np.testing.assert_allclose(pooled["value"], values.mean(axis=0))
    half = 3.182446 * values.std(axis=0, ddof=1) / 2.0  # Student's t for three degrees of freedom
    np.testing.assert_allclose(pooled["upper"] - pooled["value"], half, rtol=1e-5)
    assert found["judged_by"] == "their spread"
    assert found["apart"] == []
    sigma = [float(each.conduction.conductivity_S_per_m.value) for each in replicas]
    assert found["conductivity_S_per_m"]["value"] == pytest.approx(np.mean(sigma))
    haven = found["haven_ratio"]
    assert haven["lower"] < haven["value"] < haven["upper"]
    assert haven["value"] == pytest.approx(float(found["nernst_einstein_S_per_m"]["value"]) / np.mean(sigma))


def test_two_replicas_are_judged_by_their_errors(replicas):
    found = pooled_transport(replicas[:2])
    assert found["judged_by"] == "the errors within them"
    errors = np.array([each.onsager.onsager.standard_error for each in replicas[:2]])
    half = 1.959964 * np.sqrt((errors**2).sum(axis=0)) / 2.0
    pooled = found["onsager_per_eV_angstrom_ps"]
    np.testing.assert_allclose(pooled["upper"] - pooled["value"], half, rtol=1e-5)


def test_a_replica_that_moves_otherwise_is_named(replicas):
    other = answer(9, diffusion=(0.3, 0.05, 2.0))
    found = pooled_transport([*replicas[:2], other])
    assert "L of S-S" in found["apart"]
    assert "self-diffusion of S" in found["apart"]
    assert found["smallest_p"] < 1e-4


def test_replicas_without_coefficients_are_counted(replicas):
    found = pooled_transport([*replicas[:2], None])
    assert (found["n_replicas"], found["n_asked"]) == (2, 3)
    with pytest.raises(AnalysisError, match="1 of 2 replicas have coefficients"):
        pooled_transport([replicas[0], None])


def test_replicas_that_agree_are_seldom_told_apart():
    """Numbers of known error: p is below 5 % in 5 % of the draws."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(1.0, 0.1, (4, 4000))
    error = np.full(4000, 0.1)
    found = agreement([Estimate(row, row, row, standard_error=error) for row in drawn])
    assert (found < 0.05).mean() == pytest.approx(0.05, abs=0.011)
    pooled = over_replicas_of([Estimate(row, row, row, standard_error=error) for row in drawn])
    assert ((pooled.lower < 1.0) & (pooled.upper > 1.0)).mean() == pytest.approx(0.95, abs=0.011)
