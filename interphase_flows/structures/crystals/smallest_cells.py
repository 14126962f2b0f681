"""The smallest cell of a crystal: what is computed many times should be computed in it."""

import warnings

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

TOLERANCE_ANGSTROM = 0.01


def conventional_lengths_angstrom(atoms: Atoms) -> NDArray[np.float64]:
    """Return a, b and c of the conventional cell: those that lattice constants are given for, shape (3,)."""
    structure = AseAtomsAdaptor.get_structure(
        Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    )
    with warnings.catch_warnings():
        # pymatgen asks spglib in its old way
        warnings.simplefilter("ignore", DeprecationWarning)
        analyzer = SpacegroupAnalyzer(structure, symprec=TOLERANCE_ANGSTROM)
        conventional = analyzer.get_conventional_standard_structure()
    return np.array(conventional.lattice.abc)


def smallest_cell(atoms: Atoms, min_atoms: int = 2) -> Atoms:
    """Return the primitive cell, unless it has fewer atoms than asked for; then the crystal as it is.

    Parameters
    ----------
    atoms
        Periodic crystal; not changed.
    min_atoms
        Two by default: the forces on one atom vanish, wherever it is.
    """
    primitive = AseAtomsAdaptor.get_structure(
        Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    )
    primitive = primitive.get_primitive_structure(tolerance=TOLERANCE_ANGSTROM)
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
