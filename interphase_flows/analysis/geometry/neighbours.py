"""Neighbour search in any triclinic periodic cell, by a k-d tree of atoms and periodic images.

The k-d tree (Bentley, Commun. ACM 18, 509 (1975)) is `scipy.spatial.cKDTree`, which releases the interpreter lock. Points
are wrapped into the cell and complemented by the images within a margin around it, so cells may be arbitrarily thin;
every periodic image is a separate neighbour.
"""

import math
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.exceptions import AnalysisError

FEW = 8
"""Initial number of neighbours per query where few are expected."""
LEAF_SIZE = 24
"""Number of points in a leaf of the tree."""
WIDEN = 1.5
"""Growth factor of a margin that does not contain all neighbours."""
SPARE = 1.3
"""Ratio of the margin to the radius of a sphere with n neighbours at the mean density."""


class Pairs(NamedTuple):
    """Directed pairs: both (i, j) and (j, i), with one entry per periodic image of j."""

    first: IntArray
    """Index of the central atom, ascending, (n_pairs,)."""
    second: IntArray
    """Index of the neighbour, (n_pairs,)."""
    distance_angstrom: FloatArray
    """Distance in Å, (n_pairs,)."""


class Nearest(NamedTuple):
    """The n nearest neighbours of some points, in order of distance."""

    distance_angstrom: FloatArray
    """Distances in Å, (n_rows, n)."""
    neighbour: IntArray
    """Indices of the neighbours, or of the points whose images they are, (n_rows, n)."""
    vectors_angstrom: FloatArray
    """Vectors to them in Å, (n_rows, n, 3)."""


def face_distances(cell: NDArray[np.floating]) -> FloatArray:
    """Return the distances between opposite faces of the cell in Å, normal to bc, ca and ab, (3,).

    Raises
    ------
    AnalysisError
        The cell has no volume.
    """
    cell = np.asarray(cell, dtype=float)
    if cell.shape != (3, 3) or not abs(np.linalg.det(cell)) >= 1e-9:
        raise AnalysisError(f"the cell {cell.tolist()} has no volume; these analyses need three lattice vectors")
    # columns of the inverse are the reciprocal vectors
    return 1.0 / np.sqrt((np.linalg.inv(cell) ** 2).sum(axis=0))


def fractional(positions: NDArray[np.floating], cell: NDArray[np.floating]) -> FloatArray:
    """Return fractional coordinates, (n_atoms, 3), not wrapped."""
    return np.asarray(positions, dtype=float) @ np.linalg.inv(np.asarray(cell, dtype=float))


def standard_orientation(cell: NDArray[np.floating]) -> FloatArray:
    """Return the cell rotated so that a is along x and b in the xy plane, rows a, b, c.

    A left-handed cell becomes its right-handed mirror image, which has the same distances.
    """
    cell = np.asarray(cell, dtype=float)
    upper = np.linalg.qr(cell.T, mode="r")
    signs = np.sign(np.diag(upper))
    return (upper * signs[:, None]).T


def repeated(
    positions: NDArray[np.floating], cell: NDArray[np.floating], least_face_distance_angstrom: float
) -> tuple[FloatArray, FloatArray]:
    """Wrap atoms and repeat the cell until its opposite faces are farther apart than a minimum.

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


class PeriodicTree:
    """Neighbour search among the points of a periodic cell.

    Parameters
    ----------
    positions
        Positions in Å, wrapped or not, (n_points, 3).
    cell
        Lattice vectors in Å as rows, (3, 3).
    margin_angstrom
        Width of the border of images in Å; ideally the distance of the farthest requested neighbour.

    Raises
    ------
    AnalysisError
        The cell has no volume.
    """

    def __init__(self, positions: NDArray[np.floating], cell: NDArray[np.floating], margin_angstrom: float) -> None:
        self._cell = np.asarray(cell, dtype=float)
        self._heights = face_distances(self._cell)
        self._fractions = _wrapped(positions, self._cell)
        self._widen(margin_angstrom)

    def __len__(self) -> int:
        return len(self._fractions)

    @property
    def positions(self) -> FloatArray:
        """Positions in Å, wrapped into the cell, (n_points, 3)."""
        return self._points[: len(self)]

    def _widen(self, margin_angstrom: float) -> None:
        self._margin = margin_angstrom
        # slightly wider, so that rounding does not exclude points exactly at the margin
        fractions, self._index = _with_images(self._fractions, 1.000001 * margin_angstrom / self._heights)
        self._points = fractions @ self._cell
        self._tree = cKDTree(self._points, LEAF_SIZE, compact_nodes=False, balanced_tree=False)

    def nearest(self, n: int, rows: IntArray) -> Nearest:
        """Find the n nearest neighbours of some points, including their own images but not themselves."""
        found = self._nearest(n + 1, self._fractions[rows])
        return Nearest(found.distance_angstrom[:, 1:], found.neighbour[:, 1:], found.vectors_angstrom[:, 1:])

    def nearest_to(self, n: int, positions: NDArray[np.floating]) -> Nearest:
        """Find the n points nearest to positions in Å, (n_positions, 3)."""
        return self._nearest(n, _wrapped(positions, self._cell))

    def _nearest(self, n: int, fractions: FloatArray) -> Nearest:
        if len(self) == 0 and len(fractions) > 0:
            raise AnalysisError(f"cannot find {n} neighbours: there are no points")
        places = fractions @ self._cell
        found = self._within_margin(n, places)
        missed = np.flatnonzero(np.isinf(found.distance_angstrom[:, -1]))
        while len(missed):
            self._widen(WIDEN * self._margin)
            for old, new in zip(found, self._within_margin(n, places[missed]), strict=True):
                old[missed] = new
            missed = missed[np.isinf(found.distance_angstrom[missed, -1])]
        return found

    def _within_margin(self, n: int, places: FloatArray) -> Nearest:
        """Find n neighbours within the margin, where all images exist; distances beyond it are infinite."""
        # a sequence, which is slower, keeps the second axis for one neighbour
        ranks = n if n > 1 else [1]
        distance, found = self._tree.query(places, ranks, distance_upper_bound=self._margin)
        vectors = self._points.take(found, axis=0, mode="clip")
        vectors -= places[:, None, :]
        return Nearest(distance, self._index.take(found, mode="clip"), vectors)

    def few_within(self, cutoff_angstrom: float, positions: NDArray[np.floating] | None = None) -> Pairs:
        """Find neighbours within a cutoff that few atoms are within, such as a bond length.

        The result is also correct for many neighbours, but `all_within` is then faster.

        Parameters
        ----------
        cutoff_angstrom
            Largest distance in Å.
        positions
            Central positions in Å, (n_positions, 3); by default the points themselves, each without itself.
        """
        if cutoff_angstrom > self._margin:
            self._widen(cutoff_angstrom)
        fractions = self._fractions if positions is None else _wrapped(positions, self._cell)
        places = fractions @ self._cell
        beyond = float(np.nextafter(cutoff_angstrom, np.inf))  # the upper bound of the tree is exclusive
        rows, n = np.arange(len(places)), FEW
        parts = []
        while len(rows):
            distance, found = self._tree.query(places[rows], n, distance_upper_bound=beyond)
            near = np.isfinite(distance)
            full = near[:, -1].copy()
            near[full] = False  # repeated with a larger n
            if positions is None:
                near &= found != rows[:, None]
            kept = np.flatnonzero(near)
            parts.append((rows[kept // n], self._index[found.ravel()[kept]], distance.ravel()[kept]))
            rows, n = rows[full], 2 * n
        if not parts:
            return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
        first, second, distances = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.argsort(first, kind="stable") if len(parts) > 1 else slice(None)
        return Pairs(first[order], second[order], distances[order])

    def all_within(self, cutoff_angstrom: float, positions: NDArray[np.floating] | None = None) -> Pairs:
        """Find neighbours within a cutoff that many atoms are within; see `few_within`."""
        if cutoff_angstrom > self._margin:
            self._widen(cutoff_angstrom)
        places = self.positions if positions is None else _wrapped(positions, self._cell) @ self._cell
        own = cKDTree(places, LEAF_SIZE, compact_nodes=False, balanced_tree=False)
        found = own.sparse_distance_matrix(self._tree, cutoff_angstrom, output_type="ndarray")
        if positions is None:
            found = found[found["i"] != found["j"]]
        found = found[np.argsort(found["i"], kind="stable")]
        return Pairs(found["i"].astype(np.int64), self._index[found["j"]], found["v"].copy())


def tree_for_nearest(positions: NDArray[np.floating], cell: NDArray[np.floating], n: int) -> PeriodicTree:
    """Return a tree with a margin slightly larger than a sphere of n neighbours at the mean density."""
    volume = float(np.prod(face_distances(cell)))
    radius = (3 * (n + 1) * volume / (4 * np.pi * max(1, len(positions)))) ** (1 / 3)
    return PeriodicTree(positions, cell, SPARE * radius)


def pairs_within(positions: NDArray[np.floating], cell: NDArray[np.floating], cutoff_angstrom: float) -> Pairs:
    """Find all pairs closer than a cutoff, periodic in three directions.

    Parameters
    ----------
    positions, cell
        Atoms (n_atoms, 3), wrapped or not, and lattice vectors as rows (3, 3) of any triclinic cell in Å.
    cutoff_angstrom
        Largest distance in Å.

    Raises
    ------
    AnalysisError
        The cell has no volume, or the cutoff is not positive.
    """
    if not cutoff_angstrom > 0:
        raise AnalysisError(f"cutoff {cutoff_angstrom} Å: must be positive")
    n_atoms = len(positions)
    if n_atoms == 0:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    return PeriodicTree(positions, cell, cutoff_angstrom).all_within(cutoff_angstrom)


def _wrapped(positions: NDArray[np.floating], cell: FloatArray) -> FloatArray:
    fractions = fractional(positions, cell)
    fractions -= np.floor(fractions)
    return fractions


def _with_images(fractions: FloatArray, margin: FloatArray) -> tuple[FloatArray, IntArray]:
    """Add the images within a margin (3,) around the unit cube; return all points and the indices of their originals."""
    index = np.arange(len(fractions))
    for axis in range(3):
        parts, owners = [fractions], [index]
        along = fractions[:, axis].copy()
        for shift in range(1, int(np.ceil(margin[axis])) + 1):
            # points lie in [0, 1), so each image can leave the margin on one side only
            for way, kept in (
                (shift, np.flatnonzero(along < 1.0 + margin[axis] - shift)),
                (-shift, np.flatnonzero(along > shift - margin[axis])),
            ):
                image = fractions[kept]
                image[:, axis] += way
                parts.append(image)
                owners.append(index[kept])
        fractions, index = np.concatenate(parts), np.concatenate(owners)
    return fractions, index
