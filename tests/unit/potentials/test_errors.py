"""Errors against labels, and what disagreement is worth."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from interphase_flows.potentials.errors import FrameErrors, calibrate, frame_errors, summarise


def frame(largest_error: float, uncertainty: float, energy_error: float = 0.0) -> FrameErrors:
    """Two atoms, one of them wrong by a vector of this length."""
    error = np.array([[0.6, 0.8, 0.0], [0.0, 0.0, 0.0]]) * largest_error
    return FrameErrors(
        "interface/1", 2, -1.0, energy_error, np.zeros((2, 3)), error, np.zeros(6), uncertainty
    )


class TwoOpinions:
    """A committee whose members say the label, and the label with 0.3 and 0.4 eV/Å more on atom 0."""

    def predict_all(self, atoms):
        forces = np.zeros((2, len(atoms), 3))
        forces[1, 0] = [0.3, 0.4, 0.0]
        return np.array([-6.0, -5.0]), forces, np.zeros((2, 6))


def test_the_first_member_is_judged_and_the_spread_is_the_watchs():
    """The uncertainty is the standard deviation that dynamics sees: half of 0.5 eV/Å for two members."""
    from interphase_flows.md.uncertainty_monitor import force_std

    atoms = Atoms("Li2", positions=[[0, 0, 0], [2.5, 0, 0]], cell=[6, 6, 6], pbc=True)
    forces, stress = np.array([[0.0, 0, 0.1], [0, 0, 0]]), np.full(6, 0.01)
    atoms.calc = SinglePointCalculator(atoms, energy=-6.4, forces=forces, stress=stress)
    atoms.info["origin"] = "audit/audit-1"
    (found,) = frame_errors(TwoOpinions(), [atoms])
    assert found.energy_error_eV_per_atom == pytest.approx(0.2)
    assert found.reference_energy_eV_per_atom == pytest.approx(-3.2)
    assert found.largest_force_error == pytest.approx(0.1)
    assert found.uncertainty == pytest.approx(0.25)
    assert found.uncertainty == pytest.approx(force_std(TwoOpinions().predict_all(atoms)[1]).max())
    np.testing.assert_allclose(found.stress_error, -stress)


def test_errors_are_in_mev_and_per_component():
    """Six force components, two of them wrong."""
    summary = summarise([frame(0.1, 1.0, 0.002), frame(0.0, 1.0, -0.004)])
    assert summary.energy_mae_meV_per_atom == pytest.approx(3.0)
    assert summary.energy_rmse_meV_per_atom == pytest.approx(np.sqrt(10.0))
    assert summary.forces_mae_meV_per_angstrom == pytest.approx((60 + 80) / 12)
    assert summary.forces_rmse_meV_per_angstrom == pytest.approx(np.sqrt((60**2 + 80**2) / 12))
    assert summary.n_frames == 2


def test_a_committee_that_knows_its_error_has_rank_one_and_the_right_factor():
    """Errors thrice the disagreement: factor 3, every frame within twice what is expected."""
    found = calibrate([frame(3 * u, u) for u in (0.1, 0.2, 0.4, 0.8)])
    assert found.error_per_std == pytest.approx(3.0)
    assert found.rank_correlation == pytest.approx(1.0)
    assert found.coverage_of_twice_expected == 1.0


def test_the_factor_is_not_moved_by_a_frame_that_is_wildly_wrong():
    """A median; the frame shows in the coverage."""
    found = calibrate([*(frame(0.3, 0.1) for _ in range(4)), frame(100.0, 0.1)])
    assert found.error_per_std == pytest.approx(3.0)
    assert found.coverage_of_twice_expected == pytest.approx(0.8)


def test_too_few_or_equal_frames_have_no_rank_and_members_that_agree_no_infinity():
    """None is said, not a number that means nothing."""
    assert calibrate([frame(0.1, 0.1), frame(0.2, 0.2)]).rank_correlation is None
    assert calibrate([frame(0.1, 0.1)] * 5).rank_correlation is None
    assert np.isfinite(calibrate([frame(0.1, 0.0)] * 3).error_per_std)
