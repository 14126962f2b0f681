"""Neighbour pairs in any periodic cell."""

import numpy as np
import pytest
from ase.neighborlist import primitive_neighbor_list

from interphase_flows.analysis.geometry.neighbours import face_distances, pairs_within
from interphase_flows.exceptions import AnalysisError

DISTANCE_TOLERANCE_ANGSTROM = 1e-4  # far below any distance that matters


@pytest.mark.parametrize("cutoff_angstrom", [2.5, 4.0, 9.0])
@pytest.mark.parametrize("seed", range(6))
def test_pairs_agree_with_ase_in_triclinic_cells(seed, cutoff_angstrom):
    """Includes thin cells with cutoffs beyond their width; every periodic image counts."""
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(5.0, 14.0, 3)) + rng.uniform(-4.0, 4.0, (3, 3))
    if face_distances(cell).min() < 2.0:
        cell = np.diag([6.0, 7.0, 9.0]) + np.array([[0, 0, 0], [3.0, 0, 0], [-2.5, 3.4, 0]])
    positions = rng.uniform(-2.0, 3.0, (25, 3)) @ cell  # unwrapped on purpose
    found = pairs_within(positions, cell, cutoff_angstrom)
    first, second, distance = primitive_neighbor_list("ijd", (True, True, True), cell, positions, cutoff_angstrom)
    order = np.lexsort((found.distance_angstrom, found.second, found.first))
    expected = np.lexsort((distance, second, first))
    np.testing.assert_array_equal(found.first[order], first[expected])
    np.testing.assert_array_equal(found.second[order], second[expected])
    np.testing.assert_allclose(found.distance_angstrom[order], distance[expected], atol=DISTANCE_TOLERANCE_ANGSTROM)


def test_left_handed_cell_has_the_same_distances():
    cell = np.array([[0.0, 6.0, 0.0], [7.0, 0.0, 0.0], [1.0, 2.0, 8.0]])
    positions = np.random.default_rng(1).random((20, 3)) @ cell
    swapped = pairs_within(positions, cell[[1, 0, 2]], 3.0)
    assert len(swapped.first) == len(pairs_within(positions, cell, 3.0).first) > 0


def test_cell_without_volume_raises():
    with pytest.raises(AnalysisError, match="no volume"):
        pairs_within(np.zeros((1, 3)), np.diag([1.0, 1.0, 0.0]), 2.0)


def test_cutoff_of_zero_raises():
    with pytest.raises(AnalysisError, match="must be positive"):
        pairs_within(np.zeros((1, 3)), np.eye(3), 0.0)


def test_no_atoms_have_no_pairs():
    assert len(pairs_within(np.empty((0, 3)), np.eye(3), 2.0).first) == 0
