"""Close contacts: pairs of atoms closer than any bond, a sign that a potential fails."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class CloseContact:
    """Two atoms that are too close: their indices and elements, distance, and smallest allowed distance."""

    pair: tuple[int, int]
    symbols: tuple[str, str]
    distance_angstrom: float
    limit_angstrom: float

    def __str__(self) -> str:
        return (
            f"{self.symbols[0]}{self.pair[0]}-{self.symbols[1]}{self.pair[1]} "
            f"at {self.distance_angstrom:.2f} Å, limit {self.limit_angstrom:.2f} Å"
        )


def closest_contact(atoms: Atoms, covalent_fraction: float) -> CloseContact | None:
    """Return the worst pair below ``covalent_fraction`` times the sum of covalent radii, or None.

    The default of the monitor, 0.55, allows Li-Li 1.41 Å and P-S 1.17 Å.
    """
    limits = covalent_fraction * covalent_radii[atoms.numbers]
    reach = 2.0 * float(limits.max())
    positions, owners = _with_images(atoms, reach)
    pairs = cKDTree(positions).query_pairs(reach, output_type="ndarray")
    # pairs of two images are equivalent to pairs with one atom in the cell
    pairs = pairs[(pairs < len(atoms)).any(axis=1)]
    if not len(pairs):
        return None
    distances = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    i, j = owners[pairs[:, 0]], owners[pairs[:, 1]]
    allowed = limits[i] + limits[j]
    worst = int(np.argmin(distances / allowed))
    if distances[worst] >= allowed[worst]:
        return None
    pair = (int(min(i[worst], j[worst])), int(max(i[worst], j[worst])))
    symbols = (chemical_symbols[atoms.numbers[pair[0]]], chemical_symbols[atoms.numbers[pair[1]]])
    return CloseContact(pair, symbols, float(distances[worst]), float(allowed[worst]))


def _with_images(atoms: Atoms, reach_angstrom: float) -> tuple[np.ndarray, np.ndarray]:
    """Return positions of all atoms and of their images near the cell, and the index of the atom of each."""
    owners = np.arange(len(atoms))
    periodic = np.flatnonzero(atoms.pbc)
    if not len(periodic):
        return atoms.positions, owners
    cell = atoms.cell.complete()
    fractional = np.linalg.solve(cell.array.T, atoms.positions.T).T
    fractional[:, periodic] %= 1.0
    # the length of a reciprocal vector is the inverse distance of opposite faces
    margins = reach_angstrom * np.linalg.norm(cell.reciprocal().array, axis=1)
    for axis in periodic:
        copies, copy_owners = [fractional], [owners]
        for shift in range(1, int(np.ceil(margins[axis])) + 1):
            for signed in (shift, -shift):
                moved = fractional[:, axis] + signed
                near = (moved > -margins[axis]) & (moved < 1.0 + margins[axis])
                image = fractional[near].copy()
                image[:, axis] = moved[near]
                copies.append(image)
                copy_owners.append(owners[near])
        fractional, owners = np.concatenate(copies), np.concatenate(copy_owners)
    return fractional @ cell.array, owners
