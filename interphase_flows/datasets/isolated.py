"""Recognise isolated atoms and molecules in a box, whose energies and stress are not those of a solid."""

from collections import deque

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import minkowski_reduce

SPARSE_ANGSTROM3_PER_ATOM = 200.0
"""Ten times the volume per atom of a solid: larger cells contain isolated molecules."""

DENSE_ANGSTROM3_PER_ATOM = 30.0
"""Smaller cells have no room for a gap around a molecule."""

GAP_ANGSTROM, GAP_RADII = 4.5, 3.0
"""Smallest distance between a molecule and its images: over the contacts in molecular crystals, and in multiples of the
largest covalent radius, over the distances in metals of large atoms."""


def is_isolated(atoms: Atoms) -> bool:
    """Return whether a periodic cell contains only atoms and molecules that are far from their images.

    Atoms closer than the gap are connected. A group of connected atoms is a molecule unless it is connected to its own
    image, as crystals, slabs and wires are.
    """
    if len(atoms) == 0 or not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        return False
    volume_per_atom = abs(atoms.cell.volume) / len(atoms)
    if volume_per_atom > SPARSE_ANGSTROM3_PER_ATOM:
        return True
    gap_angstrom = max(GAP_ANGSTROM, GAP_RADII * float(covalent_radii[atoms.numbers].max()))
    if volume_per_atom < DENSE_ANGSTROM3_PER_ATOM or atoms.cell.lengths().min() < gap_angstrom:
        return False
    from matscipy.neighbours import neighbour_list  # slow import

    pbc = [True] * 3
    cell, _ = minkowski_reduce(atoms.cell.array, pbc=pbc)  # matscipy is slow in skewed cells
    first, second, shift = neighbour_list("ijS", cutoff=gap_angstrom, positions=atoms.positions, cell=cell, pbc=pbc)
    starts = np.searchsorted(first, np.arange(len(atoms) + 1))
    image: dict[int, tuple[int, ...]] = {}
    for start in range(len(atoms)):
        if start in image:
            continue
        image[start], to_visit = (0, 0, 0), deque([start])
        while to_visit:
            atom = to_visit.popleft()
            pairs = slice(starts[atom], starts[atom + 1])
            reached = (shift[pairs] + image[atom]).tolist()
            for other, cell_of_other in zip(second[pairs].tolist(), map(tuple, reached), strict=True):
                if other not in image:
                    image[other] = cell_of_other
                    to_visit.append(other)
                elif image[other] != cell_of_other:
                    return False
    return True
