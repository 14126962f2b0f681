"""Families of origins that stand apart: atoms and dimers in an empty box.

They teach a potential how atoms repel each other. Their energies say nothing about the composition of a solid, so
neither the window of energies nor the energies of elements may be fitted to them.
"""

from ase import Atoms

IN_A_BOX = ("dimer", "atom")
"""First parts of their origins, ``dimer/Li-P-S``."""


def is_in_a_box(frame: Atoms) -> bool:
    """Return whether a labelled frame is an atom or a dimer in an empty box, by its origin."""
    return str(frame.info.get("origin", "")).split("/")[0] in IN_A_BOX
