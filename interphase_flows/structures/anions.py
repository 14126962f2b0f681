"""Molecular anions of thiophosphates (PS4, P2S7, P2S6): which atoms belong together, and which are whole.

An anion is a connected component of the graph of P-S and P-P bonds (shorter than 2.45 and 2.6 Å: the gaps
after the first shells of Li7P3S11 and Li4P2S6). Sulfur without phosphorus is an anion of one atom. All else
(Li) is a cation.
"""

from collections import Counter

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from interphase_flows.exceptions import StructureError

ANION_BONDS_ANGSTROM = {("P", "S"): 2.45, ("P", "P"): 2.6}
"""Two atoms closer than this are bonded within one anion."""


def anion_labels(atoms: Atoms) -> np.ndarray:
    """Number of the connected group of each atom, shape (n_atoms,); a cation is a group of one."""
    i, j = neighbor_list("ij", atoms, ANION_BONDS_ANGSTROM)
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(len(atoms), len(atoms)))
    return np.asarray(connected_components(graph, directed=False)[1])


def anion_formulas(atoms: Atoms) -> Counter[str]:
    """How many anions of each formula a structure holds: ``{"PS4": 2, "P2S7": 2}`` in a cell of Li7P3S11.

    Only groups with phosphorus or sulfur are counted, with elements in alphabetical order.
    """
    labels = anion_labels(atoms)
    symbols = np.array(atoms.get_chemical_symbols())
    formulas: Counter[str] = Counter()
    for label in np.unique(labels[np.isin(symbols, ["P", "S"])]):
        counts = Counter(symbols[labels == label].tolist())
        formulas["".join(f"{symbol}{n if n > 1 else ''}" for symbol, n in sorted(counts.items()))] += 1
    return formulas


def n_broken_anions(atoms: Atoms, expected: Counter[str]) -> int:
    """How many of the anions expected from the bulk are not there as a whole."""
    return (expected - anion_formulas(atoms)).total()


def whole_anion_positions(atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Positions with every anion joined across cell boundaries.

    Returns
    -------
    positions
        Shape (n_atoms, 3), in Å: the first atom of each group where it was, the others at their bonded
        images.
    labels
        Shape (n_atoms,): the group of each atom.

    Raises
    ------
    StructureError
        If a group is bonded to its own periodic image (a chain or a network has no whole to keep).
    """
    i, j, vectors = neighbor_list("ijD", atoms, ANION_BONDS_ANGSTROM)
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(len(atoms), len(atoms))).tocsr()
    labels = np.asarray(connected_components(graph, directed=False)[1])
    bond_vector = {(int(a), int(b)): vector for a, b, vector in zip(i, j, vectors, strict=True)}
    positions = atoms.positions.copy()
    for label in np.unique(labels[i]):
        first = int(np.flatnonzero(labels == label)[0])
        order, parents = breadth_first_order(graph, first, directed=False)
        for atom in order[1:]:
            parent = int(parents[atom])
            positions[atom] = positions[parent] + bond_vector[(parent, int(atom))]
    torn = np.abs(positions[j] - positions[i] - vectors).max(axis=1, initial=0.0) > 1e-6
    if torn.any():
        atom = int(i[np.argmax(torn)])
        raise StructureError(
            f"the anion of atom {atom} ({atoms[atom].symbol}) is bonded to its own periodic image: it is a "
            "chain or a network, which no surface leaves whole; choose an electrolyte with molecular anions"
        )
    return positions, labels
