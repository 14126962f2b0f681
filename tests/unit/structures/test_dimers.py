"""Isolated atoms and dimers."""

import pytest
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import StructureError
from interphase_flows.structures.dimers import dimers, isolated_atoms


def test_dimers_cover_every_pair_at_every_distance():
    pairs = dimers({"S", "Li", "P"}, 4, 0.7, 1.6, 12.0)
    assert [str(pair.symbols) for pair in pairs[::4]] == ["Li2", "LiP", "LiS", "P2", "PS", "S2"]
    for pair in pairs:
        assert neighbor_list("d", pair, 13.0).min() == pytest.approx(pair.info["distance_angstrom"])
    both = sum(covalent_radii[[3, 16]])
    assert [pair.info["distance_angstrom"] for pair in pairs[8:12:3]] == pytest.approx([0.7 * both, 1.6 * both])


def test_default_distances_pass_the_gates():
    pairs = dimers({"S", "Li", "P"}, 4, 0.85, 1.6, 12.0)
    assert [Gates().before(pair) for pair in pairs] == [None] * len(pairs)


def test_isolated_atoms_have_no_neighbours():
    alone = isolated_atoms({"S", "Li"}, 12.0)
    assert [str(atom.symbols) for atom in alone] == ["Li", "S"]
    assert all(neighbor_list("d", atom, 13.0).min() == pytest.approx(12.0) for atom in alone)


def test_too_small_box_or_distance_raises():
    with pytest.raises(StructureError, match=r"box_angstrom=6\.0"):
        dimers({"Li"}, 2, 0.7, 1.6, 6.0)
    with pytest.raises(StructureError, match="min_distance_fraction=2"):
        dimers({"Li"}, 2, 2.0, 1.6, 12.0)
