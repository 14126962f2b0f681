"""Checks of structures: distances, cells, finite coordinates and stoichiometry."""

import numpy as np
import pytest
from ase import Atoms

from interphase_flows.exceptions import OverlappingAtomsError, StructureError
from interphase_flows.structures.checks import (
    check_finite,
    check_has_cell,
    check_no_overlap,
    same_stoichiometry,
)
from interphase_flows.structures.crystals.library import load_phase


def test_overlap_check_includes_periodic_images():
    atoms = Atoms("LiLi", positions=[[0.1, 0, 0], [9.9, 0, 0]], cell=[10] * 3, pbc=True)
    with pytest.raises(OverlappingAtomsError, match=r"0\.200 Å from atom"):
        check_no_overlap(atoms)


def test_overlap_check_includes_self_images_in_a_skewed_cell():
    atoms = Atoms("Li", cell=[[9, 0, 0], [8, 3, 0], [0, 0, 9]], pbc=True)
    check_no_overlap(atoms, {("Li", "Li"): 3.15})
    with pytest.raises(OverlappingAtomsError, match=r"3\.162 Å from its own periodic image"):
        check_no_overlap(atoms, {("Li", "Li"): 3.17})


def test_isolated_atom_passes_the_overlap_check():
    check_no_overlap(Atoms("Li"))


@pytest.mark.parametrize(("pair", "distance"), [("PS", 2.0), ("PP", 2.2), ("LiLi", 2.5), ("LiS", 2.2)])
def test_bond_lengths_pass_the_overlap_check(pair, distance):
    check_no_overlap(Atoms(pair, positions=[[0, 0, 0], [distance, 0, 0]], cell=[9] * 3, pbc=True))


def test_overlap_error_names_the_worst_pair():
    atoms = Atoms("LiPS", positions=[[0, 0, 0], [1.35, 0, 0], [1.35, 0.8, 0]], cell=[9] * 3, pbc=True)
    with pytest.raises(OverlappingAtomsError, match=r"atom 1 \(P\) is 0\.800 Å from atom 2 \(S\)"):
        check_no_overlap(atoms)


def test_self_images_overlap_in_a_thin_cell():
    with pytest.raises(OverlappingAtomsError, match="its own periodic image"):
        check_no_overlap(Atoms("Li", cell=[1.2, 9, 9], pbc=True))


def test_custom_distances_replace_the_defaults_in_either_order():
    atoms = Atoms("PS", positions=[[0, 0, 0], [2.0, 0, 0]], cell=[9] * 3, pbc=True)
    with pytest.raises(OverlappingAtomsError, match=r"2\.10 Å"):
        check_no_overlap(atoms, {("S", "P"): 2.1})
    check_no_overlap(atoms, {("P", "S"): 1.9, ("Li", "Li"): 5.0})


def test_structure_without_atoms_or_cell_raises():
    with pytest.raises(StructureError, match="no atoms"):
        check_has_cell(Atoms(cell=[3] * 3))
    with pytest.raises(StructureError, match=r"run\.xyz: a cell of 0 Å³"):
        check_has_cell(Atoms("Li"), "run.xyz")
    with pytest.raises(StructureError, match="no three-dimensional cell"):
        check_has_cell(Atoms("Li", cell=[[1, 0, 0], [2, 0, 0], [0, 0, 1]]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_coordinates_that_are_not_finite_raise(value):
    atoms = load_phase("Li2S")
    atoms.positions[5, 1] = value
    with pytest.raises(StructureError, match="atom 5"):
        check_finite(atoms)
    with pytest.raises(StructureError, match="atom 5"):
        check_no_overlap(atoms)
    cell = load_phase("Li2S")
    cell.cell[0, 0] = value
    with pytest.raises(StructureError, match="cell"):
        check_finite(cell)


def test_stoichiometry_ignores_size_and_order():
    crystal = load_phase("Li2S")
    assert same_stoichiometry(crystal, crystal.repeat((2, 1, 1))[::-1])
    assert not same_stoichiometry(crystal, load_phase("Li3P"))
    assert not same_stoichiometry(Atoms("Li2S"), Atoms("LiS2"))
    assert same_stoichiometry(Atoms(), Atoms())
    assert not same_stoichiometry(Atoms(), Atoms("Li"))
