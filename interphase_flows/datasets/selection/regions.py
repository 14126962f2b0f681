"""Where in an interface an atom is: the quota of a selection is shared by region."""

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

REACTION_ZONE_ANGSTROM = 4.0


def region_of_atom(
    atoms: Atoms, index: int | None = None, reach_angstrom: float = REACTION_ZONE_ANGSTROM
) -> str:
    """Return ``electrode``, ``electrolyte``, ``reaction zone``, or ``bulk`` for a cell without sides.

    Parameters
    ----------
    atoms
        With ``side`` (0 electrode, 1 electrolyte) per atom, as an interface has it.
    index
        The atom; by default the one of largest ``force_std_eV_per_angstrom``, if that is known.
    reach_angstrom
        An atom with an atom of the other side this near stands in the reaction zone.
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
