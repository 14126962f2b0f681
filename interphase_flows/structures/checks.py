"""Check structures before a calculation: distances, cell, finite coordinates, stoichiometry."""

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols, covalent_radii

from interphase_flows.exceptions import OverlappingAtomsError, StructureError

OVERLAP_FRACTION = 0.6
"""Two atoms overlap when closer than this fraction of the sum of their covalent radii."""

SMALLEST_VOLUME_PER_ATOM_ANGSTROM3 = 1.0
"""Below any condensed phase at terrestrial pressure: a smaller cell has wrong units."""

PairDistances = Mapping[tuple[str, str], float]


def pair_distances_angstrom(symbols: set[str], fraction: float = OVERLAP_FRACTION) -> dict[tuple[str, str], float]:
    """Return the smallest allowed distance of each pair of elements, in Å, keyed by pairs in alphabetical order.

    It is a fraction of the sum of the covalent radii (Cordero et al., Dalton Trans. 2832 (2008), as in ``ase.data``).
    With 0.6: Li-Li 1.54, Li-S 1.40, P-S 1.27 Å.
    """
    ordered = sorted(symbols)
    radius = {symbol: covalent_radii[atomic_numbers[symbol]] for symbol in ordered}
    return {
        (first, second): float(fraction * (radius[first] + radius[second]))
        for n, first in enumerate(ordered)
        for second in ordered[n:]
    }


def distance_table_angstrom(distances: PairDistances) -> np.ndarray:
    """Return distances as a symmetric table by atomic number, zero for other pairs, in Å."""
    table = np.zeros((len(chemical_symbols),) * 2)
    for (first, second), distance in distances.items():
        a, b = atomic_numbers[first], atomic_numbers[second]
        table[a, b] = table[b, a] = distance
    return table


def check_has_cell(atoms: Atoms, where: str = "structure") -> None:
    """Raise if a structure has no atoms or no cell of a plausible volume.

    Raises
    ------
    StructureError
        If there are no atoms, or the cell is missing, flat, or below 1 Å³ per atom.
    """
    if len(atoms) == 0:
        raise StructureError(f"{where}: no atoms. Hint: check that the file was written completely")
    volume = abs(float(np.linalg.det(atoms.cell.array)))
    if np.isfinite(volume) and volume < SMALLEST_VOLUME_PER_ATOM_ANGSTROM3 * len(atoms):
        raise StructureError(
            f"{where}: a cell of {volume:.3g} Å³ for {len(atoms)} atoms, which is no "
            "three-dimensional cell in Å. Hint: give a periodic structure with its cell"
        )


def check_finite(atoms: Atoms, where: str = "structure") -> None:
    """Raise if a coordinate or a cell vector is not finite.

    Raises
    ------
    StructureError
        Names the first such atom, or the cell.
    """
    if not np.isfinite(atoms.cell.array).all():
        raise StructureError(f"{where}: the cell is not finite: {atoms.cell.array.tolist()}")
    bad = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
    if len(bad):
        index = int(bad[0])
        raise StructureError(
            f"{where}: position of atom {index} ({atoms[index].symbol}) is not finite: "
            f"{atoms.positions[index].tolist()}. Hint: the run diverged; take an earlier frame"
        )


def check_no_overlap(
    atoms: Atoms,
    min_distances: PairDistances | None = None,
    scale: float = OVERLAP_FRACTION,
    where: str = "structure",
    hint: str = "remove duplicate atoms or check the cell",
) -> None:
    """Raise if two atoms are closer than any bond, periodic images included.

    The smallest distance is ``scale`` times the sum of the covalent radii, or that of ``min_distances`` in Å per pair
    of elements, in either order.

    Raises
    ------
    OverlappingAtomsError
        Names the two atoms of the worst pair, their elements and their distance.
    """
    check_finite(atoms, where)
    if len(atoms) == 0:
        return
    from ase.neighborlist import neighbor_list  # slow import: loads scipy.sparse

    given = {(min(pair), max(pair)): distance for pair, distance in (min_distances or {}).items()}
    allowed = pair_distances_angstrom(set(atoms.symbols), scale) | given
    i, j, d = neighbor_list("ijd", atoms, allowed)
    if len(d) == 0:
        return
    limits = distance_table_angstrom(allowed)[atoms.numbers[i], atoms.numbers[j]]
    worst = int(np.argmin(d / limits))
    symbols = atoms.get_chemical_symbols()
    a, b = int(i[worst]), int(j[worst])
    neighbour = "its own periodic image" if a == b else f"atom {b} ({symbols[b]})"
    raise OverlappingAtomsError(
        f"{where}: atom {a} ({symbols[a]}) is {d[worst]:.3f} Å from {neighbour}; the minimum is "
        f"{limits[worst]:.2f} Å ({len(d) // 2 or 1} pair(s) too close). Hint: {hint}"
    )


def same_stoichiometry(first: Atoms, second: Atoms) -> bool:
    """Return whether two structures have exactly the same ratio of elements."""
    return bool(first.symbols.formula.reduce()[0] == second.symbols.formula.reduce()[0])
