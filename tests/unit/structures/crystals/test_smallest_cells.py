"""Cells in which a crystal is computed."""

import numpy as np
import pytest

from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.smallest_cells import conventional_lengths_angstrom, smallest_cell


@pytest.mark.parametrize(("name", "n_atoms"), [("Li", 2), ("Li2S", 3), ("Li3P", 8), ("Li7P3S11", 42)])
def test_a_crystal_is_made_as_small_as_it_can_be(name, n_atoms):
    """But one atom alone would have no forces; volume per atom and composition are kept."""
    crystal = load_phase(name)
    cell = smallest_cell(crystal)
    assert len(cell) == n_atoms
    assert cell.get_volume() / len(cell) == pytest.approx(crystal.get_volume() / len(crystal), rel=1e-8)
    assert cell.symbols.formula.reduce()[0] == crystal.symbols.formula.reduce()[0]


@pytest.mark.parametrize("name", ["Li", "Li2S", "Li3P"])
def test_lattice_constants_are_those_of_the_conventional_cell(name):
    """Whatever cell was computed."""
    crystal = load_phase(name)
    np.testing.assert_allclose(
        conventional_lengths_angstrom(smallest_cell(crystal)), crystal.cell.lengths(), rtol=1e-6
    )
