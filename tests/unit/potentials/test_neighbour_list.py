"""Neighbour list with a skin: the pairs of a search, and a result that depends on the atoms alone."""

from importlib.util import find_spec

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from matscipy.neighbours import neighbour_list

from interphase_flows.potentials.compiled.neighbour_list import GPU_PACKAGE, NeighbourList

CUTOFF_ANGSTROM = 4.0
ON_DEVICE = pytest.param(
    True, marks=pytest.mark.skipif(find_spec(GPU_PACKAGE) is None, reason=f"{GPU_PACKAGE} is not installed")
)
"""Search by the list for GPUs, which also runs on a processor."""


def crystal(repeats: tuple[int, int, int] = (3, 3, 2)) -> Atoms:
    atoms = bulk("Li", "bcc", a=3.4, cubic=True) * repeats
    atoms.set_cell(atoms.cell.array @ np.array([[1, 0.1, 0], [0, 1, -0.05], [0, 0, 1.02]]), scale_atoms=True)
    atoms.rattle(0.1, seed=1)
    return atoms


def found(neighbours: NeighbourList, atoms: Atoms) -> np.ndarray:
    """Return pairs as rows of two indices and three shifts."""
    indices, shifts = neighbours.pairs(atoms)
    return np.concatenate([indices.numpy().T, shifts.numpy()], axis=1)


def expected(atoms: Atoms) -> np.ndarray:
    first, second, shifts = neighbour_list("ijS", atoms, cutoff=CUTOFF_ANGSTROM)
    rows = np.column_stack([first, second, shifts]).astype(float)
    return rows[np.lexsort(rows.T[::-1])]


def drifting(atoms: Atoms, n_steps: int, changes_cell: bool) -> list[Atoms]:
    """Return a random walk; the cell breathes and shears."""
    generator, steps = np.random.default_rng(2), []
    for _ in range(n_steps):
        atoms = atoms.copy()
        if changes_cell:
            strain = np.eye(3) + 0.004 * generator.standard_normal((3, 3))
            atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        atoms.positions += 0.03 * generator.standard_normal(atoms.positions.shape)
        steps.append(atoms)
    return steps


@pytest.mark.parametrize("search_on_device", [False, ON_DEVICE])
@pytest.mark.parametrize("changes_cell", [False, True])
@pytest.mark.parametrize("pbc", [True, (True, True, False), False])
@pytest.mark.parametrize("repeats", [(3, 3, 2), (1, 1, 1)])
def test_pairs_are_those_of_a_search_at_every_step(changes_cell, pbc, repeats, search_on_device):
    atoms, neighbours = crystal(repeats), NeighbourList(CUTOFF_ANGSTROM, search_on_device=search_on_device)
    atoms.pbc = pbc
    steps = drifting(atoms, 40, changes_cell)
    for step in steps:
        np.testing.assert_array_equal(found(neighbours, step), expected(step))
    assert 2 <= neighbours.n_searches < len(steps) / 2


def test_list_does_not_depend_on_earlier_steps():
    """A run that is resumed at any step searches again there."""
    steps = drifting(crystal(), 20, changes_cell=True)
    continued = NeighbourList(CUTOFF_ANGSTROM)
    rows = [found(continued, step) for step in steps]
    for first in range(len(steps)):
        resumed = NeighbourList(CUTOFF_ANGSTROM)
        for index in range(first, min(first + 3, len(steps))):
            np.testing.assert_array_equal(found(resumed, steps[index]), rows[index])


def test_identical_atoms_are_searched_once():
    neighbours, atoms = NeighbourList(CUTOFF_ANGSTROM), crystal()
    indices, _ = neighbours.pairs(atoms)
    assert neighbours.pairs(atoms.copy())[0] is indices
    assert neighbours.n_searches == 1


@pytest.mark.parametrize("search_on_device", [False, ON_DEVICE])
def test_other_atoms_are_searched_without_skin(search_on_device):
    neighbours = NeighbourList(CUTOFF_ANGSTROM, search_on_device=search_on_device)
    for atoms in (crystal(), crystal((2, 2, 2)), crystal()):
        np.testing.assert_array_equal(found(neighbours, atoms), expected(atoms))
    moved = crystal()
    moved.positions[0] += [30.0, 0.0, -70.0]
    np.testing.assert_array_equal(found(neighbours, moved), expected(moved))
    assert neighbours.n_searches == 4


def test_no_atom_in_reach_gives_no_pair():
    atoms = Atoms("Li2", [(0, 0, 0), (0, 0, 9)], cell=[20, 20, 20], pbc=True)
    indices, shifts = NeighbourList(CUTOFF_ANGSTROM).pairs(atoms)
    assert (indices.shape, shifts.shape) == ((2, 0), (0, 3))


@pytest.mark.parametrize("search_on_device", [False, ON_DEVICE])
def test_dense_atoms_have_all_their_neighbours(search_on_device):
    """Lists for GPUs reserve room for a number of neighbours."""
    atoms = crystal((4, 4, 4))
    atoms.set_cell(0.5 * atoms.cell.array, scale_atoms=True)
    neighbours = NeighbourList(CUTOFF_ANGSTROM, search_on_device=search_on_device)
    np.testing.assert_array_equal(found(neighbours, atoms), expected(atoms))
