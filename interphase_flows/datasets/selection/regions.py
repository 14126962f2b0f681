"""Regions of the atoms of an interface: electrode, electrolyte or reaction zone."""

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

REACTION_ZONE_ANGSTROM = 4.0


def regions_of_atoms(atoms: Atoms, reach_angstrom: float = REACTION_ZONE_ANGSTROM) -> NDArray[np.str_]:
    """Return the region of each atom: ``electrode``, ``electrolyte``, ``reaction zone``, or ``bulk`` without sides.

    Interfaces have an array ``side`` (0 electrode, 1 electrolyte). Atoms closer than ``reach_angstrom`` to an atom of
    the other side are in the reaction zone.
    """
    if "side" not in atoms.arrays:
        return np.full(len(atoms), "bulk")
    side = atoms.arrays["side"]
    first, second = neighbor_list("ij", atoms, reach_angstrom)
    regions = np.where(side == 0, "electrode", "electrolyte").astype("<U13")
    regions[first[side[first] != side[second]]] = "reaction zone"
    return regions


def region_of_uncertain_atom(atoms: Atoms) -> str:
    """Return the region of the atom of largest ``force_std_eV_per_angstrom``, of the first atom without this array."""
    spread = atoms.arrays.get("force_std_eV_per_angstrom")
    return str(regions_of_atoms(atoms)[0 if spread is None else int(np.argmax(spread))])
