"""Molecular anions (PS4, P2S7, P2S6, PO4, BH4): find them by bonds, count the intact ones, unwrap them.

An anion is a connected component of the graph of bonds between centres and from centres to ligands. The rules hold
for any element. Ligands are hydrogen, nitrogen, chalcogens and halogens. Centres are the other elements of the p-block
whose electronegativity (Pauling) is 1.8 or more (B, Si, Ge, P, As, Sn, Sb). All other elements (Li, Mg, Zr, La) are
cations. The longest bond is a multiple of the sum of the covalent radii. For P-S and P-P it lies behind the first
shells of Li7P3S11 and Li4P2S6 (2.45 and 2.6 Å). A ligand without a centre (S2-, Cl-) is an anion of one atom.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.neighborlist import neighbor_list
from pymatgen.core import Element
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from interphase_flows.exceptions import StructureError

CENTRE_LIGAND_FACTOR = 2.45 / 2.12
CENTRE_CENTRE_FACTOR = 2.6 / 2.14
RING_FACTOR = 2.3 / 2.10
"""Longest bonds as multiples of the sum of covalent radii (Cordero et al., Dalton Trans. 2832 (2008)): P-S 2.45 Å,
P-P 2.6 Å, S-S in rings 2.3 Å."""
MIN_ELECTRONEGATIVITY = 1.8
LIGAND_GROUPS = frozenset({16, 17})


def is_ligand(symbol: str) -> bool:
    """Return whether an element is a simple anion or a ligand of a centre: H, N, chalcogens, halogens."""
    return symbol in {"H", "N"} or Element(symbol).group in LIGAND_GROUPS


def is_centre(symbol: str) -> bool:
    """Return whether an element forms molecular anions, such as P in PS4 and P2S6."""
    element = Element(symbol)
    if is_ligand(symbol) or element.block != "p" or element.is_noble_gas:
        return False
    return bool(element.X >= MIN_ELECTRONEGATIVITY)


def anion_bonds_angstrom(symbols: Iterable[str]) -> dict[tuple[str, str], float]:
    """Return the longest bond within an anion for each pair of elements that bonds, in Å."""
    present = sorted(set(symbols))
    centres = [symbol for symbol in present if is_centre(symbol)]
    ligands = [symbol for symbol in present if is_ligand(symbol)]

    def radii(first: str, second: str) -> float:
        return float(covalent_radii[atomic_numbers[first]] + covalent_radii[atomic_numbers[second]])

    bonds = {(c, x): CENTRE_LIGAND_FACTOR * radii(c, x) for c in centres for x in ligands}
    among = {(c, d): CENTRE_CENTRE_FACTOR * radii(c, d) for c in centres for d in centres if c <= d}
    return bonds | among


def molecular_bonds_angstrom(symbols: Iterable[str]) -> dict[tuple[str, str], float]:
    """Return the longest bonds of anions, and of rings and dimers of ligands such as S8, in Å."""
    rings = {
        (x, x): 2 * RING_FACTOR * float(covalent_radii[atomic_numbers[x]]) for x in sorted(set(symbols)) if is_ligand(x)
    }
    return anion_bonds_angstrom(symbols) | rings


def bonded_pairs(
    atoms: Atoms, bonds_angstrom: Mapping[tuple[str, str], float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the bonded pairs (i, j), each in both directions, and the vectors from i to j in Å."""
    if not bonds_angstrom:  # ASE's neighbour search fails on an empty table of cutoffs
        return np.empty(0, dtype=int), np.empty(0, dtype=int), np.empty((0, 3))
    i, j, vectors = neighbor_list("ijD", atoms, dict(bonds_angstrom))
    return i, j, vectors


def anion_labels(atoms: Atoms) -> np.ndarray:
    """Return the index of the anion of each atom, shape (n_atoms,); each cation is a separate group."""
    i, j, _ = bonded_pairs(atoms, anion_bonds_angstrom(atoms.symbols))
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(len(atoms), len(atoms)))
    return np.asarray(connected_components(graph, directed=False)[1])


def anion_formulas(atoms: Atoms) -> Counter[str]:
    """Count the anions by formula: ``{"PS4": 2, "P2S7": 2}`` in a cell of Li7P3S11.

    Cations are not counted. Elements are in alphabetical order.
    """
    labels = anion_labels(atoms)
    symbols = np.array(atoms.get_chemical_symbols())
    formulas: Counter[str] = Counter()
    of_anions = [symbol for symbol in set(symbols.tolist()) if is_centre(symbol) or is_ligand(symbol)]
    for label in np.unique(labels[np.isin(symbols, of_anions)]):
        counts = Counter(symbols[labels == label].tolist())
        formulas["".join(f"{symbol}{n if n > 1 else ''}" for symbol, n in sorted(counts.items()))] += 1
    return formulas


def n_broken_anions(atoms: Atoms, expected: Counter[str]) -> int:
    """Return how many of the anions expected from the bulk are missing or broken."""
    return (expected - anion_formulas(atoms)).total()


def unwrapped_anion_positions(atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (n_atoms, 3) in Å in which no anion is split by a boundary, and the anion of each atom (n_atoms,).

    The first atom of each anion keeps its position, the others are at their bonded images.

    Raises
    ------
    StructureError
        An anion is bonded to its own periodic image, as in a chain or a network.
    """
    i, j, vectors = bonded_pairs(atoms, anion_bonds_angstrom(atoms.symbols))
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
    split = np.abs(positions[j] - positions[i] - vectors).max(axis=1, initial=0.0) > 1e-6
    if split.any():
        atom = int(i[np.argmax(split)])
        raise StructureError(
            f"the anion of atom {atom} ({atoms[atom].symbol}) is bonded to its own periodic image: it is a "
            "chain or a network, which every surface cuts. Hint: choose an electrolyte with molecular anions"
        )
    return positions, labels
