"""Equations of state: a crystal at volumes around its own, everything else as it is."""

import numpy as np
from ase import Atoms

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.checks import check_no_overlap
from interphase_flows.structures.crystals.perturb import repeated


def linear_strains(n_volumes: int, max_strain: float) -> list[float]:
    """Strains of the cell's lengths, evenly from ``-max_strain`` to ``max_strain``; one alone expands."""
    if n_volumes == 1:
        return [max_strain]
    return [float(strain) for strain in np.linspace(-max_strain, max_strain, n_volumes)]


def equation_of_state(atoms: Atoms, n_volumes: int, max_strain: float, min_atoms: int = 1) -> list[Atoms]:
    """Isotropically scaled cells of a crystal, densest first.

    Parameters
    ----------
    atoms
        Crystal.
    n_volumes
        How many; the lengths of the cell are strained by `linear_strains`, so an odd number includes the
        crystal itself.
    max_strain
        Largest strain of a length; the volume changes by about three times as much.
    min_atoms
        The crystal is repeated until it has as many.

    Returns
    -------
    cells
        Fractional coordinates, stoichiometry and symmetry are those of `atoms`; ``info["strain"]`` is the
        linear strain.

    Raises
    ------
    StructureError
        If a parameter is out of range, or `atoms` has no cell.
    OverlappingAtomsError
        If the densest cell brings atoms inside each other.
    """
    if n_volumes < 0 or not 0.0 < max_strain < 0.3:
        raise StructureError(
            f"equation_of_state: n_volumes={n_volumes}, max_strain={max_strain}; needed are n_volumes >= 0 and "
            "0 < max_strain < 0.3"
        )
    crystal = repeated(atoms, min_atoms)
    cells = []
    for strain in linear_strains(n_volumes, max_strain):
        scaled = Atoms(crystal.numbers, positions=crystal.positions, cell=crystal.cell, pbc=True)
        scaled.set_cell(crystal.cell.array * (1.0 + strain), scale_atoms=True)
        check_no_overlap(scaled, where=f"equation_of_state, strain {strain:.3f}")
        scaled.info["strain"] = strain
        cells.append(scaled)
    return cells
