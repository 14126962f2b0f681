"""Percolation of bond networks, such as Li-P, across the interphase.

A connected network of mobile cations and network formers conducts electrons, so the interphase is mixed-conducting and
not a solid electrolyte interphase. The result depends on the longest bond and is therefore given for a sweep of
cutoffs. A network that is connected to its own periodic image (wraps) is distinguished from a large one by the periodic
images of its bonds: it wraps if the images of the bonds of a loop do not add up to zero (Livraghi et al., J. Chem.
Theory Comput. 17, 6449 (2021)).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import covalent_radii
from ase.neighborlist import primitive_neighbor_list
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.geometry.frames import mask_of, numbers_of
from interphase_flows.analysis.geometry.neighbours import fractional
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.analysis.interfaces.layers import layer_of
from interphase_flows.analysis.phases.results import NetworkCrossing, PercolationResult
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.speciation.anion_species import N_INTACT
from interphase_flows.analysis.speciation.element_roles import Roles
from interphase_flows.exceptions import AnalysisError

FACTORS = np.linspace(1.10, 1.36, 7)
"""Cutoffs in units of the sum of the covalent radii (Li-P: 2.6 to 3.2 Å)."""
BOND_FACTOR = 1.21
"""Longest bond in the same units: P-Li in Li3P are 2.5 to 2.8 Å, 1.05 to 1.21."""
LEAST_BONDS = 4
"""Minimum thickness in longest bonds: one atom with its neighbours is within a bond of both sides of thinner ones."""
CROSSED = 0.5
"""Fraction of the frames in which a network must cross."""


@dataclass(frozen=True)
class Percolation:
    """A bond network at one cutoff."""

    cutoff_angstrom: float
    n_networks: int
    """Number of connected components with at least one bond."""
    largest_share: float
    """Fraction of the atoms of the two elements, in the layer if there is one, in the largest component."""
    wraps: tuple[bool, bool, bool]
    """Whether a component is connected to its own periodic image along a, b, c."""
    spans: bool | None
    """Whether a component extends from one side of the layer to the other; None without a layer."""


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
    """Find networks of bonds between two groups of elements, for a sweep of cutoffs.

    Parameters
    ----------
    positions, cell
        Atoms (n_atoms, 3) and lattice vectors as rows (3, 3) in Å.
    numbers
        Atomic numbers, (n_atoms,).
    first, second
        Elements at the two ends of a bond.
    cutoffs_angstrom
        Longest bonds in Å.
    layer
        Lower and upper boundary of the interphase along `axis` as fractional coordinates; the upper one may exceed 1.
        Only bonds between atoms inside then count, and a network spans the layer if it has atoms within a cutoff of both
        boundaries. One atom with its neighbours spans a layer that is thinner than four bonds.
    axis
        Lattice vector across the layer: 0, 1 or 2.

    Raises
    ------
    AnalysisError
        The elements overlap or are missing, a cutoff is not positive, or the boundaries of the layer are not in order.
    """
    is_first, is_second = mask_of(numbers, first), mask_of(numbers, second)
    if np.any(is_first & is_second) or not is_first.any() or not is_second.any():
        raise AnalysisError(
            f"bonds between {sorted(first)} and {sorted(second)}: both must be present and have nothing in common"
        )
    if not cutoffs_angstrom or min(cutoffs_angstrom) <= 0 or axis not in (0, 1, 2):
        raise AnalysisError(
            f"cutoffs {list(cutoffs_angstrom)} Å, axis {axis}: must be positive distances, and 0, 1 or 2"
        )
    chosen = np.flatnonzero(is_first | is_second)
    fractions = fractional(np.asarray(positions)[chosen], cell) % 1.0
    height = np.zeros(len(chosen))
    pbc = [True, True, True]
    if layer is not None:
        low, high = layer
        if not 0 < high - low <= 1:
            raise AnalysisError(f"layer {layer}: must be increasing fractional coordinates that differ by at most 1")
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
    """Return along which lattice vectors a component is connected to its own image, (3,)."""
    if not len(i):
        return np.zeros(3, dtype=bool)
    # spanning tree of all components, with a root that is connected to one atom of each
    root = len(part)
    heads = np.unique(part, return_index=True)[1]
    first, second = np.concatenate([i, np.full(len(heads), root)]), np.concatenate([j, heads])
    shape = (root + 1, root + 1)
    joined = csr_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=shape)
    parent = breadth_first_order(joined, root, directed=False)[1].astype(np.int64)
    parent[root] = root
    # periodic image relative to the root, summed over the bonds to the root by pointer doubling
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


class NetworkSweep:
    """Measure in which fraction of the frames a network crosses each interphase, by cutoff.

    Network formers of intact anions of the electrolyte, such as P of PS4, are left out, because cations near them do
    not form a path for electrons. A network crosses if it is within a bond of both boundaries. Layers thinner than four
    bonds give no result.
    """

    def __init__(self, numbers: np.ndarray, roles: Roles, interfaces: Sequence[Interface]) -> None:
        self._numbers, self._roles, self._interfaces = numbers, roles, interfaces
        self._formers = mask_of(numbers, roles.network_formers)
        radii = [
            float(covalent_radii[a] + covalent_radii[b])
            for a in numbers_of(roles.mobile_cations)
            for b in numbers_of(roles.network_formers or roles.anion_formers)
        ]
        longest = max(radii)
        self.cutoffs_angstrom = [round(float(f) * longest, 2) for f in FACTORS]
        self._least_angstrom = LEAST_BONDS * self.cutoffs_angstrom[-1]
        self.bond_angstrom = round(BOND_FACTOR * longest, 2)
        self._spans: dict[str, list[list[bool]]] = {each.name: [] for each in interfaces}
        self._largest: dict[str, list[list[float]]] = {each.name: [] for each in interfaces}
        self._too_thin = dict.fromkeys(self._spans, 0)
        self._thickness: dict[str, list[float]] = {each.name: [] for each in interfaces}

    def add(
        self,
        frame: int,
        positions: np.ndarray,
        cell: np.ndarray,
        anion_codes: np.ndarray,
        period_angstrom: float,
        drift: float,
    ) -> None:
        """Add a frame; `drift` of the centre of mass is a fraction of the cell."""
        kept = ~(self._formers & (anion_codes >= 0) & (anion_codes < N_INTACT))
        free = self._formers & kept
        for each in self._interfaces:
            layer = layer_of(each, frame, period_angstrom, drift)
            if layer is None:
                continue
            thick = (layer[1] - layer[0]) * period_angstrom
            self._thickness[each.name].append(thick)
            if thick < self._least_angstrom:
                self._too_thin[each.name] += 1
                continue
            if not free.any():
                self._spans[each.name].append([False] * len(FACTORS))
                self._largest[each.name].append([0.0] * len(FACTORS))
                continue
            sweep = percolation_sweep(
                np.asarray(positions)[kept],
                cell,
                self._numbers[kept],
                first=self._roles.mobile_cations,
                second=self._roles.network_formers,
                cutoffs_angstrom=self.cutoffs_angstrom,
                layer=layer,
            )
            self._spans[each.name].append([bool(step.spans) for step in sweep])
            self._largest[each.name].append([step.largest_share for step in sweep])

    def values(self) -> PercolationResult:
        """Return the sweep and the type of conduction, by interface."""
        pair = f"{'/'.join(sorted(self._roles.mobile_cations))}-{'/'.join(sorted(self._roles.network_formers))}"
        sides: dict[str, NetworkCrossing | Unavailable] = {}
        for name, rows in self._spans.items():
            if len(rows) < max(1, self._too_thin[name]):
                sides[name] = self._unavailable(name)
                continue
            share = np.array(rows, dtype=float).mean(axis=0)
            onset, state, reason = conduction_by_network(self.cutoffs_angstrom, share, self.bond_angstrom, pair)
            sides[name] = NetworkCrossing(
                n_frames=len(rows),
                n_too_thin=self._too_thin[name],
                crossing_share=share.tolist(),
                largest_share=np.array(self._largest[name]).mean(axis=0).tolist(),
                onset_angstrom=onset,
                state=state,
                reason=reason,
            )
        return PercolationResult(
            pair=pair,
            cutoffs_angstrom=self.cutoffs_angstrom,
            bond_angstrom=self.bond_angstrom,
            sides=sides,
        )

    def _unavailable(self, name: str) -> Unavailable:
        thick = self._thickness[name]
        if not thick:
            return Unavailable(reason="no frame of the last third has both boundaries of this interphase")
        return Unavailable(
            reason=f"the interphase is {np.median(thick):.1f} Å thick; below {self._least_angstrom:.1f} Å, four of the "
            "longest bonds, one atom with its neighbours is within a bond of both sides"
        )


def conduction_by_network(
    cutoffs_angstrom: Sequence[float], crossing_share: FloatArray, bond_angstrom: float, pair: str
) -> tuple[float | None, str, str]:
    """Return the shortest cutoff at which a network crosses, the type of conduction, and the reason."""
    crossed = np.flatnonzero(np.asarray(crossing_share) >= CROSSED)
    if not len(crossed):
        return None, "ionic", f"no network of {pair} bonds crosses it up to {cutoffs_angstrom[-1]:g} Å"
    onset = float(cutoffs_angstrom[int(crossed[0])])
    if onset <= bond_angstrom:
        reason = f"a network of {pair} bonds crosses it from {onset:g} Å and would conduct electrons"
        return onset, "mixed-conducting", reason
    reason = (
        f"a network of {pair} neighbours crosses it only from {onset:g} Å, which is longer than a bond "
        f"({bond_angstrom:g} Å)"
    )
    return onset, "undecided", reason
