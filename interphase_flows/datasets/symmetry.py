"""Check that the forces of a label have the symmetry of the structure."""

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from interphase_flows.structures.crystals.space_group import space_group_operations

SYMMETRY_TOLERANCE_ANGSTROM = 1e-4
"""Largest distance between an atom and its symmetric image; 2 meV/Å of force for a bond of 20 eV/Å²."""


def symmetry_operations(atoms: Atoms) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Return generators of the space group of a cell: rotations (n, 3, 3) and translations (n, 3).

    Both act on fractional coordinates. Each rotation is included once, and all pure translations; the other
    operations are products of these, which saves most checks in a supercell. Without symmetry the result is the
    identity.
    """
    rotations, translations = space_group_operations(
        atoms.cell.array,
        atoms.get_scaled_positions(wrap=True),
        atoms.numbers,
        SYMMETRY_TOLERANCE_ANGSTROM,
    )
    _, first = np.unique(rotations.reshape(-1, 9), axis=0, return_index=True)
    pure = np.flatnonzero((rotations == np.eye(3, dtype=int)).all(axis=(1, 2)))
    chosen = np.unique(np.concatenate([first, pure]))
    return rotations[chosen], translations[chosen]


def largest_asymmetry(atoms: Atoms, forces_eV_per_angstrom: NDArray[np.float64]) -> tuple[float, int]:
    """Return the largest difference between symmetry-equivalent forces in eV/Å, and the number of operations compared.

    An operation of the space group that maps atom i onto atom j must map the force on i onto the force on j. For an
    atom on a special position, i = j.
    """
    rotations, translations = symmetry_operations(atoms)
    if len(rotations) == 1:
        return 0.0, 1
    lattice = atoms.cell.array.T  # columns, so that x_cartesian = lattice @ x_fractional
    fractional = np.mod(atoms.get_scaled_positions(wrap=True), 1.0)
    tree = cKDTree(fractional, boxsize=1.0)
    worst = 0.0
    for rotation, translation in zip(rotations, translations, strict=True):
        images = np.mod(fractional @ rotation.T + translation, 1.0)
        images[images >= 1.0] = 0.0  # np.mod of a small negative number is 1.0
        partner = tree.query(images)[1]
        rotated = forces_eV_per_angstrom @ (lattice @ rotation @ np.linalg.inv(lattice)).T
        difference = np.linalg.norm(forces_eV_per_angstrom[partner] - rotated, axis=1)
        worst = max(worst, float(difference.max()))
    return worst, len(rotations)
