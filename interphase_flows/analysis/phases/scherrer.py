"""Size of a crystalline domain by Scherrer's equation, from its most isolated strong diffraction line."""

import numpy as np
from ase import Atoms
from ase.neighborlist import primitive_neighbor_list

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.analysis.phases.diffraction import (
    CU_K_ALPHA_ANGSTROM,
    SPHERE,
    debye_pattern,
    full_width_deg,
    powder_lines,
    scherrer_diameter_angstrom,
)
from interphase_flows.analysis.phases.results import ScherrerSize
from interphase_flows.analysis.phases.sublattice import Sublattice, unwrapped_cluster
from interphase_flows.exceptions import AnalysisError

TWO_THETA_MAX_DEG, DISTURBING_MAX_DEG = 70.0, 100.0
"""Largest angles of the lines that are evaluated, and of the lines that may overlap with them."""
STRONG = 30.0
"""Intensity from which lines are evaluated; lines above a third of it may overlap. The strongest line is 100."""


def scherrer_of(
    positions: np.ndarray,
    cell: np.ndarray,
    numbers: np.ndarray,
    anions: BoolArray,
    cations: BoolArray,
    lattice: Sublattice,
    cation_cutoff_angstrom: float,
) -> ScherrerSize:
    """Return Scherrer's size of one domain, from the most isolated strong line.

    Raises
    ------
    AnalysisError
        There is no domain, it is connected to its periodic image, or its lines overlap.
    """
    if not anions.any():
        raise AnalysisError("there is no domain")
    members = np.flatnonzero(anions)
    unwrapped = unwrapped_cluster(positions[members], cell, lattice.link_angstrom)
    diameter = float(np.cbrt(6 * len(members) * lattice.volume_per_atom_angstrom3 / np.pi))
    line, gap = _most_isolated_line(lattice.crystal)
    expected = np.degrees(SPHERE * CU_K_ALPHA_ANGSTROM / (diameter * np.cos(np.radians(line / 2))))
    if expected > 0.6 * gap:
        raise AnalysisError(
            f"lines overlap: those of a domain of {diameter:.0f} Å are {expected:.0f} degrees wide, and those of this "
            f"crystal at most {gap:.0f} degrees apart"
        )
    atoms = [unwrapped]
    kinds = [numbers[members]]
    near = _cations_around(positions, cell, members, unwrapped, np.flatnonzero(cations), cation_cutoff_angstrom)
    if len(near[0]):
        atoms.append(near[0])
        kinds.append(numbers[near[1]])
    angles = np.arange(line - 0.7 * gap, line + 0.7 * gap, 0.05)
    pattern = debye_pattern(np.concatenate(atoms), np.concatenate(kinds), angles)
    centre, width = full_width_deg(angles, pattern)
    return ScherrerSize(
        line_deg=line,
        found_at_deg=centre,
        width_deg=width,
        diameter_angstrom=scherrer_diameter_angstrom(centre, width),
        diameter_by_volume_angstrom=diameter,
    )


def _cations_around(
    positions: np.ndarray,
    cell: np.ndarray,
    members: np.ndarray,
    places: FloatArray,
    cations: np.ndarray,
    cutoff_angstrom: float,
) -> tuple[FloatArray, np.ndarray]:
    """Return the cations around an unwrapped cluster of anions: positions (n, 3) and indices (n,)."""
    if not len(cations):
        return np.empty((0, 3)), cations
    both = np.concatenate([positions[members], positions[cations]])
    i, j, vectors = primitive_neighbor_list("ijD", [True] * 3, np.asarray(cell, dtype=float), both, cutoff_angstrom)
    chosen = (i < len(members)) & (j >= len(members))
    i, j, vectors = i[chosen], j[chosen] - len(members), vectors[chosen]
    first, rows = np.unique(j, return_index=True)
    return places[i[rows]] + vectors[rows], cations[first]


def _most_isolated_line(crystal: Atoms) -> tuple[float, float]:
    """Return the angle of the most isolated strong line and the distance to the nearest other line, degrees."""
    lines = [
        line for line in powder_lines(crystal, two_theta_max_deg=DISTURBING_MAX_DEG) if line.intensity > STRONG / 3
    ]
    best = (0.0, 0.0)
    for line in lines:
        gap = min(
            (abs(line.two_theta_deg - other.two_theta_deg) for other in lines if other is not line),
            default=15.0,
        )
        if line.intensity > STRONG and line.two_theta_deg <= TWO_THETA_MAX_DEG and gap > best[1]:
            best = (line.two_theta_deg, gap)
    return best
