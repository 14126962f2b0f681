"""Uncertainty monitor: uncertainty, contacts, limits."""

import numpy as np
import pytest
from ase import Atoms
from pydantic import ValidationError

from interphase_flows.exceptions import DynamicsError
from interphase_flows.md.uncertainty_monitor import (
    CalculatorCommittee,
    UncertaintyMonitor,
    closest_contact,
    force_std,
)


def test_force_std_sums_over_components():
    """Two members at ±d along x and ±d along y differ by sqrt(2) d."""
    forces = np.array([[[0.1, 0.1, 0.0]], [[-0.1, -0.1, 0.0]]])
    assert force_std(forces) == pytest.approx([0.1 * np.sqrt(2)])


def test_uncertainty_of_a_single_member_is_unknown(argon, pair_committee, monitor):
    """NaN, not zero; no frame is selected."""
    observation = monitor.observe(argon, CalculatorCommittee(pair_committee.members[:1]))
    assert np.isnan(observation.uncertainty_eV_per_angstrom)
    assert not observation.selected
    with pytest.raises(DynamicsError, match="at least one"):
        CalculatorCommittee([])


def test_forces_of_the_first_member_are_cached(argon, pair_committee):
    calls = []
    calculator = pair_committee.dynamics_calculator
    calculate = calculator.calculate
    calculator.calculate = lambda *args, **kwargs: (calls.append(1), calculate(*args, **kwargs))
    argon.calc = calculator
    argon.get_forces()
    forces = pair_committee.forces_all(argon)
    assert len(calls) == 1
    assert forces.shape == (2, 32, 3)
    np.testing.assert_allclose(forces[1], forces[0] * 106 / 104)


def test_stop_level_below_selection_level_raises():
    with pytest.raises(ValidationError, match="increase it"):
        UncertaintyMonitor(select_force_std_eV_per_angstrom=0.3, stop_force_std_eV_per_angstrom=0.1)


def test_temperature_limit_is_larger_in_the_grace_period():
    monitor = UncertaintyMonitor()
    assert monitor.temperature_limit_K(300, 0.0) == 3000
    assert monitor.temperature_limit_K(300, 200.0) == 900


@pytest.mark.parametrize("seed", range(6))
def test_closest_contact_agrees_with_ase_in_skewed_cells(seed):
    """Random packings, some in cells thinner than the cutoff, wrapped or not."""
    generator = np.random.default_rng(seed)
    cell = np.diag(generator.uniform(2.6, 7.0, 3)) + np.tril(generator.uniform(-1.5, 1.5, (3, 3)), -1)
    pbc = [True, True, bool(seed % 2)]
    atoms = Atoms("Li4P2S4", positions=generator.uniform(-9, 9, (10, 3)), cell=cell, pbc=pbc)
    from ase.data import covalent_radii
    from ase.neighborlist import neighbor_list

    limit = 0.55 * covalent_radii[atoms.numbers]
    i, j, d = neighbor_list("ijd", atoms, 3.0)
    relative = d / (limit[i] + limit[j])
    found = closest_contact(atoms, 0.55)
    if not len(d) or relative.min() >= 1.0:
        assert found is None
    else:
        assert found is not None
        assert found.distance_angstrom / found.limit_angstrom == pytest.approx(relative.min())


def test_bonds_are_no_close_contacts():
    """P-S at 2.05 Å is a bond, at 1.1 Å a close contact; also without a cell."""
    assert closest_contact(Atoms("PS", [[0, 0, 0], [2.05, 0, 0]]), 0.55) is None
    contact = closest_contact(Atoms("PS", [[0, 0, 0], [1.1, 0, 0]]), 0.55)
    assert str(contact) == "P0-S1 at 1.10 Å, limit 1.17 Å"
