"""Orientation of rotated crystals."""

import numpy as np
import pytest
from ase.build import surface

from interphase_flows.analysis.phases.orientation import _nearest_plane, bond_vectors, domain_orientation
from interphase_flows.exceptions import AnalysisError
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.space_group import space_group_operations

Z = np.array([0.0, 0.0, 1.0])
SPREAD_ANGSTROM = 0.15


def laid(phase, plane, symbol, link_angstrom):
    crystal = load_phase(phase)
    rotations, _ = space_group_operations(crystal.cell[:], crystal.get_scaled_positions(), crystal.numbers, 0.01)
    own = crystal[[atom.index for atom in crystal if atom.symbol == symbol]]
    slab = surface(crystal, plane, 2, vacuum=8.0, periodic=True) * (2, 2, 1)
    slab.rotate(33.0, "z", rotate_cell=True)  # about the normal, which does not change the plane
    slab.rattle(SPREAD_ANGSTROM, seed=1)
    mine = slab[[atom.index for atom in slab if atom.symbol == symbol]]
    return domain_orientation(
        crystal,
        bond_vectors(own.positions, own.cell[:], link_angstrom),
        bond_vectors(mine.positions, mine.cell[:], link_angstrom),
        Z,
        rotations,
    )


@pytest.mark.parametrize("plane", [(1, 1, 1), (1, 1, 0), (1, 0, 0), (2, 1, 0)])
def test_plane_of_a_rotated_crystal_is_found(plane):
    found = laid("Li2S", plane, "S", 4.87)
    assert found.plane == plane
    assert found.off_deg < 4.0
    assert found.matched_share > 0.95
    assert found.share_by_chance < 0.12


def test_plane_of_a_hexagonal_crystal_is_found():
    found = laid("Li3P", (0, 0, 1), "P", 5.3)
    assert found.plane == (0, 0, 1)
    assert found.off_deg < 4.0


def test_orientation_without_bonds_raises():
    with pytest.raises(AnalysisError, match="no orientation"):
        domain_orientation(load_phase("Li2S"), np.eye(3), np.empty((0, 3)), Z, np.eye(3, dtype=int)[None])


def test_probability_of_a_plane_by_chance():
    """The numbers of docs/phases.md: half of all directions are within 8 degrees, one of twenty within 2.6."""
    crystal = load_phase("Li2S")
    rotations, _ = space_group_operations(crystal.cell[:], crystal.get_scaled_positions(), crystal.numbers, 0.01)
    directions = np.random.default_rng(0).standard_normal((150, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    found = [_nearest_plane(each, crystal.cell[:], rotations) for each in directions]
    off, by_chance = (np.array([each[column] for each in found]) for column in (1, 2))
    assert np.median(off) == pytest.approx(8.2, abs=0.5)
    assert np.quantile(off, 0.05) == pytest.approx(2.6, abs=0.6)
    np.testing.assert_allclose(np.quantile(by_chance, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.1)
