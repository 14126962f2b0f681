"""Isotropically compressed and expanded crystals, for an equation of state."""

import numpy as np
from ase import Atoms

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.checks import check_no_overlap
from interphase_flows.structures.crystals.perturb import repeated


def linear_strains(n_volumes: int, max_strain: float) -> list[float]:
    """Return linear strains evenly from ``-max_strain`` to ``max_strain``; a single one is ``max_strain``."""
    if n_volumes == 1:
        return [max_strain]
    return [float(strain) for strain in np.linspace(-max_strain, max_strain, n_volumes)]


def equation_of_state(atoms: Atoms, n_volumes: int, max_strain: float, min_atoms: int = 1) -> list[Atoms]:
    """Return isotropically scaled cells of a crystal, densest first.

    The crystal is first repeated to at least `min_atoms` atoms. Lengths are strained by `linear_strains`, so an odd
    number of volumes includes the unstrained crystal; the volume changes by about three times `max_strain`. Fractional
    coordinates and symmetry are those of `atoms`; ``info["linear_strain"]`` is the strain.

    Raises
    ------
    StructureError
        A parameter is out of range, or `atoms` has no cell.
    OverlappingAtomsError
        Atoms overlap in the densest cell.
    """
    if n_volumes < 0 or not 0.0 < max_strain < 0.3:
        raise StructureError(
            f"equation_of_state: n_volumes={n_volumes}, max_strain={max_strain}; required: n_volumes >= 0 and "
            "0 < max_strain < 0.3"
        )
    crystal = repeated(atoms, min_atoms)
    cells = []
    for strain in linear_strains(n_volumes, max_strain):
        scaled = Atoms(crystal.numbers, positions=crystal.positions, cell=crystal.cell, pbc=True)
        scaled.set_cell(crystal.cell.array * (1.0 + strain), scale_atoms=True)
        check_no_overlap(scaled, where=f"equation_of_state, strain {strain:.3f}")
        scaled.info["linear_strain"] = strain
        cells.append(scaled)
    return cells
