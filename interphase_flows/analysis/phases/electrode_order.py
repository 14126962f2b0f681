"""Fraction of an electrode with body-centred cubic structure, by averaged Steinhardt parameters.

Averaged Steinhardt parameters (Lechner and Dellago, J. Chem. Phys. 129, 114707 (2008), eqs. 5-6). Over 14
neighbours, the first two shells of bcc, q̄6 is 0.51 in perfect bcc, 0.34-0.43 when atoms rattle by 0.25 Å per
direction (lithium at 300 K), and below 0.22 in amorphous lithium, which separates crystals from amorphous metal. The
ratio of q̄4 over 12 neighbours to this q̄6 separates bcc from fcc at any temperature: it is 0.15-0.26 in bcc, at rest,
strained by 4 % or rattled by up to 0.3 Å, and 0.34-0.47 in fcc. Thermal hcp overlaps with bcc and is *not*
distinguished. The parameters do not distinguish compounds.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.analysis.geometry.bond_order import averaged_bond_order, mean_harmonics
from interphase_flows.analysis.geometry.neighbours import pairs_within, tree_for_nearest
from interphase_flows.exceptions import AnalysisError

BCC_NEIGHBOURS, CLOSE_PACKED_NEIGHBOURS = 14, 12
"""First and second shell of bcc; first shell of fcc."""

LEAST_Q6 = 0.30
"""q̄6 over 14 neighbours above which an environment is crystalline (dimensionless)."""

LARGEST_RATIO = 0.32
"""Ratio of q̄4 over 12 neighbours to q̄6 over 14 below which a crystalline environment is not fcc."""


INNER_DEPTHS_ANGSTROM = (5.0, 4.0, 3.2)
"""Depths that are tried in turn, because the electrode of a small cell is only a few layers thick."""


class SteinhardtOrder(NamedTuple):
    """Averaged bond order of every atom."""

    q4: FloatArray
    """(n_atoms,), dimensionless."""
    q6: FloatArray
    """(n_atoms,), dimensionless."""


def averaged_order(
    positions: NDArray[np.floating], cell: NDArray[np.floating], n_neighbours: int = BCC_NEIGHBOURS
) -> SteinhardtOrder:
    """Compute the averaged q̄4 and q̄6 of all atoms from their nearest neighbours.

    Parameters
    ----------
    positions, cell
        Atoms (n_atoms, 3), wrapped or not, and lattice vectors as rows (3, 3) in Å.
    n_neighbours
        Number of nearest neighbours.

    Raises
    ------
    AnalysisError
        There is no atom, or the cell has no volume.
    """
    n_atoms = len(positions)
    if n_atoms == 0:
        raise AnalysisError("no atoms: the order of an empty structure is not defined")
    rows = np.arange(n_atoms)
    near = tree_for_nearest(positions, cell, n_neighbours).nearest(n_neighbours, rows)
    q = averaged_bond_order(mean_harmonics(near.vectors_angstrom), rows, near.neighbour)
    return SteinhardtOrder(q[:, 0], q[:, 1])


def bcc_fraction(positions: NDArray[np.floating], cell: NDArray[np.floating], selected: BoolArray) -> float:
    """Return the fraction of selected atoms whose environment is bcc-like.

    Parameters
    ----------
    positions
        Positions in Å of *all* atoms, (n_atoms, 3): foreign atoms nearby disturb the crystal.
    cell
        Lattice vectors in Å as rows, (3, 3).
    selected
        Atoms to evaluate, (n_atoms,); preferably those deep in the electrode (`deep_inside`), because the parameter
        depends on two shells of neighbours.

    Raises
    ------
    AnalysisError
        No atom is selected.
    """
    if not np.any(selected):
        raise AnalysisError("no atom is selected for the bcc fraction. Hint: select the atoms of the electrode")
    q6 = averaged_order(positions, cell, BCC_NEIGHBOURS).q6
    q4 = averaged_order(positions, cell, CLOSE_PACKED_NEIGHBOURS).q4
    is_bcc = (q6 > LEAST_Q6) & (q4 < LARGEST_RATIO * q6)
    return float(is_bcc[selected].mean())


def deep_inside(
    positions: NDArray[np.floating],
    cell: NDArray[np.floating],
    electrode: BoolArray,
    *,
    depth_angstrom: float = 5.0,
) -> BoolArray:
    """Return the atoms of the electrode that are farther than a depth from all other atoms, (n_atoms,).

    Parameters
    ----------
    electrode
        Atoms of the initial electrode, (n_atoms,).
    depth_angstrom
        Distance in Å; 5 Å is one and a half times the distance of the second shell of bcc lithium.
    """
    electrode = np.asarray(electrode, dtype=bool)
    pairs = pairs_within(positions, cell, depth_angstrom)
    touched = np.zeros(len(electrode), dtype=bool)
    touched[pairs.first[~electrode[pairs.second]]] = True
    return electrode & ~touched


def inner_bcc_fraction(positions: NDArray[np.floating], cell: NDArray[np.floating], electrode: BoolArray) -> float:
    """Return the bcc-like fraction of the inner atoms of an electrode, at the largest depth that its thickness allows."""
    for depth in INNER_DEPTHS_ANGSTROM:
        inner = deep_inside(positions, cell, electrode, depth_angstrom=depth)
        if inner.any():
            return bcc_fraction(positions, cell, inner)
    return bcc_fraction(positions, cell, electrode)
