"""Region of an atom in an interface: electrode, electrolyte or reaction zone."""

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

REACTION_ZONE_ANGSTROM = 4.0


def region_of_atom(atoms: Atoms, index: int | None = None, reach_angstrom: float = REACTION_ZONE_ANGSTROM) -> str:
    """Return the region of an atom: ``electrode``, ``electrolyte``, ``reaction zone``, or ``bulk`` without sides.

    Interfaces have an array ``side`` (0 electrode, 1 electrolyte). Atoms closer than ``reach_angstrom`` to an atom of
    the other side are in the reaction zone. The default atom is that of largest ``force_std_eV_per_angstrom``, if there
    is such an array.
    """
    if "side" not in atoms.arrays:
        return "bulk"
    if index is None:
        spread = atoms.arrays.get("force_std_eV_per_angstrom")
        index = int(np.argmax(spread)) if spread is not None else 0
    side = atoms.arrays["side"]
    first, second = neighbor_list("ij", atoms, reach_angstrom)
    if (side[second[first == index]] != side[index]).any():
        return "reaction zone"
    return "electrode" if side[index] == 0 else "electrolyte"
