"""bcc fraction of lithium; thermal displacements are Gaussian, per direction, in Å."""

import numpy as np
import pytest
from ase.build import bulk

from interphase_flows.analysis.geometry.neighbours import pairs_within
from interphase_flows.analysis.phases.electrode_order import averaged_order, bcc_fraction, deep_inside
from interphase_flows.exceptions import AnalysisError

BCC = bulk("Li", "bcc", a=3.51, cubic=True) * (5, 5, 5)
FCC = bulk("Li", "fcc", a=4.40, cubic=True) * (4, 4, 4)


def rattled(atoms, amplitude_angstrom, seed=0):
    noise = np.random.default_rng(seed).normal(0, amplitude_angstrom, (len(atoms), 3))
    return atoms.positions + noise, atoms.cell[:]


def amorphous(seed, n=250):
    """Push random points apart to 2.6-3 Å at the density of lithium: no lattice to remember."""
    length = (n * 3.51**3 / 2) ** (1 / 3)
    cell = np.eye(3) * length
    positions = np.random.default_rng(seed).random((n, 3)) * length
    for _ in range(200):
        pairs = pairs_within(positions, cell, 3.0)
        apart = positions[pairs.first] - positions[pairs.second]
        apart -= length * np.round(apart / length)
        push = apart * ((3.0 - pairs.distance_angstrom) / np.maximum(pairs.distance_angstrom, 0.1))[:, None]
        move = np.zeros_like(positions)
        np.add.at(move, pairs.first, 0.15 * push)
        positions = positions + move
    return positions, cell


def test_perfect_bcc_has_the_literature_values():
    order = averaged_order(BCC.positions, BCC.cell[:])
    np.testing.assert_allclose(order.q4, 0.03637, atol=2e-5)
    np.testing.assert_allclose(order.q6, 0.51069, atol=2e-5)


def test_order_is_independent_of_the_cell():
    """Cells thinner than two shells are repeated."""
    primitive = bulk("Li", "bcc", a=3.51)
    np.testing.assert_allclose(averaged_order(primitive.positions, primitive.cell[:]).q6, 0.51069, atol=2e-5)


@pytest.mark.parametrize("strain", [0.0, 0.03, -0.03])
@pytest.mark.parametrize("amplitude_angstrom", [0.0, 0.01, 0.1, 0.15, 0.20, 0.25])
def test_bcc_is_bcc_at_rest_strained_and_thermal(amplitude_angstrom, strain):
    """At rest four of the six second neighbours are arbitrary, which makes q4 over 12 neighbours larger."""
    crystal = BCC.copy()
    crystal.set_cell(crystal.cell[:] @ np.diag([1 + strain, 1 + strain, 1 - strain]), scale_atoms=True)
    assert bcc_fraction(*rattled(crystal, amplitude_angstrom), np.ones(len(BCC), dtype=bool)) > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_amorphous_lithium_is_not_bcc(seed):
    assert bcc_fraction(*amorphous(seed), np.ones(250, dtype=bool)) < 0.03


@pytest.mark.parametrize("amplitude_angstrom", [0.0, 0.1, 0.2, 0.25])
def test_fcc_is_not_bcc(amplitude_angstrom):
    assert bcc_fraction(*rattled(FCC, amplitude_angstrom), np.ones(len(FCC), dtype=bool)) < 0.03


def test_bcc_fraction_is_of_selected_atoms():
    positions, cell = rattled(BCC, 0.1)
    rng = np.random.default_rng(0)
    low = positions[:, 2] < 0.4 * cell[2, 2]
    positions[low] += rng.normal(0, 1.5, (low.sum(), 3))
    deep = (positions[:, 2] > 0.6 * cell[2, 2]) & (positions[:, 2] < 0.8 * cell[2, 2])
    assert bcc_fraction(positions, cell, deep & ~low) > bcc_fraction(positions, cell, low)


def test_deep_atoms_are_far_from_other_atoms():
    cell = np.diag([5.0, 5.0, 40.0])
    heights = np.arange(0.5, 40.0, 1.0)
    positions = np.column_stack([np.zeros(40), np.zeros(40), heights])
    electrode = heights < 20
    deep = deep_inside(positions, cell, electrode, depth_angstrom=5.2)
    assert heights[deep].min() == pytest.approx(5.5)  # the other part begins again below zero
    assert heights[deep].max() == pytest.approx(14.5)


def test_empty_selection_raises():
    with pytest.raises(AnalysisError, match="no atom is selected"):
        bcc_fraction(BCC.positions, BCC.cell[:], np.zeros(len(BCC), dtype=bool))
