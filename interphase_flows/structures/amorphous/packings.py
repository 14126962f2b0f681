"""Packings to melt: atoms at random on the line from electrode to electrolyte, none too close."""

from ase import Atoms

from interphase_flows.structures.amorphous.mixtures import (
    composition_on_line,
    estimate_volume_per_atom_angstrom3,
    random_packing,
    reduced_formula,
)
from interphase_flows.structures.amorphous.overlap_removal import soft_push_off


def packing_on_line(
    x_electrode: float, n_atoms: int, seed: int, electrode: Atoms, electrolyte: Atoms
) -> Atoms:
    """Return a random packing whose close atoms were pushed apart.

    Parameters
    ----------
    x_electrode
        Fraction of atoms that come from the electrode, 0 to 1.
    n_atoms
        Atoms in the cell, a cube.
    seed
        Of the random numbers.
    electrode, electrolyte
        Crystals: their formulas are the ends of the line, and the volume is linear between theirs.

    Raises
    ------
    StructureError
        If no whole numbers of formula units have ``n_atoms`` atoms.
    OverlappingAtomsError
        If an atom finds no place.
    """
    composition = composition_on_line(
        x_electrode, n_atoms, *(reduced_formula(end) for end in (electrode, electrolyte))
    )
    volume = estimate_volume_per_atom_angstrom3(composition, electrode, electrolyte)
    return soft_push_off(random_packing(composition, seed, volume_per_atom_angstrom3=volume))
