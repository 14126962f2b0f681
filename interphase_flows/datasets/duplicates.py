"""Find duplicate structures up to rigid motion, reflection, order of atoms and choice of the periodic cell.

Two cells are duplicates if an isometry maps the lattice of one onto that of the other and each atom onto an atom of
the same element. They have the same energy and rotated forces, so an invariant potential learns nothing from the
second:

- A mirror image is a duplicate.
- A supercell is not: it has its own k-points, so its label is another calculation.
- A strained or displaced copy is not: the tolerance is far below the displacements of a rattle or a phonon.

A fingerprint finds candidates, which are then compared exactly. It consists of distances to the nearest neighbours, as
in the pointwise distance distributions of Widdowson and Kurlin (NeurIPS 2022). It is invariant under isometries and
changes by at most twice the displacement of an atom, so no duplicate is missed.
"""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray
from scipy.spatial import cKDTree

N_NEIGHBOURS = 8
FIRST_RADIUS_ANGSTROM = 5.0
FINGERPRINT_MARGIN = 6.0
"""Largest difference of the fingerprints of duplicates, in tolerances: two for the ends of a distance, four for the
lattice vectors that it crosses."""


def neighbour_distances(atoms: Atoms) -> NDArray[np.float64]:
    """Return the distances (Å) from each atom to its nearest neighbours, ascending, (n_atoms, 8)."""
    # slow import: half a second
    from pymatgen.optimization.neighbors import find_points_in_spheres

    lattice, _ = minkowski_reduce(atoms.cell.complete(), pbc=True)
    lattice = np.ascontiguousarray(lattice, dtype=float)
    positions = np.ascontiguousarray(atoms.positions, dtype=float)
    radius = FIRST_RADIUS_ANGSTROM
    while True:
        centre, _, _, distance = find_points_in_spheres(
            positions, positions, r=radius, pbc=np.ones(3, dtype=np.int64), lattice=lattice, tol=1e-8
        )
        is_other = distance > 1e-8
        centre, distance = centre[is_other], distance[is_other]
        counts = np.bincount(centre, minlength=len(atoms))
        if counts.min() >= N_NEIGHBOURS:
            break
        radius *= 1.5
    order = np.lexsort((distance, centre))
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return distance[order][first[:, None] + np.arange(N_NEIGHBOURS)]


def fingerprint(atoms: Atoms) -> NDArray[np.float64]:
    """Return smallest, mean and largest n-th neighbour distance (Å) of each element, (n_elements * 24,)."""
    distances = neighbour_distances(atoms)
    parts = []
    for number in np.unique(atoms.numbers):
        own = distances[atoms.numbers == number]
        parts += [own.min(axis=0), own.mean(axis=0), own.max(axis=0)]
    return np.concatenate(parts)


def find_duplicates(frames: Sequence[Atoms], tolerance_angstrom: float) -> dict[int, int]:
    """Return the indices of duplicates, with the index of the first frame that each repeats.

    Parameters
    ----------
    tolerance_angstrom
        Largest distance between atoms, and between lattice vectors, after the isometry.
    """
    groups: dict[bytes, list[int]] = {}
    for index, frame in enumerate(frames):
        if _is_valid(frame):
            groups.setdefault(np.sort(frame.numbers).tobytes(), []).append(index)
    duplicate_of: dict[int, int] = {}
    for members in groups.values():
        if len(members) < 2:
            continue
        prints = np.array([fingerprint(frames[index]) for index in members])
        tree = cKDTree(prints)
        for place, index in enumerate(members):
            near = tree.query_ball_point(prints[place], FINGERPRINT_MARGIN * tolerance_angstrom, p=np.inf)
            for other in sorted(p for p in near if p < place and members[p] not in duplicate_of):
                if is_duplicate(frames[members[other]], frames[index], tolerance_angstrom):
                    duplicate_of[index] = members[other]
                    break
    return duplicate_of


def _is_valid(atoms: Atoms) -> bool:
    """Return whether a structure has atoms, a cell and finite coordinates."""
    finite = np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()
    return bool(len(atoms) and finite and atoms.cell.complete().volume > 1e-6)


def is_duplicate(one: Atoms, other: Atoms, tolerance_angstrom: float) -> bool:
    """Return whether an isometry maps a periodic structure onto another.

    With lattice vectors of equal lengths and angles, the fractional coordinates of duplicates differ by a
    translation. All such choices of lattice vectors are tried, with all translations that map one atom of the
    rarest element onto another.
    """
    if len(one) != len(other) or not np.array_equal(np.sort(one.numbers), np.sort(other.numbers)):
        return False
    lattice = np.asarray(minkowski_reduce(one.cell.complete(), pbc=True)[0])
    fractional = one.positions @ np.linalg.inv(lattice)
    elements, counts = np.unique(one.numbers, return_counts=True)
    rarest = elements[np.argmin(counts)]
    anchor = fractional[np.flatnonzero(one.numbers == rarest)[0]]
    for same_lattice in _equal_lattices(lattice, other, tolerance_angstrom):
        other_fractional = np.mod(other.positions @ np.linalg.inv(same_lattice), 1.0)
        other_fractional[other_fractional >= 1.0] = 0.0
        tree = cKDTree(other_fractional, boxsize=1.0)
        for start in other_fractional[other.numbers == rarest]:
            moved = np.mod(fractional + (start - anchor), 1.0)
            moved[moved >= 1.0] = 0.0
            partner = tree.query(moved)[1]
            if not np.array_equal(other.numbers[partner], one.numbers):
                continue
            rest = moved - other_fractional[partner]
            rest = (rest - np.rint(rest)) @ same_lattice
            rest -= rest.mean(axis=0)  # remove the noise of the anchor
            is_near = np.linalg.norm(rest, axis=1).max() <= tolerance_angstrom
            if is_near and len(np.unique(partner)) == len(partner):
                return True
    return False


def _equal_lattices(lattice: NDArray[np.float64], other: Atoms, tolerance_angstrom: float) -> list[NDArray[np.float64]]:
    """Return the choices of lattice vectors of ``other`` with the lengths and angles of ``lattice``, as rows."""
    basis = np.asarray(minkowski_reduce(other.cell.complete(), pbc=True)[0])
    lengths = np.linalg.norm(lattice, axis=1)
    # the component of a lattice vector along a reciprocal vector is at most its length
    reach = np.ceil((lengths.max() + tolerance_angstrom) * np.linalg.norm(np.linalg.inv(basis), axis=0))
    steps = [np.arange(-n, n + 1) for n in reach.astype(int)]
    vectors = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3) @ basis
    vector_lengths = np.linalg.norm(vectors, axis=1)
    first, second, third = (vectors[np.abs(vector_lengths - n) <= tolerance_angstrom] for n in lengths)
    # largest change of a scalar product by vectors within the tolerance
    gram = lattice @ lattice.T
    slack = tolerance_angstrom * (lengths[:, None] + lengths[None, :] + tolerance_angstrom)
    found = []
    for a in first:
        for b in second[np.abs(second @ a - gram[0, 1]) <= slack[0, 1]]:
            fits = (np.abs(third @ a - gram[0, 2]) <= slack[0, 2]) & (np.abs(third @ b - gram[1, 2]) <= slack[1, 2])
            found += [np.array([a, b, c]) for c in third[fits]]
    return found
