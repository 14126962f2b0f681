"""Descriptors of the environment of an anion: nine numbers for its sublattice and its shell of mobile cations.

The sublattice of *all* anion-forming and network-forming atoms distinguishes antifluorite (fcc) from Li3P (hexagonal).
Coordination numbers do not: at 300 K those of P in Li2S and in Li3P differ by one Li on average.
"""

from typing import NamedTuple

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.geometry.bond_order import averaged_bond_order, bond_order, mean_harmonics
from interphase_flows.analysis.geometry.neighbours import Nearest, PeriodicTree

N_SUBLATTICE = 12
"""Nearest neighbours of a close-packed sublattice."""
N_CATIONS = 8
"""Cations around an anion of antifluorite."""
N_NEAR_CATIONS = 12
"""Number of nearest cations: ten for the descriptors, and all within a cutoff for labels of cations (11 in Li3P)."""
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


class DescribedAnions(NamedTuple):
    """Descriptors of some anions, and their nearest cations."""

    descriptors: FloatArray
    """(n_rows, 9), the columns of `NAMES`."""
    cations: Nearest
    """The `N_NEAR_CATIONS` nearest cations."""


def describe_anions(sublattice: PeriodicTree, cations: PeriodicTree, rows: IntArray) -> DescribedAnions:
    """Compute descriptors of the anions `rows`, (n_rows,), of the tree of all anions of a frame.

    `cations` is the tree of all mobile cations, at least one. Bond order is that of `geometry.bond_order`; in the
    sublattice it is averaged over neighbours.
    """
    near = sublattice.nearest(N_SUBLATTICE + 2, rows)
    around = cations.nearest_to(N_NEAR_CATIONS, sublattice.positions[rows])
    # neighbours along the slow axis make sums over them fast
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
    """Return averaged q4 and q6, (n_rows, 2)."""
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
