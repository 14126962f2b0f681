"""Symmetry operations of a cell, from spglib."""

import warnings
from typing import Any

import numpy as np
import spglib
from numpy.typing import ArrayLike, NDArray


def space_group_operations(
    cell: ArrayLike, fractional: ArrayLike, numbers: ArrayLike, tolerance_angstrom: float
) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Return the operations of a cell: rotations (n, 3, 3) and translations (n, 3) of fractional coordinates.

    Uses spglib (Togo, Shinohara and Tanaka, Sci. Technol. Adv. Mater. Methods 4, 2384822 (2024)). Without symmetry the
    result is the identity. `cell` has lattice vectors in rows (Å), `fractional` has shape (n_atoms, 3);
    `tolerance_angstrom` is the largest distance between an atom and its symmetric image.
    """
    found: dict[str, Any] | None
    spglib_cell = (
        np.asarray(cell, dtype=float).tolist(),
        np.asarray(fractional, dtype=float).tolist(),
        np.asarray(numbers).tolist(),
    )
    try:
        with warnings.catch_warnings():
            # spglib versions report failures differently: None now, exceptions later
            warnings.simplefilter("ignore", DeprecationWarning)
            found = spglib.get_symmetry(spglib_cell, symprec=tolerance_angstrom)
    except spglib.SpglibError:
        found = None
    if found is None:
        return np.eye(3, dtype=int)[None], np.zeros((1, 3))
    return np.asarray(found["rotations"], dtype=int), np.asarray(found["translations"], dtype=float)
