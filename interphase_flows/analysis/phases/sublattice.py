"""Anion sublattice of a crystal: neighbour distance, volume, point group, and unwrapping of its clusters."""

import warnings
from dataclasses import dataclass

import numpy as np
import spglib
from ase import Atoms
from ase.neighborlist import primitive_neighbor_list
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.analysis.geometry.frames import mask_of
from interphase_flows.analysis.geometry.neighbours import pairs_within
from interphase_flows.exceptions import AnalysisError

SHELL_NEIGHBOURS = 20
SYMMETRY_ANGSTROM = 0.01


@dataclass(frozen=True)
class Sublattice:
    """Anion sublattice of a crystal: largest distance of neighbours, volume per anion, point group."""

    crystal: Atoms
    hosts: BoolArray
    link_angstrom: float
    volume_per_atom_angstrom3: float
    rotations: np.ndarray


def sublattice_of(crystal: Atoms, hosts: frozenset[str]) -> Sublattice:
    """Measure the sublattice of the host anions; neighbours are the shells before the widest gap."""
    mask = mask_of(crystal.numbers, hosts)
    own = crystal.positions[mask]
    reach = 2.5 * (crystal.get_volume() / mask.sum()) ** (1 / 3)
    pairs = pairs_within(own, crystal.cell[:], reach)
    first = np.sort(pairs.distance_angstrom[pairs.first == 0])[:SHELL_NEIGHBOURS]
    gap = int(np.argmax(first[1:] / first[:-1]))
    return Sublattice(
        crystal,
        mask,
        float(0.5 * (first[gap] + first[gap + 1])),
        float(crystal.get_volume() / mask.sum()),
        _point_group(crystal),
    )


def unwrapped_cluster(positions: np.ndarray, cell: np.ndarray, link_angstrom: float) -> FloatArray:
    """Return the positions of one cluster without jumps across periodic boundaries, in Å, (n_atoms, 3).

    Raises
    ------
    AnalysisError
        The cluster is connected to its own periodic image.
    """
    cell = np.asarray(cell, dtype=float)
    i, j, vectors = primitive_neighbor_list("ijD", [True] * 3, cell, np.asarray(positions, dtype=float), link_angstrom)
    n = len(positions)
    graph = csr_array((np.ones(len(i)), (i, j)), shape=(n, n))
    order, parent = breadth_first_order(graph, 0, directed=False)
    step = {(int(a), int(b)): v for a, b, v in zip(i, j, vectors, strict=True)}
    places = np.array(positions, dtype=float)
    for atom in order[1:].tolist():
        places[atom] = places[int(parent[atom])] + step[int(parent[atom]), atom]
    if len(i) and np.abs(places[i] + vectors - places[j]).max() > 1e-6:
        raise AnalysisError("the domain is connected to its own periodic image: its size is not defined")
    return places


def _point_group(crystal: Atoms) -> np.ndarray:
    """Return the point group on fractional coordinates, (n, 3, 3); only the identity if spglib finds no symmetry."""
    described = (crystal.cell[:].tolist(), crystal.get_scaled_positions().tolist(), crystal.numbers.tolist())
    with warnings.catch_warnings():
        # spglib versions differ in how they report failure
        warnings.simplefilter("ignore", DeprecationWarning)
        found = spglib.get_symmetry(described, symprec=SYMMETRY_ANGSTROM)
    return np.eye(3, dtype=int)[None] if found is None else np.unique(found["rotations"], axis=0)
