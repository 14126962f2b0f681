"""Fits of known equations of state, and errors of invalid fits."""

import numpy as np
import pytest
from ase import units
from ase.eos import birchmurnaghan

from interphase_flows.exceptions import AnalysisError
from interphase_flows.reference.lattice_constants import fit_birch_murnaghan

VOLUMES = 190.0 * np.linspace(0.94, 1.06, 7) ** 3
CURVE = {"E0": -48.0, "B0": 40.0 * units.GPa, "BP": 4.2, "V0": 186.0}


def test_fit_recovers_a_known_curve():
    """Independent of the order of the points."""
    order = np.random.default_rng(0).permutation(7)
    fit = fit_birch_murnaghan(VOLUMES[order], birchmurnaghan(VOLUMES, **CURVE)[order], n_atoms=12)
    assert fit.volume_angstrom3 == pytest.approx(186.0, rel=1e-6)
    assert fit.energy_eV == pytest.approx(-48.0, abs=1e-7)
    assert fit.bulk_modulus_GPa == pytest.approx(40.0, rel=1e-5)
    assert fit.bulk_modulus_derivative == pytest.approx(4.2, rel=1e-3)
    assert fit.rms_residual_meV_per_atom < 1e-4


def test_residual_measures_noise_in_mev_per_atom():
    noise = np.array([1, -1, 1, -1, 1, -1, 1]) * 0.012
    fit = fit_birch_murnaghan(VOLUMES, birchmurnaghan(VOLUMES, **CURVE) + noise, n_atoms=12)
    assert 0.5 < fit.rms_residual_meV_per_atom < 1.1


def test_minimum_outside_the_volumes_raises():
    extrapolated = CURVE | {"V0": 260.0}
    with pytest.raises(AnalysisError, match="outside the volumes"):
        fit_birch_murnaghan(VOLUMES, birchmurnaghan(VOLUMES, **extrapolated), n_atoms=12)


def test_too_few_points_raise():
    with pytest.raises(AnalysisError, match="at least 5"):
        fit_birch_murnaghan(VOLUMES[:4], birchmurnaghan(VOLUMES[:4], **CURVE), n_atoms=12)


def test_maximum_of_the_energy_is_no_equilibrium():
    """A potential that expands or collapses a crystal has a maximum between."""
    with pytest.raises(AnalysisError, match="maximum"):
        fit_birch_murnaghan(VOLUMES, -birchmurnaghan(VOLUMES, **CURVE), n_atoms=12)
