"""Frames on which a compiled graph is compared with the eager model if no others are given."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.build import bulk

N_REPEATS = ((2, 2, 2), (3, 3, 2))
"""Repeats of cubic cells of two atoms: 16 and 36 atoms."""
RATTLE_ANGSTROM = 0.15
LATTICE_CONSTANT_ANGSTROM = 3.5


def check_frames(elements: Sequence[str], cutoff_angstrom: float) -> list[Atoms]:
    """Return disordered crystals in sheared cells with all elements, wide enough to have pairs within the cutoff."""
    lattice_constant = min(LATTICE_CONSTANT_ANGSTROM, cutoff_angstrom)
    frames = []
    for seed, repeats in enumerate(N_REPEATS):
        atoms = bulk("Li", "bcc", a=lattice_constant, cubic=True) * repeats
        generator = np.random.default_rng(seed)
        names = [elements[i % len(elements)] for i in range(len(atoms))]
        atoms.set_chemical_symbols([names[i] for i in generator.permutation(len(atoms))])
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.05 * generator.standard_normal((3, 3))), scale_atoms=True)
        atoms.positions += RATTLE_ANGSTROM * generator.standard_normal(atoms.positions.shape)
        frames.append(atoms)
    return frames
