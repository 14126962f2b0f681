"""Do the forces of a label respect the symmetry of its own crystal?"""

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from interphase_flows.structures.crystals.space_group import space_group_operations

SYMMETRY_TOLERANCE_ANGSTROM = 1e-4
"""Atoms this near to their images count as symmetric; at a bond of 20 eV/Å² that is worth 2 meV/Å of force."""


def symmetry_operations(atoms: Atoms) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Return operations that generate the space group of a cell, rotations (n, 3, 3) and translations (n, 3).

    Both act on fractional coordinates.  Every rotation is there once, and every pure translation: their
    products are the rest, so a supercell of 100 atoms needs hundreds of checks and not thousands.  A cell
    in which spglib finds nothing has the identity alone.
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
    """Return the largest difference between a force and the image of its partner's, and the number of operations.

    An operation of the space group maps atom i onto atom j and must map the force on i onto the force on j
    (an atom on a special position: onto itself, so that what symmetry forbids must vanish).

    Returns
    -------
    tuple
        In eV/Å, 0 where there is nothing but the identity; and how many operations were compared.
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
        images[images >= 1.0] = 0.0  # np.mod of a tiny negative number
        partner = tree.query(images)[1]
        turned = forces_eV_per_angstrom @ (lattice @ rotation @ np.linalg.inv(lattice)).T
        difference = np.linalg.norm(forces_eV_per_angstrom[partner] - turned, axis=1)
        worst = max(worst, float(difference.max()))
    return worst, len(rotations)
