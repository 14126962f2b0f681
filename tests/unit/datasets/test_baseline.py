"""Baseline: atomic energies and force scales."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from interphase_flows.datasets.baseline import composition_matrix, fit_baseline

SHIFT_TOLERANCE_EV = 1e-3
"""Bias of the ridge."""


def frame(formula: str, energy_eV: float, force: float = 0.5) -> Atoms:
    atoms = Atoms(formula, cell=[20, 20, 20], pbc=True)
    atoms.positions = 3.0 * np.indices((4, 4, 4)).reshape(3, -1).T[: len(atoms)]
    forces = np.full((len(atoms), 3), force)
    atoms.calc = SinglePointCalculator(atoms, energy=energy_eV, forces=forces, stress=np.zeros(6))
    return atoms


def test_atomic_energies_are_recovered_from_additive_energies():
    """Li -2 eV, S -4 eV, from three compositions."""
    frames = [frame("Li2S", -8.0), frame("LiS", -6.0), frame("Li4", -8.0)]
    baseline = fit_baseline(frames, 4.0)
    assert baseline.elements == ["Li", "S"]
    assert baseline.energy_shifts_eV["Li"] == pytest.approx(-2.0, abs=SHIFT_TOLERANCE_EV)
    assert baseline.energy_shifts_eV["S"] == pytest.approx(-4.0, abs=SHIFT_TOLERANCE_EV)


def test_single_composition_has_a_defined_fit():
    """Two unknowns, one equation: the ridge keeps both near the mean and the total energy right."""
    baseline = fit_baseline([frame("Li2S", -8.0)] * 2, 4.0)
    shifts = baseline.energy_shifts_eV
    assert 2 * shifts["Li"] + shifts["S"] == pytest.approx(-8.0, abs=1e-2)


def test_element_without_forces_has_a_finite_scale():
    baseline = fit_baseline([frame("Li4", -8.0, force=0.0), frame("S4", -16.0, force=0.5)], 4.0)
    assert baseline.forces_rms_eV_per_angstrom["Li"] == pytest.approx(0.01)
    assert baseline.forces_rms_eV_per_angstrom["S"] == pytest.approx(0.5)


def test_mean_number_of_neighbours():
    """A chain of three atoms 3 Å apart has four ordered pairs within 4 Å."""
    assert fit_baseline([frame("Li3", -6.0)], 4.0).mean_n_neighbours == pytest.approx(4 / 3)


def test_composition_matrix_counts_atoms():
    counts = composition_matrix([frame("Li2S", 0.0), frame("S", 0.0)], ["Li", "P", "S"])
    assert counts.tolist() == [[2, 0, 1], [0, 0, 1]]
