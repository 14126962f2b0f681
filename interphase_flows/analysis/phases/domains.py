"""Crystalline domains: how many, and how large."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.geometry.neighbours import pairs_within
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class Domains:
    """Clusters of atoms of one phase, the largest first."""

    sizes: IntArray
    """(n_domains,), atoms that were selected, such as the S of Li2S."""
    diameter_angstrom: FloatArray
    """(n_domains,), of the sphere with the volume that as many atoms fill in the crystal."""
    atom_domain: IntArray
    """(n_atoms,): position in `sizes`, -1 for atoms of no domain."""

    @property
    def mean_diameter_angstrom(self) -> float:
        """Mean weighted by volume, as a diffraction line sees it; 0 without domains."""
        return float(np.average(self.diameter_angstrom, weights=self.sizes)) if len(self.sizes) else 0.0


def crystalline_domains(
    positions: NDArray[np.floating],
    cell: NDArray[np.floating],
    selected: BoolArray,
    *,
    link_angstrom: float,
    volume_per_atom_angstrom3: float,
    least_atoms: int = 4,
) -> Domains:
    """Cluster the atoms of a crystal's sublattice.

    Parameters
    ----------
    positions
        Positions in Å, wrapped or not, (n_atoms, 3).
    cell
        Lattice vectors in Å as rows, (3, 3).
    selected
        Atoms of the sublattice with the label of the phase, (n_atoms,).
    link_angstrom
        Distance that joins two of them, between the first and second shell: 4.8 Å for S in Li2S (4.04, 5.71 Å).
    volume_per_atom_angstrom3
        Volume of the crystal per selected atom in Å³: 46.5 for Li2S.
    least_atoms
        Smaller clusters are no domains.

    Raises
    ------
    AnalysisError
        The volume or the distance is not positive, or `least_atoms` below 1.
    """
    if not volume_per_atom_angstrom3 > 0 or least_atoms < 1:
        raise AnalysisError(
            f"volume {volume_per_atom_angstrom3} Å³ and least_atoms = {least_atoms}: give a volume, and 1 or more"
        )
    chosen = np.flatnonzero(selected)
    pairs = pairs_within(np.asarray(positions)[chosen], cell, link_angstrom)
    ones = np.ones(len(pairs.first), dtype=np.int8)
    graph = coo_array((ones, (pairs.first, pairs.second)), shape=(len(chosen), len(chosen)))
    n_parts, part = connected_components(graph, directed=False) if len(chosen) else (0, np.empty(0, np.int64))
    sizes = np.bincount(part, minlength=n_parts)
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] >= least_atoms]
    rank = np.full(n_parts, -1)
    rank[order] = np.arange(len(order))
    atom_domain = np.full(len(positions), -1)
    atom_domain[chosen] = rank[part]
    sizes = sizes[order]
    diameter = np.cbrt(6 * sizes * volume_per_atom_angstrom3 / np.pi).astype(np.float64)
    return Domains(sizes, diameter, atom_domain)
