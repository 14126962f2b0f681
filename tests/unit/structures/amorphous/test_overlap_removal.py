"""Geometric removal of overlaps."""

import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from interphase_flows.structures.amorphous.mixtures import composition_on_line, random_packing
from interphase_flows.structures.amorphous.overlap_removal import remove_overlaps
from interphase_flows.structures.checks import check_no_overlap


def test_overlap_removal_keeps_the_centre_of_a_pair():
    pair = Atoms("PS", positions=[[4, 4, 4], [4, 4, 5.0]], cell=[9] * 3, pbc=True)
    pushed = remove_overlaps(pair)
    assert neighbor_list("d", pushed, 13.0).min() > 1.9
    assert pushed.positions.mean(axis=0) == pytest.approx(pair.positions.mean(axis=0))
    assert pair.positions[1, 2] == 5.0


def test_overlap_removal_separates_all_atoms_of_a_packing():
    packing = random_packing(composition_on_line(0.5, 42), seed=0)
    pushed = remove_overlaps(packing)
    check_no_overlap(pushed, scale=0.9)
    assert pushed.positions.mean(axis=0) == pytest.approx(packing.positions.mean(axis=0))
    assert pushed.get_chemical_symbols() == packing.get_chemical_symbols()
