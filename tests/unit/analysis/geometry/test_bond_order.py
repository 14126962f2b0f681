"""Bond order and descriptors, compared with the independent implementation in freud."""

import numpy as np
import pytest
from ase.build import bulk

from freud_descriptors import anion_descriptors, freud_averaged_order, freud_descriptors
from interphase_flows.analysis.geometry.bond_order import bond_order, mean_harmonics
from interphase_flows.analysis.geometry.neighbours import tree_for_nearest
from interphase_flows.analysis.phases.electrode_order import averaged_order
from interphase_flows.structures.crystals.library import load_phase

TOLERANCE = 1e-4  # of dimensionless orders, and Å: freud works in single precision


def thermal(name, repeat=(1, 1, 1), seed=0, amplitude_angstrom=0.15):
    atoms = load_phase(name) * repeat
    atoms.positions += np.random.default_rng(seed).normal(0, amplitude_angstrom, (len(atoms), 3))
    return atoms


def both(atoms):
    anions = atoms.numbers != 3
    arguments = (atoms.positions, atoms.cell[:], anions, ~anions)
    return anion_descriptors(*arguments), freud_descriptors(*arguments)


@pytest.mark.parametrize("name", ["Li2S", "Li3P", "LiP", "Li7P3S11", "Li3PS4"])
def test_descriptors_of_thermal_crystals_agree_with_freud(name):
    """Triclinic, hexagonal and monoclinic unit cells, thinner than two shells."""
    ours, theirs = both(thermal(name))
    np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


def test_descriptors_of_a_perfect_crystal_agree_with_freud():
    """Li2S: no two shells have equal distances, so both select the same neighbours."""
    ours, theirs = both(load_phase("Li2S"))
    np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


@pytest.mark.parametrize("seed", range(4))
def test_descriptors_in_thin_oblique_cells_agree_with_freud(seed):
    """Cells 3 to 8 Å thin, with atoms inside and outside of the cell."""
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(3.0, 8.0, 3)) + np.tril(rng.uniform(-4.0, 4.0, (3, 3)), -1)
    positions = rng.uniform(-2.0, 3.0, (11, 3)) @ cell
    arguments = (positions, cell, np.arange(11) < 4, np.arange(11) >= 4)
    theirs = freud_descriptors(*arguments, least_angstrom=40.0)
    np.testing.assert_allclose(anion_descriptors(*arguments), theirs, atol=TOLERANCE)


def test_descriptors_beside_a_void_agree_with_freud():
    """The search radius grows beyond the estimate from the mean density."""
    atoms = thermal("Li2S", (2, 2, 2))
    atoms.cell[2] *= 2.0
    anions = atoms.numbers != 3
    arguments = (atoms.positions, atoms.cell[:], anions, ~anions)
    theirs = freud_descriptors(*arguments, least_angstrom=45.0)
    np.testing.assert_allclose(anion_descriptors(*arguments), theirs, atol=TOLERANCE)


@pytest.mark.parametrize("n_neighbours", [12, 14])
def test_averaged_order_agrees_with_freud(n_neighbours):
    atoms = bulk("Li", "bcc", a=3.51, cubic=True) * (4, 3, 3)
    atoms.positions += np.random.default_rng(1).normal(0, 0.2, (len(atoms), 3))
    ours = np.column_stack(averaged_order(atoms.positions, atoms.cell[:], n_neighbours))
    theirs = freud_averaged_order(atoms.positions, atoms.cell[:], n_neighbours, 30.0)
    np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


def test_order_is_invariant_under_rotation():
    rng = np.random.default_rng(2)
    bonds = rng.normal(size=(50, 9, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    np.testing.assert_allclose(bond_order(mean_harmonics(bonds @ turn)), bond_order(mean_harmonics(bonds)), atol=1e-5)


def test_a_single_bond_has_order_one():
    """The addition theorem: the sum of |Y_lm|² over m is (2 l + 1) / 4 pi in every direction."""
    bonds = np.random.default_rng(3).normal(size=(100, 1, 3))
    np.testing.assert_allclose(bond_order(mean_harmonics(bonds)), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("structure", "n_neighbours", "q4", "q6"),
    [("fcc", 12, 0.19094, 0.57452), ("bcc", 14, 0.03637, 0.51069), ("hcp", 12, 0.09722, 0.48476)],
)
def test_order_of_perfect_lattices_agrees_with_literature(structure, n_neighbours, q4, q6):
    """Mickel et al., J. Chem. Phys. 138, 044501 (2013)."""
    ideal = np.sqrt(8 / 3) if structure == "hcp" else None
    atoms = bulk("Li", structure, a=3.0, **({"c": 3.0 * ideal} if ideal else {}))
    tree = tree_for_nearest(atoms.positions, atoms.cell[:], n_neighbours)
    near = tree.nearest(n_neighbours, np.arange(len(atoms)))
    found = bond_order(mean_harmonics(near.vectors_angstrom))
    np.testing.assert_allclose(found, np.tile([q4, q6], (len(atoms), 1)), atol=2e-5)
