"""Descriptor of a frame for selection: radial distributions of each pair of elements, averaged over atoms."""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray


def frame_descriptor(
    atoms: Atoms, elements: Sequence[str], cutoff_angstrom: float = 6.0, n_bins: int = 24
) -> NDArray[np.float64]:
    """Return the smeared radial distribution of each pair of elements, per atom, (n_pairs * n_bins,).

    Invariant under translation, rotation, permutation of atoms and choice of the periodic cell. The weight of a
    distance is shared by the two nearest bins and vanishes at the cutoff, so that the descriptor is continuous as
    atoms move.
    """
    i, j, d = neighbor_list("ijd", atoms, cutoff_angstrom)
    symbols = np.asarray(atoms.symbols)
    place = d / cutoff_angstrom * (n_bins - 1)  # bin n is centred at n * cutoff / (n_bins - 1)
    below = np.minimum(place.astype(int), n_bins - 2)
    above_share = place - below
    # the factor 1/d^2 gives all shells the same weight
    weight = (1.0 - d / cutoff_angstrom) / np.maximum(d, 0.5) ** 2
    parts = []
    for a, b in combinations_with_replacement(sorted(elements), 2):
        pair = ((symbols[i] == a) & (symbols[j] == b)) | ((symbols[i] == b) & (symbols[j] == a))
        bins, share, pair_weight = below[pair], above_share[pair], weight[pair]
        near = np.bincount(bins, pair_weight * (1.0 - share), n_bins)
        far = np.bincount(bins + 1, pair_weight * share, n_bins)
        parts.append((near + far) / len(atoms))
    return np.concatenate(parts)
