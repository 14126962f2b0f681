"""Nine numbers that describe the surroundings of an anion: its sublattice, and its shell of mobile cations.

The sublattice of *all* anion-forming and network-forming atoms together tells antifluorite (fcc) from Li3P (hexagonal),
whoever sits on it: P in Li2S and P in Li3P differ by one Li on average at 300 K, which decides nothing for one atom.
"""

import freud
import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.frames import BoolArray, FloatArray
from interphase_flows.analysis.neighbours import centred, face_distances, freud_box, repeated
from interphase_flows.exceptions import AnalysisError

N_SUBLATTICE = 12
"""Nearest neighbours of a close-packed sublattice."""
N_CATIONS = 8
"""Cations around an anion of antifluorite."""
NAMES = (
    "averaged q4 of the sublattice",
    "averaged q6 of the sublattice",
    "spread of the 12 sublattice distances over their mean",
    "13th to 14th sublattice distance over the mean of 12",
    "mean sublattice distance in Å",
    "q4 of the 8 nearest cations",
    "q6 of the 8 nearest cations",
    "9th and 10th cation distance over the mean of 8",
    "mean distance of 8 cations in Å",
)


def anion_descriptors(
    positions: NDArray[np.floating], cell: NDArray[np.floating], anions: BoolArray, cations: BoolArray
) -> FloatArray:
    """Describe every anion of a frame.

    Bond order is that of Steinhardt et al., Phys. Rev. B 28, 784 (1983), averaged over the sublattice neighbours as by
    Lechner and Dellago, J. Chem. Phys. 129, 114707 (2008).

    Parameters
    ----------
    positions
        Positions in Å, wrapped or not, (n_atoms, 3).
    cell
        Lattice vectors in Å as rows, (3, 3).
    anions, cations
        Atoms of the sublattice, and mobile cations, (n_atoms,) each.

    Returns
    -------
    descriptors
        (n_anions, 9), the columns of `NAMES`.

    Raises
    ------
    AnalysisError
        There is no anion or no cation.
    """
    anions, cations = np.asarray(anions, dtype=bool), np.asarray(cations, dtype=bool)
    if not anions.any() or not cations.any():
        raise AnalysisError(
            f"{int(anions.sum())} anions and {int(cations.sum())} cations: both are needed to describe one"
        )
    positions = np.asarray(positions, dtype=float)
    n_anions = int(anions.sum())
    # wide enough for 14 sublattice neighbours and 10 cations, of the scarcer kind
    fewest = min(n_anions, int(cations.sum()))
    density = fewest / float(np.prod(face_distances(cell)))
    width = 4.0 * (3 * 15 / (4 * np.pi * density)) ** (1 / 3)
    order = np.concatenate([np.flatnonzero(anions), np.flatnonzero(cations)])
    everywhere, box_cell = repeated(positions[order], cell, width)
    box, points = freud_box(box_cell), centred(everywhere, box_cell)
    is_anion = np.arange(len(points)) % len(order) < n_anions

    sublattice = points[is_anion]
    near = _nearest(box, sublattice, sublattice, N_SUBLATTICE + 2, exclude=True)
    bond_order = freud.order.Steinhardt(l=[4, 6], average=True)
    twelve = freud.locality.AABBQuery(box, sublattice).query(
        sublattice, {"mode": "nearest", "num_neighbors": N_SUBLATTICE, "exclude_ii": True}
    )
    bond_order.compute((box, sublattice), neighbors=twelve.toNeighborList())
    q_sublattice = np.asarray(bond_order.particle_order)[:n_anions]

    around = _nearest(box, points[~is_anion], sublattice[:n_anions], N_CATIONS + 2, exclude=False)
    q_cations = _cation_order(box, points[~is_anion], sublattice[:n_anions])
    shell, outer = near[:n_anions, :N_SUBLATTICE], near[:n_anions, N_SUBLATTICE:]
    inner, beyond = around[:, :N_CATIONS], around[:, N_CATIONS:]
    return np.column_stack(
        [
            q_sublattice,
            shell.std(axis=1) / shell.mean(axis=1),
            outer.mean(axis=1) / shell.mean(axis=1),
            shell.mean(axis=1),
            q_cations,
            beyond.mean(axis=1) / inner.mean(axis=1),
            inner.mean(axis=1),
        ]
    ).astype(float)


def _nearest(
    box: freud.box.Box, points: NDArray[np.float32], around: NDArray[np.float32], n: int, *, exclude: bool
) -> FloatArray:
    """Distances in Å to the n nearest points, ascending, (n_around, n)."""
    found = freud.locality.AABBQuery(box, points).query(
        around, {"mode": "nearest", "num_neighbors": n, "exclude_ii": exclude}
    )
    listed = found.toNeighborList(sort_by_distance=True)
    return np.asarray(listed.distances, dtype=float).reshape(len(around), n)


def _cation_order(
    box: freud.box.Box, cations: NDArray[np.float32], anions: NDArray[np.float32]
) -> FloatArray:
    """q4 and q6 of the nearest cations around each anion, (n_anions, 2)."""
    found = freud.locality.AABBQuery(box, cations).query(
        anions, {"mode": "nearest", "num_neighbors": N_CATIONS}
    )
    listed = found.toNeighborList()
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
