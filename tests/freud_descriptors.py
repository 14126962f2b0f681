"""Descriptors of anions by this package and by freud (Ramasubramani et al., Comput. Phys. Commun. 254, 107275 (2020))."""

import freud
import numpy as np

from interphase_flows.analysis.geometry.neighbours import repeated, standard_orientation, tree_for_nearest
from interphase_flows.analysis.phases.anion_descriptors import (
    N_CATIONS,
    N_NEAR_CATIONS,
    N_SUBLATTICE,
    describe_anions,
)


def anion_descriptors(positions: np.ndarray, cell: np.ndarray, anions: np.ndarray, cations: np.ndarray) -> np.ndarray:
    """Return the descriptors of all anions of a frame by this package, (n_anions, 9)."""
    sublattice = tree_for_nearest(positions[anions], cell, N_SUBLATTICE + 2)
    mobile = tree_for_nearest(positions[cations], cell, N_NEAR_CATIONS)
    return describe_anions(sublattice, mobile, np.arange(len(sublattice))).descriptors


def freud_points(positions: np.ndarray, cell: np.ndarray, least_angstrom: float) -> tuple[freud.box.Box, np.ndarray]:
    """Return a box with at least this distance between faces, and all points in it, the original ones first."""
    everywhere, box_cell = repeated(positions, cell, least_angstrom)
    a, b, c = standard_orientation(box_cell)
    box = freud.box.Box(Lx=a[0], Ly=b[1], Lz=c[2], xy=b[0] / b[1], xz=c[0] / c[2], yz=c[1] / c[2])
    # the origin of a freud box is its centre
    return box, (everywhere - 0.5 * box_cell.sum(axis=0)).astype(np.float32)


def freud_pairs(positions: np.ndarray, cell: np.ndarray, cutoff_angstrom: float) -> np.ndarray:
    """Return pairs of neighbours within a cutoff, (n_pairs, 2); periodic images have separate indices."""
    box, points = freud_points(positions, cell, 2.0 * cutoff_angstrom * (1 + 1e-5))
    query = {"mode": "ball", "r_max": cutoff_angstrom, "exclude_ii": True}
    found = freud.locality.AABBQuery(box, points).query(points[: len(positions)], query)
    return np.asarray(found.toNeighborList(sort_by_distance=False))[:, :2]


def freud_averaged_order(positions: np.ndarray, cell: np.ndarray, n: int, least_angstrom: float) -> np.ndarray:
    """Return averaged q4 and q6 over n neighbours, (n_atoms, 2)."""
    system = freud_points(positions, cell, least_angstrom)
    order = freud.order.Steinhardt(l=[4, 6], average=True)
    order.compute(system, neighbors=_nearest(*system, system[1], n, exclude=True))
    return np.asarray(order.particle_order)[: len(positions)]


def freud_descriptors(
    positions: np.ndarray,
    cell: np.ndarray,
    anions: np.ndarray,
    cations: np.ndarray,
    least_angstrom: float = 30.0,
) -> np.ndarray:
    """Return the descriptors of `anion_descriptors`; the repeated cell must be twice the neighbour distance wide."""
    n_anions = int(anions.sum())
    ordered = np.concatenate([positions[anions], positions[cations]])
    box, points = freud_points(ordered, cell, least_angstrom)
    is_anion = np.arange(len(points)) % len(ordered) < n_anions
    sublattice, mobile = points[is_anion], points[~is_anion]
    originals = sublattice[:n_anions]

    order = freud.order.Steinhardt(l=[4, 6])
    order.compute((box, sublattice), neighbors=_nearest(box, sublattice, sublattice, N_SUBLATTICE, exclude=True))
    near = _distances(_nearest(box, sublattice, originals, N_SUBLATTICE + 2, exclude=True), n_anions)
    around = _distances(_nearest(box, mobile, originals, N_CATIONS + 2, exclude=False), n_anions)
    shell, inner = near[:, :N_SUBLATTICE], around[:, :N_CATIONS]
    return np.column_stack(
        [
            np.asarray(order.particle_order)[:n_anions],
            shell.std(axis=1) / shell.mean(axis=1),
            near[:, N_SUBLATTICE:].mean(axis=1) / shell.mean(axis=1),
            shell.mean(axis=1),
            _cation_order(box, mobile, originals),
            around[:, N_CATIONS:].mean(axis=1) / inner.mean(axis=1),
            inner.mean(axis=1),
        ]
    )


def _nearest(box, points, around, n, *, exclude):
    """Return freud's list of the n nearest points around others."""
    query = {"mode": "nearest", "num_neighbors": n, "exclude_ii": exclude}
    found = freud.locality.AABBQuery(box, points).query(around, query)
    return found.toNeighborList(sort_by_distance=True)


def _distances(listed, n_around):
    return np.asarray(listed.distances, dtype=float).reshape(n_around, -1)


def _cation_order(box, cations, anions):
    listed = _nearest(box, cations, anions, N_CATIONS, exclude=False)
    joint = np.concatenate([anions, cations])
    among = freud.locality.NeighborList.from_arrays(
        len(joint),
        len(joint),
        np.asarray(listed.query_point_indices),
        np.asarray(listed.point_indices) + len(anions),
        np.asarray(listed.vectors),
    )
    order = freud.order.Steinhardt(l=[4, 6])
    order.compute((box, joint), neighbors=among)
    return np.asarray(order.particle_order)[: len(anions)]
