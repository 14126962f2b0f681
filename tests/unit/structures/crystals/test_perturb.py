"""Strained, scaled and rattled crystals."""

import numpy as np
import pytest

from interphase_flows.exceptions import OverlappingAtomsError, StructureError
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import (
    equation_of_state,
    linear_strains,
    rattled_at_volumes,
    repeated,
    strained_and_rattled,
)
from interphase_flows.structures.structure_keys import structure_key


def test_copies_are_reproducible_and_independent_of_their_number():
    crystal = load_phase("Li3P")
    first = strained_and_rattled(crystal, 4, 0.05, 0.1, seed=3)
    again = strained_and_rattled(crystal, 2, 0.05, 0.1, seed=3)
    other = strained_and_rattled(crystal, 1, 0.05, 0.1, seed=4)
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(first, again, strict=False))
    assert not np.allclose(first[0].positions, other[0].positions)


def test_strain_is_symmetric_and_bounded():
    crystal = load_phase("Li2S")
    for copy in strained_and_rattled(crystal, 10, 0.05, 0.0, seed=1):
        strain = np.linalg.solve(crystal.cell.array, copy.cell.array) - np.eye(3)
        assert np.abs(strain).max() <= 0.05 + 1e-12
        assert np.abs(strain - strain.T).max() < 1e-12
        assert copy.get_scaled_positions() == pytest.approx(crystal.get_scaled_positions(), abs=1e-12)


def test_zero_strain_and_rattle_return_the_crystal():
    crystal = load_phase("Li7P3S11")
    (copy,) = strained_and_rattled(crystal, 1, 0.0, 0.0, seed=0)
    assert copy.positions == pytest.approx(crystal.positions)
    assert copy.calc is None


def test_rattle_has_the_requested_standard_deviation():
    crystal = load_phase("Li7P3S11")
    copies = strained_and_rattled(crystal, 20, 0.0, 0.05, seed=0)
    moves = np.concatenate([copy.positions - crystal.positions for copy in copies])
    assert moves.std() == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize(("min_atoms", "expected"), [(1, 2), (3, 4), (16, 16), (50, 54)])
def test_crystals_are_repeated_to_min_atoms(min_atoms, expected):
    assert len(repeated(load_phase("Li"), min_atoms)) == expected


def test_rattle_that_always_overlaps_raises():
    with pytest.raises(OverlappingAtomsError, match=r"50 draws.*rattle_angstrom=2\.0"):
        strained_and_rattled(load_phase("Li7P3S11"), 1, 0.02, 2.0, seed=0)


@pytest.mark.parametrize(("n", "strain", "rattle"), [(-1, 0.0, 0.0), (1, 0.4, 0.0), (1, 0.0, -0.1)])
def test_parameters_out_of_range_raise(n, strain, rattle):
    with pytest.raises(StructureError, match="required"):
        strained_and_rattled(load_phase("Li"), n, strain, rattle, seed=0)


def test_strains_are_evenly_spaced_around_zero():
    crystal = load_phase("Li2S")
    cells = equation_of_state(crystal, 5, 0.06)
    lengths = np.array([cell.cell.lengths() / crystal.cell.lengths() for cell in cells])
    np.testing.assert_allclose(lengths, np.repeat([[0.94], [0.97], [1.0], [1.03], [1.06]], 3, axis=1))
    for cell in cells:
        np.testing.assert_allclose(cell.get_scaled_positions(), crystal.get_scaled_positions(), atol=1e-12)
    assert structure_key(cells[2]) == structure_key(crystal)


def test_single_volume_is_expanded():
    assert linear_strains(1, 0.06) == [0.06]
    assert linear_strains(0, 0.06) == []


def test_crystal_is_repeated_to_min_atoms():
    assert len(equation_of_state(load_phase("Li"), 2, 0.05, min_atoms=12)[0]) >= 12


def test_compression_to_overlap_raises():
    dense = load_phase("Li2S")
    dense.set_cell(0.75 * dense.cell, scale_atoms=True)
    with pytest.raises(OverlappingAtomsError, match=r"strain -0\.29"):
        equation_of_state(dense, 2, 0.29)
    with pytest.raises(StructureError, match="max_strain=0"):
        equation_of_state(load_phase("Li2S"), 2, 0.0)


def test_rattled_cells_have_the_volumes_of_the_equation_of_state():
    """Displacements have the stated size, from a third of the largest one, 0.1 of the distance of 2.97 Å, to it."""
    crystal = load_phase("Li")
    cells = equation_of_state(crystal, 5, 0.08, 16)
    rattled = rattled_at_volumes(crystal, 5, 0.08, 2, 0.1, 16, seed=1)
    assert [frame.get_volume() for frame in rattled] == pytest.approx([cell.get_volume() for cell in cells] * 2)
    distance = crystal.get_all_distances(mic=True)[0, 1]
    sizes = [frame.info["rattle_angstrom"] for frame in rattled]
    assert sorted(sizes) == pytest.approx(np.linspace(0.1 / 3, 0.1, 10) * distance)
    for frame, cell in zip(rattled, cells * 2, strict=True):
        assert (frame.positions - cell.positions).std() == pytest.approx(frame.info["rattle_angstrom"], rel=0.4)
    assert rattled_at_volumes(crystal, 5, 0.08, 0, 0.1, 16, seed=1) == []
