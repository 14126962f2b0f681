"""Remove overlaps of a random packing geometrically, before the first force is computed."""

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from interphase_flows.structures.checks import distance_table_angstrom, pair_distances_angstrom


def remove_overlaps(
    atoms: Atoms, fraction: float = 0.95, max_steps: int = 200, tolerance_angstrom: float = 0.02
) -> Atoms:
    """Return a copy in which close atoms are moved apart without a calculator.

    In each step the two atoms of a pair that is closer than `fraction` of the sum of their covalent radii each move by
    half of the missing distance. The iteration ends when no pair lacks more than `tolerance_angstrom`, or after
    `max_steps`.
    """
    pushed = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    smallest = pair_distances_angstrom(set(pushed.get_chemical_symbols()), fraction)
    table = distance_table_angstrom(smallest)
    for _ in range(max_steps):
        i, j, d, vectors = neighbor_list("ijdD", pushed, smallest)
        target = table[pushed.numbers[i], pushed.numbers[j]]
        if len(d) == 0 or (target - d).max() <= tolerance_angstrom:
            break
        # Every pair is listed in both directions; each entry moves its first atom.
        steps = -0.5 * (target - d)[:, None] * vectors / np.maximum(d, 1e-3)[:, None]
        np.add.at(pushed.positions, i, steps)
    return pushed
