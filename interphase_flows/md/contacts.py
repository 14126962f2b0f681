"""Close contacts: pairs of atoms closer than any bond, a sign that a potential fails."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from interphase_flows.analysis.geometry.neighbours import PeriodicTree


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
    if not atoms.pbc.all():
        atoms = atoms.copy()
        atoms.center(vacuum=reach, axis=np.flatnonzero(~atoms.pbc))  # images out of reach
    pairs = PeriodicTree(atoms.positions, atoms.cell.array, reach).few_within(reach)
    if not len(pairs.first):
        return None
    allowed = limits[pairs.first] + limits[pairs.second]
    worst = int(np.argmin(pairs.distance_angstrom / allowed))
    distance, limit = float(pairs.distance_angstrom[worst]), float(allowed[worst])
    if distance >= limit:
        return None
    i, j = sorted((int(pairs.first[worst]), int(pairs.second[worst])))
    symbols = atoms.symbols[i], atoms.symbols[j]
    return CloseContact((i, j), symbols, distance, limit)
