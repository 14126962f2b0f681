"""Pairs of atoms within a cut-off in any periodic cell, by freud.

freud (Ramasubramani et al., Comput. Phys. Commun. 254, 107275 (2020)) knows only boxes whose lattice vectors
form an upper triangular matrix (columns are vectors), centred on the origin, in single precision, and it
refuses cut-offs over half the smallest distance between faces. `standard_orientation` turns the crystal to
that setting; cells that are too thin are repeated, with the neighbours counted once per periodic image.
"""

import math
from itertools import product
from typing import NamedTuple

import freud
import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.frames import FloatArray, IntArray
from interphase_flows.exceptions import AnalysisError


class Pairs(NamedTuple):
    """Directed pairs: both (i, j) and (j, i) are listed, and once per periodic image of j."""

    first: IntArray
    """Index of the atom that looks, (n_pairs,), ascending."""
    second: IntArray
    """Index of the neighbour, (n_pairs,)."""
    distance_angstrom: FloatArray
    """Distance in Å, (n_pairs,)."""


def face_distances(cell: NDArray[np.floating]) -> FloatArray:
    """Return the distances between opposite faces in Å, (3,): normal to bc, ca and ab.

    Raises
    ------
    AnalysisError
        The cell has no volume.
    """
    cell = np.asarray(cell, dtype=float)
    if cell.shape != (3, 3) or not abs(np.linalg.det(cell)) >= 1e-9:
        raise AnalysisError(
            f"the cell {cell.tolist()} has no volume; these analyses need three lattice vectors"
        )
    # columns of the inverse are the reciprocal vectors
    return 1.0 / np.sqrt((np.linalg.inv(cell) ** 2).sum(axis=0))


def fractional(positions: NDArray[np.floating], cell: NDArray[np.floating]) -> FloatArray:
    """Return fractional coordinates, (n_atoms, 3), not wrapped."""
    return np.linalg.solve(np.asarray(cell, dtype=float).T, np.asarray(positions, dtype=float).T).T


def standard_orientation(cell: NDArray[np.floating]) -> FloatArray:
    """Return the cell turned so that a is along x and b in the xy plane, rows a, b, c.

    A left-handed cell comes back right-handed: its mirror image, which has the same distances.
    """
    cell = np.asarray(cell, dtype=float)
    upper = np.linalg.qr(cell.T, mode="r")
    signs = np.sign(np.diag(upper))
    return (upper * signs[:, None]).T


def freud_box(cell: NDArray[np.floating]) -> freud.box.Box:
    """Return freud's box of a cell in its standard orientation."""
    a, b, c = standard_orientation(cell)
    return freud.box.Box(Lx=a[0], Ly=b[1], Lz=c[2], xy=b[0] / b[1], xz=c[0] / c[2], yz=c[1] / c[2])


def repeated(
    positions: NDArray[np.floating], cell: NDArray[np.floating], least_face_distance_angstrom: float
) -> tuple[FloatArray, FloatArray]:
    """Wrap atoms and repeat the cell until its faces are farther apart than asked.

    Returns
    -------
    positions, cell
        In the standard orientation, in Å: (n_copies * n_atoms, 3), the original atoms first, and (3, 3).
    """
    copies = [max(1, math.floor(least_face_distance_angstrom / d) + 1) for d in face_distances(cell)]
    fractions = fractional(positions, cell) % 1.0
    shifts = np.array(list(product(*(range(n) for n in copies))), dtype=float)
    turned = standard_orientation(cell)
    everywhere = (shifts[:, None, :] + fractions[None, :, :]).reshape(-1, 3) @ turned
    return everywhere, turned * np.array(copies, dtype=float)[:, None]


def centred(points: FloatArray, box_cell: FloatArray) -> NDArray[np.float32]:
    """Return points of a cell that starts at the origin as points of freud's box, which is centred there."""
    return (points - 0.5 * box_cell.sum(axis=0)).astype(np.float32)


def pairs_within(
    positions: NDArray[np.floating], cell: NDArray[np.floating], cutoff_angstrom: float
) -> Pairs:
    """Find all pairs closer than a cut-off, periodic in three directions.

    Parameters
    ----------
    positions
        Positions in Å, wrapped or not, (n_atoms, 3).
    cell
        Lattice vectors in Å as rows, (3, 3); any triclinic cell, of any width.
    cutoff_angstrom
        Largest distance in Å.

    Raises
    ------
    AnalysisError
        The cell has no volume, or the cut-off is not positive.
    """
    if not cutoff_angstrom > 0:
        raise AnalysisError(f"a cut-off of {cutoff_angstrom} Å finds no pairs; give a positive distance in Å")
    n_atoms = len(positions)
    if n_atoms == 0:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    # a hair more than twice the cut-off: freud compares in single precision
    points, box_cell = repeated(positions, cell, 2.0 * cutoff_angstrom * (1 + 1e-5))
    inside = centred(points, box_cell)
    query = freud.locality.AABBQuery(freud_box(box_cell), inside)
    found = query.query(
        inside[:n_atoms], {"mode": "ball", "r_max": cutoff_angstrom, "exclude_ii": True}
    ).toNeighborList(sort_by_distance=False)
    first = np.asarray(found.query_point_indices, dtype=np.int64)
    second = np.asarray(found.point_indices, dtype=np.int64) % n_atoms
    return Pairs(first, second, np.asarray(found.distances, dtype=float))
