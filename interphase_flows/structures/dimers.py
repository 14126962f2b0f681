"""Isolated atoms and dimers in a periodic box, to train the short range of a potential."""

from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.checks import check_no_overlap, pair_distances_angstrom


def isolated_atoms(elements: set[str], box_angstrom: float) -> list[Atoms]:
    """Return one atom of each element, in alphabetical order, in a periodic cube.

    Raises
    ------
    StructureError
        If the box is too small to isolate the atom from its images.
    """
    _check_box(box_angstrom, 0.0)
    return [
        Atoms(element, positions=[[box_angstrom / 2] * 3], cell=[box_angstrom] * 3, pbc=True)
        for element in sorted(elements)
    ]


def dimers(
    elements: set[str],
    n_distances: int,
    min_distance_fraction: float,
    max_distance_fraction: float,
    box_angstrom: float,
) -> list[Atoms]:
    """Return dimers of every pair of elements in a periodic cube; ``info`` has ``distance_angstrom``.

    Distances are in geometric progression, since the repulsion is steep, between two fractions of the sum of the
    covalent radii (Cordero et al., Dalton Trans. 2832 (2008)). Pairs are in alphabetical order, the shortest first.

    Raises
    ------
    StructureError
        A parameter is out of range, or the periodic images of a pair are closer than its longest distance or 4 Å.
    OverlappingAtomsError
        A pair is closer than `min_distance_fraction` allows.
    """
    if n_distances < 0 or not 0.0 < min_distance_fraction <= max_distance_fraction:
        raise StructureError(
            f"dimers: n_distances={n_distances}, min_distance_fraction={min_distance_fraction}, "
            f"max_distance_fraction={max_distance_fraction}; required: n_distances >= 0 and "
            "0 < min_distance_fraction <= max_distance_fraction"
        )
    sums = pair_distances_angstrom(elements, fraction=1.0)
    fractions = np.geomspace(min_distance_fraction, max_distance_fraction, n_distances)
    pairs = []
    for pair in combinations_with_replacement(sorted(elements), 2):
        for distance in fractions * sums[pair]:
            _check_box(box_angstrom, float(distance))
            middle = box_angstrom / 2
            ends = [[middle - distance / 2, middle, middle], [middle + distance / 2, middle, middle]]
            atoms = Atoms(list(pair), positions=ends, cell=[box_angstrom] * 3, pbc=True)
            check_no_overlap(atoms, scale=0.999 * min_distance_fraction, where=f"dimer {'-'.join(pair)}")
            atoms.info["distance_angstrom"] = float(distance)
            pairs.append(atoms)
    return pairs


def _check_box(box_angstrom: float, distance_angstrom: float) -> None:
    if box_angstrom - distance_angstrom < max(4.0, distance_angstrom):
        raise StructureError(
            f"box_angstrom={box_angstrom}: too small for two atoms {distance_angstrom:.2f} Å apart and their "
            "images. Hint: use at least 12"
        )
