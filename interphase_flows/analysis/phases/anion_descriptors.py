"""Descriptors of the environment of an anion: nine numbers for its sublattice and its shell of mobile cations.

The sublattice of *all* anion-forming and network-forming atoms distinguishes antifluorite (fcc) from Li3P (hexagonal).
Coordination numbers do not: at 300 K those of P in Li2S and in Li3P differ by one Li on average.
"""

from typing import NamedTuple

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.geometry.bond_order import bond_order, mean_harmonics
from interphase_flows.analysis.geometry.neighbours import Nearest, PeriodicTree

N_SUBLATTICE = 12
"""Nearest neighbours of a close-packed sublattice."""
N_CATIONS = 8
"""Cations around an anion of antifluorite."""
N_NEAR_CATIONS = 12
"""Number of nearest cations: ten for the descriptors, and all within a cutoff for labels of cations (11 in Li3P)."""
NAMES = (
    "q4 of the sublattice",
    "q6 of the sublattice",
    "spread of the 12 sublattice distances over their mean",
    "13th to 14th sublattice distance over the mean of 12",
    "mean sublattice distance in Å",
    "q4 of the 8 nearest cations",
    "q6 of the 8 nearest cations",
    "9th and 10th cation distance over the mean of 8",
    "mean distance of 8 cations in Å",
)


class DescribedAnions(NamedTuple):
    """Descriptors of some anions, and their nearest cations and anions."""

    descriptors: FloatArray
    """(n_rows, 9), the columns of `NAMES`."""
    cations: Nearest
    """The `N_NEAR_CATIONS` nearest cations."""
    anions: Nearest
    """The `N_SUBLATTICE` nearest anions."""


def describe_anions(sublattice: PeriodicTree, cations: PeriodicTree, rows: IntArray) -> DescribedAnions:
    """Compute descriptors of the anions `rows`, (n_rows,), of the tree of all anions of a frame.

    `cations` is the tree of all mobile cations, at least one. Bond order is that of `geometry.bond_order`. It is not
    averaged over neighbours, because averages depend on two shells, which few anions of a small grain have.
    """
    near = sublattice.nearest(N_SUBLATTICE + 2, rows)
    around = cations.nearest_to(N_NEAR_CATIONS, sublattice.positions[rows])
    # neighbours along the slow axis make sums over them fast
    distances, cation_distances = near.distance_angstrom.T.copy(), around.distance_angstrom.T.copy()
    shell, inner = distances[:N_SUBLATTICE], cation_distances[:N_CATIONS]
    mean_shell, mean_inner = shell.mean(axis=0), inner.mean(axis=0)
    columns = [
        bond_order(mean_harmonics(near.vectors_angstrom[:, :N_SUBLATTICE])),
        shell.std(axis=0) / mean_shell,
        distances[N_SUBLATTICE:].mean(axis=0) / mean_shell,
        mean_shell,
        bond_order(mean_harmonics(around.vectors_angstrom[:, :N_CATIONS])),
        cation_distances[N_CATIONS : N_CATIONS + 2].mean(axis=0) / mean_inner,
        mean_inner,
    ]
    first_shell = Nearest(
        near.distance_angstrom[:, :N_SUBLATTICE],
        near.neighbour[:, :N_SUBLATTICE],
        near.vectors_angstrom[:, :N_SUBLATTICE],
    )
    return DescribedAnions(np.column_stack(columns), around, first_shell)
