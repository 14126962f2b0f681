"""The symmetry operations of a cell, as spglib finds them."""

import warnings
from typing import Any

import numpy as np
import spglib
from numpy.typing import ArrayLike, NDArray


def space_group_operations(
    cell: ArrayLike, fractional: ArrayLike, numbers: ArrayLike, tolerance_angstrom: float
) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Return all operations of a cell: rotations (n, 3, 3) and translations (n, 3), on fractional coordinates.

    By spglib (Togo, Shinohara and Tanaka, Sci. Technol. Adv. Mater. Methods 4, 2384822 (2024)).  A cell in which it
    finds nothing has the identity alone.

    Parameters
    ----------
    cell
        Lattice vectors in rows, Å, (3, 3).
    fractional, numbers
        Places (n_atoms, 3) and kinds (n_atoms,) of the atoms.
    tolerance_angstrom
        Atoms this near to their images count as symmetric.
    """
    found: dict[str, Any] | None
    described = (
        np.asarray(cell, dtype=float).tolist(),
        np.asarray(fractional, dtype=float).tolist(),
        np.asarray(numbers).tolist(),
    )
    try:
        with warnings.catch_warnings():
            # how spglib reports that it found nothing depends on its version, and is going to change
            warnings.simplefilter("ignore", DeprecationWarning)
            found = spglib.get_symmetry(described, symprec=tolerance_angstrom)
    except spglib.SpglibError:
        found = None
    if found is None:
        return np.eye(3, dtype=int)[None], np.zeros((1, 3))
    return np.asarray(found["rotations"], dtype=int), np.asarray(found["translations"], dtype=float)
