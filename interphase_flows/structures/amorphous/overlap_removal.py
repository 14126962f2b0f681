"""A geometric push-off: close atoms of a packing move apart before any calculator sees them."""

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.neighborlist import neighbor_list

from interphase_flows.structures.checks import pair_distances_angstrom


def soft_push_off(
    atoms: Atoms, fraction: float = 0.95, max_steps: int = 200, tolerance_angstrom: float = 0.02
) -> Atoms:
    """Push close atoms apart geometrically, without a calculator, before dynamics starts.

    In each step the two atoms of a pair closer than `fraction` of the sum of their covalent radii move apart
    by half of what is missing each. Steps end when no pair misses more than `tolerance_angstrom`, or after
    `max_steps`.

    Returns
    -------
    pushed
        A copy; cell and order of atoms are kept.
    """
    pushed = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    wanted = pair_distances_angstrom(set(pushed.get_chemical_symbols()), fraction)
    table = np.zeros((pushed.numbers.max() + 1,) * 2)
    for (first, second), distance in wanted.items():
        a, b = atomic_numbers[first], atomic_numbers[second]
        table[a, b] = table[b, a] = distance
    for _ in range(max_steps):
        i, j, d, vectors = neighbor_list("ijdD", pushed, wanted)
        target = table[pushed.numbers[i], pushed.numbers[j]]
        if len(d) == 0 or (target - d).max() <= tolerance_angstrom:
            break
        # Every pair is listed twice, once from each atom: each listing moves its first atom.
        steps = -0.5 * (target - d)[:, None] * vectors / np.maximum(d, 1e-3)[:, None]
        np.add.at(pushed.positions, i, steps)
    return pushed
