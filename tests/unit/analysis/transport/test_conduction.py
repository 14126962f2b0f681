"""Conductivity, transference numbers and the Haven ratio."""

import numpy as np
import pytest
from ase import units

from brownian import Brownian
from interphase_flows.analysis.transport import ionic_conduction, onsager_matrix
from interphase_flows.exceptions import AnalysisError

CHARGES = {"Li": 1.0, "P": 5.0, "S": -2.05}
IONS = {"Li": 1.0, "P": 0.0, "S": 0.0}


@pytest.fixture(scope="module")
def result():
    return onsager_matrix(Brownian().frames(np.random.default_rng(0), 800), temperature_K=600)


def test_conductivity_in_si_units_is_that_of_the_charge_displacement(result):
    """From SI constants and the SI coefficients: sigma = (e z)^T L (e z), L in 1/(J m s), e in C."""
    charge_C = np.array(list(CHARGES.values())) * units._e
    found = ionic_conduction(result, CHARGES)
    expected = charge_C @ result.onsager_per_J_m_s.value @ charge_C
    assert found.conductivity_S_per_m.value == pytest.approx(expected, rel=1e-9)
    assert found.conductivity_S_per_m.lower < expected < found.conductivity_S_per_m.upper
    assert found.net_charge_e == pytest.approx(36 + 40 - 41)


def test_units_of_coefficients_and_diffusion(result):
    """1/(eV Å ps) and Å²/ps against SI, by ASE's constants."""
    factor = 1 / (units._e * 1e-10 * 1e-12)
    np.testing.assert_allclose(result.onsager_per_J_m_s.value, result.onsager.value * factor)
    np.testing.assert_allclose(result.onsager_mol2_per_J_m_s.value, result.onsager.value * factor / units._Nav**2)
    diffusion = result.self_diffusion_angstrom2_per_ps.value
    np.testing.assert_allclose(result.self_diffusion_cm2_per_s.value, diffusion * 1e-16 / 1e-12)


def test_transference_numbers_add_up_to_one(result):
    found = ionic_conduction(result, CHARGES).transference
    assert sum(each.value for each in found.values()) == pytest.approx(1.0)
    assert all(each.lower <= each.value <= each.upper for each in found.values())
    only_lithium = ionic_conduction(result, IONS).transference
    assert [each.value for each in only_lithium.values()] == pytest.approx([1.0, 0.0, 0.0])


def test_the_haven_ratio_is_that_of_self_and_collective_motion(result):
    """With one mobile species N D* / Lambda, which is 1 for independent ions in the frame of a host at rest."""
    found = ionic_conduction(result, IONS)
    expected = result.self_part.value[0] / result.onsager.value[0, 0]
    assert found.haven_ratio.value == pytest.approx(expected)
    assert found.haven_ratio.lower < expected < found.haven_ratio.upper
    alone = Brownian(counts=(40, 8, 80), diffusion=(0.3, 1e-9, 1e-9), together=np.zeros((3, 3)))
    frames = alone.frames(np.random.default_rng(1), 800)
    in_host = onsager_matrix(frames, temperature_K=600, frame="lattice", at_rest=["P", "S"])
    haven = ionic_conduction(in_host, IONS).haven_ratio
    assert haven.lower < 1.0 < haven.upper
    assert haven.upper - haven.lower < 0.6


def test_a_conductivity_that_is_not_distinct_from_zero_has_no_transference_numbers():
    still = Brownian(diffusion=(1e-12,) * 3, together=np.zeros((3, 3)), vibration_angstrom=0.3)
    result = onsager_matrix(still.frames(np.random.default_rng(2), 800), temperature_K=600)
    found = ionic_conduction(result, CHARGES)
    assert found.conductivity_S_per_m.lower == 0.0
    assert all(np.isnan(each.value) for each in found.transference.values())
    assert np.isinf(found.haven_ratio.upper)


def test_what_does_not_move_conducts_nothing():
    """Not 0 / 0."""
    still = Brownian(diffusion=(0.0,) * 3, together=np.zeros((3, 3)))
    frames = still.frames(np.random.default_rng(0), 200)
    found = ionic_conduction(onsager_matrix(frames, temperature_K=600), CHARGES)
    assert found.conductivity_S_per_m.upper == 0.0
    assert (found.haven_ratio.lower, found.haven_ratio.upper) == (0.0, np.inf)


@pytest.mark.parametrize(
    ("charges", "message"),
    [
        ({"Li": 1}, "one charge for each species"),
        ({"Li": 1, "P": 5, "S": -2, "Cl": -1}, "one charge for each species"),
        ({"Li": 0, "P": 0, "S": 0}, "all charges are zero"),
    ],
)
def test_charges_that_do_not_match_the_species_raise(result, charges, message):
    with pytest.raises(AnalysisError, match=message):
        ionic_conduction(result, charges)
