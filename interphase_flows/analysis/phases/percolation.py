"""Does a network of bonds cross the interphase: Li-P bonds from one side to the other.

A connected network of alkali metal and network former leaks electrons: a mixed-conducting interphase and no solid
electrolyte interphase. The answer depends on the longest bond, so it is given for a sweep of cut-offs. A network that is
connected to its own periodic image (wraps) is told from one that is merely large: every bond carries the image it leads
to, and a loop whose images do not add up to zero wraps (Livraghi et al., J. Chem. Theory Comput. 17, 6449 (2021)).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from ase.neighborlist import primitive_neighbor_list
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.geometry.frames import mask_of
from interphase_flows.analysis.geometry.neighbours import fractional
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class Percolation:
    """A bond network at one cut-off."""

    cutoff_angstrom: float
    n_networks: int
    """Connected parts with at least one bond."""
    largest_share: float
    """Atoms of the largest part over all atoms of the two elements, of those in the layer if one was given."""
    wraps: tuple[bool, bool, bool]
    """Whether some part is connected to its own image along a, b, c."""
    spans: bool | None
    """Whether one part reaches from one side of the layer to the other; None if no layer was given."""


def percolation_sweep(
    positions: NDArray[np.floating],
    cell: NDArray[np.floating],
    numbers: NDArray[np.integer],
    *,
    first: Collection[str],
    second: Collection[str],
    cutoffs_angstrom: Sequence[float],
    layer: tuple[float, float] | None = None,
    axis: int = 2,
) -> list[Percolation]:
    """Look for networks of bonds between two kinds of elements, one cut-off after another.

    Parameters
    ----------
    positions
        Positions in Å, wrapped or not, (n_atoms, 3).
    cell
        Lattice vectors in Å as rows, (3, 3).
    numbers
        Atomic numbers, (n_atoms,).
    first, second
        Elements at the two ends of a bond; equal kinds are not bonded here.
    cutoffs_angstrom
        Longest bonds in Å.
    layer
        Fractional coordinates between which the layer lies along `axis`, such as the boundaries of the interphase
        over the length of the cell; the second may exceed 1 for a layer across the cell's border. Bonds are then those
        between atoms inside, and a network spans the layer if it has atoms within a cut-off of both borders: it touches
        what is beyond. In a layer of less than four bonds, one atom with its neighbours does.
    axis
        Lattice vector that crosses the interphase: 0, 1 or 2.

    Raises
    ------
    AnalysisError
        The elements overlap or are not there, a cut-off is not positive, or the ends of the layer are not in order.
    """
    is_first, is_second = mask_of(numbers, first), mask_of(numbers, second)
    if np.any(is_first & is_second) or not is_first.any() or not is_second.any():
        raise AnalysisError(
            f"bonds between {sorted(first)} and {sorted(second)}: both must be there and have nothing in common"
        )
    if not cutoffs_angstrom or min(cutoffs_angstrom) <= 0 or axis not in (0, 1, 2):
        raise AnalysisError(
            f"cut-offs {list(cutoffs_angstrom)} Å, axis {axis}: give positive distances and 0, 1 or 2"
        )
    chosen = np.flatnonzero(is_first | is_second)
    fractions = fractional(np.asarray(positions)[chosen], cell) % 1.0
    height = np.zeros(len(chosen))
    pbc = [True, True, True]
    if layer is not None:
        low, high = layer
        if not 0 < high - low <= 1:
            raise AnalysisError(
                f"layer {layer}: give fractional coordinates, the lower one first, less than 1 apart"
            )
        height = (fractions[:, axis] - low) % 1.0
        inside = height <= high - low
        chosen, fractions, height = chosen[inside], fractions[inside], height[inside]
        fractions[:, axis] = height
        pbc[axis] = False
    places = fractions @ np.asarray(cell, dtype=float)
    i, j, distance, image = primitive_neighbor_list(
        "ijdS", pbc, np.asarray(cell, dtype=float), places, max(cutoffs_angstrom)
    )
    bond = is_first[chosen][i] != is_first[chosen][j]
    i, j, distance, image = i[bond], j[bond], distance[bond], image[bond]
    thickness = None
    if layer is not None:
        normal = np.cross(cell[(axis + 1) % 3], cell[(axis + 2) % 3])
        per_fraction = abs(np.dot(cell[axis], normal)) / np.linalg.norm(normal)
        height, thickness = height * per_fraction, (layer[1] - layer[0]) * per_fraction
    found = []
    for cutoff in cutoffs_angstrom:
        near = distance <= cutoff
        found.append(_network(i[near], j[near], image[near], height, thickness, cutoff))
    return found


def _network(
    i: IntArray,
    j: IntArray,
    image: IntArray,
    height: FloatArray,
    thickness: float | None,
    cutoff_angstrom: float,
) -> Percolation:
    n = len(height)
    graph = csr_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(n, n))
    n_parts, part = connected_components(graph, directed=False) if n else (0, np.empty(0, np.int64))
    sizes = np.bincount(part, minlength=n_parts)
    wraps = _wraps(i, j, image, part)
    spans = None
    if thickness is not None:
        lowest, highest = np.full(n_parts, np.inf), np.full(n_parts, -np.inf)
        np.minimum.at(lowest, part, height)
        np.maximum.at(highest, part, height)
        reaches = (lowest <= cutoff_angstrom) & (highest >= thickness - cutoff_angstrom)
        spans = bool(np.any(reaches & (sizes > 1)))
    return Percolation(
        float(cutoff_angstrom),
        int((sizes > 1).sum()),
        float(sizes.max() / n) if len(sizes) and sizes.max() > 1 else 0.0,
        (bool(wraps[0]), bool(wraps[1]), bool(wraps[2])),
        spans,
    )


def _wraps(i: IntArray, j: IntArray, image: IntArray, part: IntArray) -> NDArray[np.bool_]:
    """Along which lattice vectors any connected part meets its own image, (3,)."""
    if not len(i):
        return np.zeros(3, dtype=bool)
    # one tree of all parts: a root is tied to an atom of each
    root = len(part)
    heads = np.unique(part, return_index=True)[1]
    first, second = np.concatenate([i, np.full(len(heads), root)]), np.concatenate([j, heads])
    shape = (root + 1, root + 1)
    joined = csr_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=shape)
    parent = breadth_first_order(joined, root, directed=False)[1].astype(np.int64)
    parent[root] = root
    # the image that the bond from its parent leads to, summed up to the root by doubling the way
    offset = np.zeros((root + 1, 3), dtype=np.int64)
    bonds = i * root + j
    order = np.argsort(bonds, kind="stable")
    tied = np.flatnonzero(parent < root)
    at = np.searchsorted(bonds[order], parent[tied] * root + tied)
    offset[tied] = image[order[at]]
    while (parent < root).any():
        offset += offset[parent]
        parent = parent[parent]
    return np.asarray(((offset[i] + image - offset[j]) != 0).any(axis=0))
