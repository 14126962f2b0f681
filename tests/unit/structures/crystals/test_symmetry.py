"""Primitive cells and conventional lattice constants."""

import numpy as np
import pytest

from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.symmetry import conventional_lengths_angstrom, primitive_cell


@pytest.mark.parametrize(("name", "n_atoms"), [("Li", 2), ("Li2S", 3), ("Li3P", 8), ("Li7P3S11", 42)])
def test_primitive_cell_keeps_volume_per_atom_and_composition(name, n_atoms):
    """A primitive cell of one atom is not used, since its force vanishes."""
    crystal = load_phase(name)
    cell = primitive_cell(crystal)
    assert len(cell) == n_atoms
    assert cell.get_volume() / len(cell) == pytest.approx(crystal.get_volume() / len(crystal), rel=1e-8)
    assert cell.symbols.formula.reduce()[0] == crystal.symbols.formula.reduce()[0]


@pytest.mark.parametrize("name", ["Li", "Li2S", "Li3P"])
def test_lattice_constants_do_not_depend_on_the_cell(name):
    crystal = load_phase(name)
    np.testing.assert_allclose(
        conventional_lengths_angstrom(primitive_cell(crystal)), crystal.cell.lengths(), rtol=1e-6
    )
