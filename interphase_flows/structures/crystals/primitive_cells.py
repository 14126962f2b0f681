"""Primitive cells, for calculations that are repeated many times, and conventional lattice constants."""

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from interphase_flows.structures.crystals.symmetry import pymatgen_structure, spglib_warnings_ignored

TOLERANCE_ANGSTROM = 0.01


def conventional_lengths_angstrom(atoms: Atoms) -> NDArray[np.float64]:
    """Return the lattice constants a, b and c of the conventional cell in Å, shape (3,)."""
    with spglib_warnings_ignored():
        analyzer = SpacegroupAnalyzer(pymatgen_structure(atoms), symprec=TOLERANCE_ANGSTROM)
        return np.array(analyzer.get_conventional_standard_structure().lattice.abc)


def primitive_cell(atoms: Atoms, min_atoms: int = 2) -> Atoms:
    """Return the primitive cell, or a copy of the crystal if that has fewer than `min_atoms` atoms.

    The default is two, because the force on a single atom vanishes by symmetry.
    """
    primitive = pymatgen_structure(atoms).get_primitive_structure(tolerance=TOLERANCE_ANGSTROM)
    if not min_atoms <= len(primitive) < len(atoms):
        return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    numbers = [site.specie.Z for site in primitive]
    order = np.argsort(numbers, kind="stable")
    return Atoms(
        np.array(numbers)[order],
        scaled_positions=np.asarray(primitive.frac_coords)[order],
        cell=primitive.lattice.matrix,
        pbc=True,
    )
