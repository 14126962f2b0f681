"""Anions at the surface of crystals, which join the crystal of their neighbours.

The classifier recognises an anion whose shell of neighbours is that of the bulk. In a grain of 20 Å, more than half of
the anions are at the surface, where a part of the neighbours belongs to the surroundings. Such an anion joins a crystal
if three anions of the crystal are at the distance of neighbours in this crystal. An anion of the classifier without
neighbours in its crystal is removed from it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, IntArray
from interphase_flows.analysis.geometry.neighbours import Nearest
from interphase_flows.analysis.phases.gaussian_classifier import UNKNOWN

LEAST_NEIGHBOURS = 3
"""Number of neighbours in the crystal, at the distance of neighbours, that make an anion a part of its surface."""
LEAST_OF_INTERIOR = 2
"""Minimum number of neighbours in the crystal for an anion of the classifier."""
DISTANCE_SHARE = 0.1
"""Largest deviation from the median distance of neighbours in the crystal, as a fraction of it: thermal motion."""
MAX_PASSES = 6
"""Shells that can join one after the other; a grain whose interior is recognised needs two."""


def with_surfaces(
    kinds: NDArray[np.int64], crystals: Sequence[int], near: Nearest, row_of: IntArray
) -> NDArray[np.int64]:
    """Extend each crystal to its surface, and remove isolated anions from it.

    Parameters
    ----------
    kinds
        Class of each single anion, (n_single,).
    crystals
        Classes that are crystals.
    near
        The nearest anions of each single anion, (n_single, n); indices are those of all anions.
    row_of
        Position of every anion among the single ones, -1 for others, (n_anions,).

    Returns
    -------
    kinds
        Classes, (n_single,).
    """
    kinds = kinds.copy()
    # neighbours along the slow axis make sums over them fast
    neighbour = np.ascontiguousarray(row_of[near.neighbour].T)
    distance = np.ascontiguousarray(near.distance_angstrom.T)
    for crystal in crystals:
        own = kinds == crystal
        while (alone := own & (_count(_within(own, neighbour)) < LEAST_OF_INTERIOR)).any():
            own &= ~alone
            kinds[alone] = UNKNOWN
    is_open = ~np.isin(kinds, crystals)
    for crystal in crystals:
        own = kinds == crystal
        if not own.any():
            continue
        bond = float(np.median(distance[own & _within(own, neighbour)]))
        is_bond = np.abs(distance - bond) < DISTANCE_SHARE * bond
        for _ in range(MAX_PASSES):
            joined = is_open & (_count(_within(own, neighbour) & is_bond) >= LEAST_NEIGHBOURS)
            if not joined.any():
                break
            own |= joined
            is_open &= ~joined
        kinds[own] = crystal
    return kinds


def _within(own: BoolArray, neighbour: IntArray) -> BoolArray:
    """Return which neighbours belong to the crystal, in the shape of `neighbour`."""
    return np.append(own, False)[neighbour]  # -1 is the last


def _count(is_neighbour: BoolArray) -> NDArray[np.uint8]:
    """Count the neighbours of each anion, (n, n_single)."""
    return np.asarray(np.add.reduce(is_neighbour, axis=0, dtype=np.uint8))
