"""Find structures that are one and the same but for the names of their atoms, their place and their orientation.

Two cells are duplicates if a rigid motion maps the lattice of one onto that of the other and each atom onto an
atom of its element, whatever lattice vectors either was written with.  Then they have one energy and the same
forces but for a rotation, and a potential whose energy does not depend on place and orientation learns nothing
from the second.  What follows from that, and what does not:

- A mirror image is a duplicate: a mirror changes no energy, and reflects the forces.
- A supercell is none: it has k-points of its own, so its label is another calculation, and more forces.
- A strained or displaced copy is none: the tolerance is far below what a rattle or a phonon's displacement is.

Candidates come from a fingerprint, confirmed exactly.  The fingerprint is made of distances to the nearest
neighbours, as the pointwise distance distributions of Widdowson and Kurlin (NeurIPS 2022): a rigid motion leaves
them as they are, and they move by no more than twice what an atom moves, so no duplicate is missed.
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
"""Largest difference of fingerprints over the tolerance: two for the ends of a distance, the rest for lattice
vectors that differ by as much, which distances cross once or twice."""


def neighbour_distances(atoms: Atoms) -> NDArray[np.float64]:
    """Return the distances (Å) from each atom to its nearest neighbours, ascending, (n_atoms, 8)."""
    # a compiled search that knows any cell; pymatgen takes half a second to load
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
    """Return which frame repeats which; the first of each stays.

    Parameters
    ----------
    frames
        Periodic structures, in the order that decides who is first.
    tolerance_angstrom
        Largest distance left between atoms, and between lattice vectors, after the rigid motion.

    Returns
    -------
    dict
        From the index of a duplicate to that of the first frame it repeats.  It depends on the frames and
        their order alone.
    """
    groups: dict[bytes, list[int]] = {}
    for index, frame in enumerate(frames):
        if _has_places(frame):
            groups.setdefault(np.sort(frame.numbers).tobytes(), []).append(index)
    twins: dict[int, int] = {}
    for members in groups.values():
        if len(members) < 2:
            continue
        prints = np.array([fingerprint(frames[index]) for index in members])
        tree = cKDTree(prints)
        for place, index in enumerate(members):
            near = tree.query_ball_point(prints[place], FINGERPRINT_MARGIN * tolerance_angstrom, p=np.inf)
            for other in sorted(p for p in near if p < place and members[p] not in twins):
                if is_duplicate(frames[members[other]], frames[index], tolerance_angstrom):
                    twins[index] = members[other]
                    break
    return twins


def _has_places(atoms: Atoms) -> bool:
    """Whether there are atoms, in a cell, at finite places: what the gates refuse has no twin."""
    finite = np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()
    return bool(len(atoms) and finite and atoms.cell.complete().volume > 1e-6)


def is_duplicate(one: Atoms, other: Atoms, tolerance_angstrom: float) -> bool:
    """Whether a rigid motion, or one with a mirror, maps a periodic structure onto another.

    In lattice vectors of equal lengths and angles, the two have equal fractional coordinates but for a
    translation: every such choice of lattice vectors is tried, and every translation that takes one
    atom of the rarest element onto another.
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
            rest -= rest.mean(axis=0)  # the anchor's own noise is no translation
            is_near = np.linalg.norm(rest, axis=1).max() <= tolerance_angstrom
            if is_near and len(np.unique(partner)) == len(partner):
                return True
    return False


def _equal_lattices(
    lattice: NDArray[np.float64], other: Atoms, tolerance_angstrom: float
) -> list[NDArray[np.float64]]:
    """Return the choices of lattice vectors of ``other`` with the lengths and angles of ``lattice``, as rows."""
    basis = np.asarray(minkowski_reduce(other.cell.complete(), pbc=True)[0])
    lengths = np.linalg.norm(lattice, axis=1)
    # along each reciprocal vector, a lattice vector goes no farther than its length
    reach = np.ceil((lengths.max() + tolerance_angstrom) * np.linalg.norm(np.linalg.inv(basis), axis=0))
    steps = [np.arange(-n, n + 1) for n in reach.astype(int)]
    vectors = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3) @ basis
    vector_lengths = np.linalg.norm(vectors, axis=1)
    first, second, third = (vectors[np.abs(vector_lengths - n) <= tolerance_angstrom] for n in lengths)
    # a vector that ends within the tolerance changes a product by no more than this
    gram = lattice @ lattice.T
    slack = tolerance_angstrom * (lengths[:, None] + lengths[None, :] + tolerance_angstrom)
    found = []
    for a in first:
        for b in second[np.abs(second @ a - gram[0, 1]) <= slack[0, 1]]:
            fits = (np.abs(third @ a - gram[0, 2]) <= slack[0, 2]) & (
                np.abs(third @ b - gram[1, 2]) <= slack[1, 2]
            )
            found += [np.array([a, b, c]) for c in third[fits]]
    return found
