"""Farthest points, sharing among groups, descriptors and regions."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from interphase_flows.datasets.selection.descriptors import frame_descriptor
from interphase_flows.datasets.selection.farthest_points import farthest_points, share_by_group
from interphase_flows.datasets.selection.regions import region_of_uncertain_atom, regions_of_atoms

SMALL_MOVE_ANGSTROM = 1e-9
SAME_DESCRIPTOR = 1e-6


def test_most_uncertain_comes_first_and_near_duplicates_are_left_out():
    """Points on a line; 0 and 1 are closer than the limit."""
    rows = np.array([[0.0], [0.01], [5.0], [9.0]])
    assert farthest_points(rows, 4, scores=np.array([2.0, 1.0, 1.0, 1.0]), min_distance=0.1) == [0, 3, 2]


def test_copies_of_training_frames_are_not_selected():
    """The candidate of the highest score is a copy of a training frame."""
    rows = np.array([[0.0], [1.0], [2.0]])
    assert farthest_points(rows, 3, taken=np.array([[2.0]]), scores=np.array([1.0, 1.0, 100.0])) == [0, 1]


def test_empty_pool_or_quota_selects_nothing():
    assert farthest_points(np.empty((0, 3)), 5) == []
    assert farthest_points(np.ones((2, 3)), 0) == []
    assert share_by_group([], [], 3) == []


def test_sharing_takes_turns_among_groups():
    groups = ["bulk", "bulk", "bulk", "reaction zone"]
    assert share_by_group(groups, [0, 1, 2, 3], 2) == [0, 3]
    assert share_by_group(groups, [0, 1, 2, 3], 9) == [0, 3, 1, 2]


def test_descriptor_is_continuous_at_bin_edges():
    """Distances of perfect crystals lie on bin edges."""
    for lattice_angstrom in (3.0, 3.5, 4.0, 4.5):
        crystal = bulk("Li", "sc", a=lattice_angstrom) * (2, 2, 2)
        moved = crystal.copy()
        moved.set_cell(crystal.cell * (1 - SMALL_MOVE_ANGSTROM), scale_atoms=True)
        difference = frame_descriptor(crystal, ["Li"]) - frame_descriptor(moved, ["Li"])
        assert np.abs(difference).max() < SAME_DESCRIPTOR


def test_descriptor_depends_on_elements_and_distances():
    crystal = bulk("LiF", "rocksalt", a=4.0)
    stretched, exchanged = crystal.copy(), Atoms("LiP", crystal.positions, cell=crystal.cell, pbc=True)
    stretched.set_cell(1.05 * crystal.cell, scale_atoms=True)
    elements = ["F", "Li", "P"]
    for other in (stretched, exchanged):
        assert np.linalg.norm(frame_descriptor(crystal, elements) - frame_descriptor(other, elements)) > 0.1


@pytest.mark.parametrize(
    ("index", "region"),
    [(0, "electrode"), (3, "reaction zone"), (4, "reaction zone"), (7, "electrolyte")],
)
def test_regions_of_an_interface(index, region):
    """A chain of four electrode and four electrolyte atoms, 3 Å apart."""
    chain = Atoms("Li8", positions=[[3.0 * i, 0, 0] for i in range(8)], cell=[40, 10, 10], pbc=True)
    chain.set_array("side", np.repeat([0, 1], 4))
    assert regions_of_atoms(chain)[index] == region
    chain.set_array("force_std_eV_per_angstrom", np.eye(8)[index])
    assert region_of_uncertain_atom(chain) == region


def test_cell_without_sides_is_bulk():
    assert region_of_uncertain_atom(bulk("Li")) == "bulk"
