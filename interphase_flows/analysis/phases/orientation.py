"""Orientation of a crystalline domain: the lattice plane that is most nearly parallel to the interface.

The bonds of the crystal are rotated onto those of the domain: by trial rotations that cover all rotations evenly
(super-Fibonacci, Alexa, CVPR 2022), then by Kabsch's optimal rotation of the paired bonds.
"""

from dataclasses import dataclass
from itertools import product
from math import gcd

import numpy as np
from ase import Atoms
from ase.neighborlist import primitive_neighbor_list
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.exceptions import AnalysisError

N_TRIALS = 1500
N_DIRECTIONS = 2000
N_REFINED = 3
NEAR_DEG = 25.0
"""Largest angle between paired bonds."""
LARGEST_INDEX = 2
MOST_BONDS = 600
_PHI, _PSI = np.sqrt(2.0), 1.533751168755204288118041


@dataclass(frozen=True)
class Orientation:
    """Orientation of the crystal of a domain."""

    plane: tuple[int, int, int]
    """Miller indices, up to 2, of the plane that is most nearly parallel to the interface."""
    off_deg: float
    """Angle between that plane and the interface, degrees."""
    matched_share: float
    """Fraction of the bonds paired with one of the crystal; of isotropic directions about half match fcc."""
    share_by_chance: float
    """Probability that a randomly oriented crystal has such a plane at most as far from the interface."""


def bond_vectors(positions: NDArray[np.floating], cell: NDArray[np.floating], link_angstrom: float) -> FloatArray:
    """Return the vectors of all pairs within a distance, both ways, (n_bonds, 3)."""
    cell = np.asarray(cell, dtype=float)
    return np.asarray(
        primitive_neighbor_list("D", [True] * 3, cell, np.asarray(positions, dtype=float), link_angstrom),
        dtype=float,
    )


def domain_orientation(
    crystal: Atoms,
    crystal_bonds: FloatArray,
    bonds: FloatArray,
    normal: NDArray[np.floating],
    rotations: NDArray[np.int_],
) -> Orientation:
    """Return the orientation of a domain.

    Parameters
    ----------
    crystal
        Ideal crystal of the phase.
    crystal_bonds, bonds
        Vectors between neighbours of the sublattice in the crystal and in the domain, (n, 3).
    normal
        Normal of the interface, (3,).
    rotations
        Point group of the crystal on fractional coordinates, (n, 3, 3); of equivalent planes the one with the largest
        indices is returned.

    Raises
    ------
    AnalysisError
        There is no bond.
    """
    if not len(bonds) or not len(crystal_bonds):
        raise AnalysisError("a domain without bonds has no orientation")
    wanted = _unit(bonds)
    if len(wanted) > MOST_BONDS:
        wanted = wanted[:: -(-len(wanted) // MOST_BONDS)]
    template = _distinct(_unit(crystal_bonds))
    best, share = None, -1.0
    trials = _trial_rotations()
    scores = [_nearest(wanted, trial.apply(template))[1].mean() for trial in trials]
    for index in np.argsort(scores)[-N_REFINED:]:
        turned = trials[int(index)]
        for _ in range(5):
            which, cosines = _nearest(wanted, turned.apply(template))
            near = cosines > np.cos(np.radians(NEAR_DEG))
            if near.sum() < 3:
                break
            turned, _ = Rotation.align_vectors(wanted[near], template[which[near]])
        _, cosines = _nearest(wanted, turned.apply(template))
        matched = float((cosines > np.cos(np.radians(NEAR_DEG))).mean())
        if matched > share:
            best, share = turned, matched
    assert best is not None  # N_REFINED trials were scored
    inside = best.inv().apply(np.asarray(normal, dtype=float) / np.linalg.norm(normal))
    plane, off, by_chance = _nearest_plane(inside, crystal.cell[:], rotations)
    return Orientation(plane, off, share, by_chance)


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _distinct(directions: FloatArray) -> FloatArray:
    _, rows = np.unique(directions.round(3), axis=0, return_index=True)
    return directions[np.sort(rows)]


def _trial_rotations() -> list[Rotation]:
    s = np.arange(N_TRIALS) + 0.5
    r, big = np.sqrt(s / N_TRIALS), np.sqrt(1.0 - s / N_TRIALS)
    alpha, beta = 2 * np.pi * s / _PHI, 2 * np.pi * s / _PSI
    quaternions = np.stack([r * np.sin(alpha), r * np.cos(alpha), big * np.sin(beta), big * np.cos(beta)], axis=1)
    return [Rotation.from_quat(q) for q in quaternions]


def _nearest(wanted: FloatArray, directions: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    cosines = wanted @ directions.T
    which = cosines.argmax(axis=1)
    return which, cosines[np.arange(len(wanted)), which]


def _nearest_plane(
    direction: FloatArray, cell: NDArray[np.floating], rotations: NDArray[np.int_]
) -> tuple[tuple[int, int, int], float, float]:
    """Find the plane whose normal is nearest to a direction of the crystal.

    Returns
    -------
    plane, off_deg, share_by_chance
        Miller indices, angle in degrees, and fraction of all directions with a plane at most as far.
    """
    span = range(-LARGEST_INDEX, LARGEST_INDEX + 1)
    millers = np.array([m for m in product(span, repeat=3) if gcd(*m) == 1])
    normals = _unit(millers @ np.linalg.inv(np.asarray(cell)).T)
    cosines = np.abs(normals @ direction)
    # among planes at the same angle, the one with the smallest indices
    near = np.flatnonzero(cosines > cosines.max() - 1e-6)
    chosen = millers[near[np.argmin(np.abs(millers[near]).sum(axis=1))]]
    # planes transform by the inverse of the rotation of fractional coordinates
    same = np.concatenate([sign * np.array([chosen @ np.linalg.inv(r) for r in rotations]) for sign in (1, -1)])
    orbit = sorted((tuple(int(i) for i in row) for row in same.round().astype(int)), reverse=True)
    first = next((row for row in orbit if min(row) >= 0), orbit[0])
    by_chance = float((np.abs(_even_directions() @ normals.T).max(axis=1) >= cosines.max()).mean())
    return (first[0], first[1], first[2]), float(np.degrees(np.arccos(min(1.0, cosines.max())))), by_chance


def _even_directions() -> FloatArray:
    """Return evenly distributed directions on a spiral (Saff and Kuijlaars, Math. Intell. 19, 5 (1997)), (n, 3)."""
    s = np.arange(N_DIRECTIONS) + 0.5
    height, turn = 1 - 2 * s / N_DIRECTIONS, np.pi * (1 + np.sqrt(5)) * s
    radius = np.sqrt(1 - height**2)
    return np.asarray(np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1))
