"""Isotropically scaled crystals."""

import numpy as np
import pytest

from interphase_flows.exceptions import OverlappingAtomsError, StructureError
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.volume_scan import equation_of_state, linear_strains
from interphase_flows.structures.structure_keys import structure_key


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
