"""Transport over replicas: means, intervals, and whether replicas agree."""

import numpy as np
import pytest

from brownian import Brownian
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport import onsager_matrix
from interphase_flows.analysis.transport.replica_average import agreement, average_of, average_transport
from interphase_flows.analysis.transport.summary import TransportResult, summarise_onsager
from interphase_flows.exceptions import AnalysisError

CHARGES = {"Li": 1.0, "P": 5.0, "S": -2.0}
UNAVAILABLE = Unavailable(reason="too short")


def replica(seed, **model):
    frames = Brownian(counts=(10, 6, 20), **model).frames(np.random.default_rng(seed), 300)  # neutral
    return TransportResult(
        frame="barycentric",
        at_rest=(),
        charges_e=CHARGES,
        charges_from="as specified",
        entire_cell=summarise_onsager(onsager_matrix(frames, temperature_K=600.0), CHARGES),
        windows=UNAVAILABLE,
        slabs=UNAVAILABLE,
    )


@pytest.fixture(scope="module")
def replicas():
    return [replica(seed) for seed in range(4)]


def test_interval_of_the_mean_comes_from_the_spread_of_replicas(replicas):
    average = average_transport(replicas)
    values = np.array([each.entire_cell.onsager_per_eV_angstrom_ps.value for each in replicas])
    mean = average.onsager_per_eV_angstrom_ps
    np.testing.assert_allclose(mean.value, values.mean(axis=0))
    half = 3.182446 * values.std(axis=0, ddof=1) / 2.0  # Student's t for three degrees of freedom
    np.testing.assert_allclose(mean.upper - mean.value, half, rtol=1e-5)
    assert average.error_source == "spread between replicas"
    assert average.differing == ()
    sigma = np.mean([float(each.entire_cell.conduction.conductivity_S_per_m.value) for each in replicas])
    assert average.conductivity_S_per_m.value == pytest.approx(sigma)
    haven = average.haven_ratio
    assert haven.lower < haven.value < haven.upper
    assert haven.value == pytest.approx(float(average.nernst_einstein_S_per_m.value) / sigma)


def test_interval_of_two_replicas_comes_from_the_errors_within_them(replicas):
    average = average_transport(replicas[:2])
    assert average.error_source == "errors within replicas"
    errors = np.array([each.entire_cell.onsager_per_eV_angstrom_ps.standard_error for each in replicas[:2]])
    half = 1.959964 * np.sqrt((errors**2).sum(axis=0)) / 2.0
    mean = average.onsager_per_eV_angstrom_ps
    np.testing.assert_allclose(mean.upper - mean.value, half, rtol=1e-5)


def test_quantities_that_differ_between_replicas_are_named(replicas):
    average = average_transport([*replicas[:2], replica(9, diffusion=(0.3, 0.05, 2.0))])
    assert "L of S-S" in average.differing
    assert "self-diffusion of S" in average.differing
    assert average.smallest_p < 1e-4


def test_replicas_without_coefficients_are_counted(replicas):
    unavailable = replicas[2].model_copy(update={"entire_cell": UNAVAILABLE})
    average = average_transport([*replicas[:2], None, unavailable])
    assert (average.n_replicas, average.n_total) == (2, 4)
    with pytest.raises(AnalysisError, match="1 of 2 replicas have coefficients"):
        average_transport([replicas[0], UNAVAILABLE])


def test_result_survives_json(replicas):
    """Estimates keep their standard errors; NaN and infinity become null."""
    stored = TransportResult.model_validate_json(replicas[0].model_dump_json())
    np.testing.assert_array_equal(
        stored.entire_cell.onsager_per_eV_angstrom_ps.standard_error,
        replicas[0].entire_cell.onsager_per_eV_angstrom_ps.standard_error,
    )
    assert stored.model_dump_json() == replicas[0].model_dump_json()


def test_agreement_has_uniform_p_values():
    """Numbers of known error: p is below 5 % in 5 % of the draws."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(1.0, 0.1, (4, 4000))
    error = np.full(4000, 0.1)
    found = agreement([Estimate(row, row, row, standard_error=error) for row in drawn])
    assert (found < 0.05).mean() == pytest.approx(0.05, abs=0.011)
    pooled = average_of([Estimate(row, row, row, standard_error=error) for row in drawn])
    assert ((pooled.lower < 1.0) & (pooled.upper > 1.0)).mean() == pytest.approx(0.95, abs=0.011)
