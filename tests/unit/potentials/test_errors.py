"""Errors on labelled frames, and calibration."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from interphase_flows.potentials.errors import FrameErrors, calibrate, frame_errors, summarise
from interphase_flows.schemas.origin import Origin


def frame(largest_error: float, uncertainty: float, energy_error: float = 0.0) -> FrameErrors:
    """Return errors of two atoms, of which one has a force error of this norm."""
    error = np.array([[0.6, 0.8, 0.0], [0.0, 0.0, 0.0]]) * largest_error
    return FrameErrors(
        origin=Origin("interface/1"),
        numbers=np.array([3, 16]),
        reference_energy_eV_per_atom=-1.0,
        energy_error_eV_per_atom=energy_error,
        reference_forces=np.zeros((2, 3)),
        forces_error=error,
        stress_error=np.zeros(6),
        force_std=np.array([uncertainty, 0.0]),
        uncertainty=uncertainty,
    )


class TwoMembers:
    """A committee whose second member has forces of 0.3 and 0.4 eV/Å more on atom 0."""

    def predict_all(self, atoms):
        forces = np.zeros((2, len(atoms), 3))
        forces[1, 0] = [0.3, 0.4, 0.0]
        return np.array([-6.0, -5.0]), forces, np.zeros((2, 6))


def test_errors_are_of_the_first_member_and_uncertainty_is_the_monitors():
    """The standard deviation of two members is half of their difference of 0.5 eV/Å."""
    from interphase_flows.md.uncertainty_monitor import force_std

    atoms = Atoms("Li2", positions=[[0, 0, 0], [2.5, 0, 0]], cell=[6, 6, 6], pbc=True)
    forces, stress = np.array([[0.0, 0, 0.1], [0, 0, 0]]), np.full(6, 0.01)
    atoms.calc = SinglePointCalculator(atoms, energy=-6.4, forces=forces, stress=stress)
    atoms.info["origin"] = "audit/audit-1"
    (errors,) = frame_errors(TwoMembers(), [atoms])
    assert errors.energy_error_eV_per_atom == pytest.approx(0.2)
    assert errors.reference_energy_eV_per_atom == pytest.approx(-3.2)
    assert errors.largest_force_error == pytest.approx(0.1)
    assert errors.uncertainty == pytest.approx(0.25)
    np.testing.assert_allclose(errors.force_std, [0.25, 0.0])
    assert errors.uncertainty == pytest.approx(force_std(TwoMembers().predict_all(atoms)[1]).max())
    np.testing.assert_allclose(errors.stress_error, -stress)


def test_errors_are_in_mev_and_per_component():
    """Six force components, two of them with an error."""
    summary = summarise([frame(0.1, 1.0, 0.002), frame(0.0, 1.0, -0.004)])
    assert summary.energy_mae_meV_per_atom == pytest.approx(3.0)
    assert summary.energy_rmse_meV_per_atom == pytest.approx(np.sqrt(10.0))
    assert summary.forces_mae_meV_per_angstrom == pytest.approx((60 + 80) / 12)
    assert summary.forces_rmse_meV_per_angstrom == pytest.approx(np.sqrt((60**2 + 80**2) / 12))
    assert summary.n_frames == 2


def test_calibration_of_proportional_errors():
    """Errors of three times the standard deviation."""
    found = calibrate([frame(3 * u, u) for u in (0.1, 0.2, 0.4, 0.8)])
    assert found.error_per_std == pytest.approx(3.0)
    assert found.rank_correlation == pytest.approx(1.0)
    assert found.coverage_of_twice_expected == 1.0


def test_calibration_factor_is_robust_against_an_outlier():
    """The outlier reduces the coverage."""
    found = calibrate([*(frame(0.3, 0.1) for _ in range(4)), frame(100.0, 0.1)])
    assert found.error_per_std == pytest.approx(3.0)
    assert found.coverage_of_twice_expected == pytest.approx(0.8)


def test_calibration_of_degenerate_frames():
    """Too few or equal frames have no rank correlation; equal members have a finite factor."""
    assert calibrate([frame(0.1, 0.1), frame(0.2, 0.2)]).rank_correlation is None
    assert calibrate([frame(0.1, 0.1)] * 5).rank_correlation is None
    assert np.isfinite(calibrate([frame(0.1, 0.0)] * 3).error_per_std)
