"""Content keys of structures: what they ignore and what changes them."""

import numpy as np
import pytest
from ase import Atoms

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.structure_keys import structure_key


@pytest.fixture
def atoms():
    return load_phase("Li7P3S11")


def test_key_of_a_fixed_structure_is_pinned():
    """A change of the algorithm invalidates all stored labels; increase the version in its prefix if intended."""
    atoms = Atoms("LiS", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.25]], cell=[3.0, 4.0, 5.0], pbc=True)
    assert structure_key(atoms) == "a0cdf25f12a787697653727f1002e6fb"


def test_fraction_just_below_one_equals_zero(atoms):
    atoms = load_phase("Li2S")
    moved = atoms.copy()
    moved.positions[0] -= 1e-10 * np.array([1.0, 1.0, 1.0])
    assert structure_key(moved) == structure_key(atoms)


def test_key_ignores_info_arrays_calculator_and_negative_zero():
    atoms = load_phase("Li2S")
    other = atoms.copy()
    other.info = {"z": 1, "a": 2}
    other.set_array("side", np.zeros(len(other), dtype=int))
    other.positions[other.positions == 0.0] = -0.0
    cell = other.cell.array.copy()
    cell[cell == 0.0] = -0.0
    other.set_cell(cell)
    assert structure_key(other) == structure_key(atoms)


def test_key_ignores_wrapping_along_periodic_directions_only(atoms):
    moved = atoms.copy()
    moved.positions[3] += 2 * atoms.cell[0] - atoms.cell[2]
    assert structure_key(moved) == structure_key(atoms)
    for structure in (atoms, moved):
        structure.pbc = [False, True, True]
    assert structure_key(moved) != structure_key(atoms)


def test_key_depends_on_species_cell_periodicity_and_order(atoms):
    key = structure_key(atoms)
    swapped = atoms.copy()
    swapped.numbers[[0, -1]] = swapped.numbers[[-1, 0]]
    stretched = atoms.copy()
    stretched.cell[1, 1] += 1e-6
    open_cell = atoms.copy()
    open_cell.pbc = False
    keys = {structure_key(other) for other in (swapped, stretched, open_cell, atoms[::-1], atoms[:-1])}
    assert len(keys | {key}) == 6


def test_molecule_without_cell_has_a_key():
    molecule = Atoms("PS", positions=[[0, 0, 0], [0, 0, 2.0]])
    moved = Atoms("PS", positions=[[0, 0, 0], [0, 0, 2.000001]])
    assert structure_key(molecule) != structure_key(moved)


def test_coordinate_that_is_not_finite_raises(atoms):
    atoms.positions[0, 0] = np.nan
    with pytest.raises(StructureError, match="not finite"):
        structure_key(atoms)


def test_flat_cell_raises():
    with pytest.raises(StructureError, match="flat"):
        structure_key(Atoms("Li", cell=[[1, 0, 0], [1, 1e-9, 0], [0, 0, 1]], pbc=True))
