"""Nine numbers that describe the surroundings of an anion: its sublattice, and its shell of mobile cations.

The sublattice of *all* anion-forming and network-forming atoms together tells antifluorite (fcc) from Li3P (hexagonal),
whoever sits on it: P in Li2S and P in Li3P differ by one Li on average at 300 K, which decides nothing for one atom.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.geometry.bond_order import averaged_bond_order, bond_order, mean_harmonics
from interphase_flows.analysis.geometry.neighbours import Nearest, PeriodicTree, tree_for_nearest
from interphase_flows.exceptions import AnalysisError

N_SUBLATTICE = 12
"""Nearest neighbours of a close-packed sublattice."""
N_CATIONS = 8
"""Cations around an anion of antifluorite."""
N_NEAR_CATIONS = 12
"""Cations that are looked for: the descriptors take ten, and labels of cations all within a cut-off (11 in Li3P)."""
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

    Bond order is that of `analysis.bond_order`, of the sublattice averaged over its neighbours.

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
    positions = np.asarray(positions)
    sublattice = tree_for_nearest(positions[anions], cell, N_SUBLATTICE + 2)
    mobile = tree_for_nearest(positions[cations], cell, N_NEAR_CATIONS)
    return described(sublattice, mobile, np.arange(len(sublattice))).descriptors


class DescribedAnions(NamedTuple):
    """Descriptors of some anions, and the cations they were made from."""

    descriptors: FloatArray
    """(n_rows, 9), the columns of `NAMES`."""
    cations: Nearest
    """The `N_NEAR_CATIONS` nearest."""


def described(sublattice: PeriodicTree, cations: PeriodicTree, rows: IntArray) -> DescribedAnions:
    """Describe some anions of trees that are there already.

    Parameters
    ----------
    sublattice
        All anions of a frame.
    cations
        All its mobile cations, one at least.
    rows
        Which anions of the tree, (n_rows,).
    """
    near = sublattice.nearest(N_SUBLATTICE + 2, rows)
    around = cations.nearest_to(N_NEAR_CATIONS, sublattice.positions[rows])
    # neighbours as rows: sums over them go along the slow axis
    distances, cation_distances = near.distance_angstrom.T.copy(), around.distance_angstrom.T.copy()
    shell, inner = distances[:N_SUBLATTICE], cation_distances[:N_CATIONS]
    mean_shell, mean_inner = shell.mean(axis=0), inner.mean(axis=0)
    columns = [
        _sublattice_order(sublattice, rows, near),
        shell.std(axis=0) / mean_shell,
        distances[N_SUBLATTICE:].mean(axis=0) / mean_shell,
        mean_shell,
        bond_order(mean_harmonics(around.vectors_angstrom[:, :N_CATIONS])),
        cation_distances[N_CATIONS : N_CATIONS + 2].mean(axis=0) / mean_inner,
        mean_inner,
    ]
    return DescribedAnions(np.column_stack(columns), around)


def _sublattice_order(sublattice: PeriodicTree, rows: IntArray, near: Nearest) -> FloatArray:
    """Averaged q4 and q6, (n_rows, 2); neighbours that are not asked for are looked around as well."""
    twelve = near.neighbour[:, :N_SUBLATTICE]
    is_needed = np.zeros(len(sublattice), dtype=bool)
    is_needed[twelve] = True
    is_needed[rows] = False
    others = np.flatnonzero(is_needed)
    place = np.empty(len(sublattice), dtype=np.int64)
    place[rows] = np.arange(len(rows))
    place[others] = len(rows) + np.arange(len(others))
    harmonics = np.concatenate(
        [
            mean_harmonics(vectors)
            for vectors in (
                near.vectors_angstrom[:, :N_SUBLATTICE],
                sublattice.nearest(N_SUBLATTICE, others).vectors_angstrom,
            )
        ]
    )
    return averaged_bond_order(harmonics, place[rows], place[twelve])
