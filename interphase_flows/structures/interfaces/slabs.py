"""Slabs of a crystal in vacuum, cut without breaking bonds of molecular anions.

Terminations are those of pymatgen's `SlabGenerator` (Tran et al., Sci. Data 3, 160080 (2016)) that break no bond
of an anion. Faces without such a termination (most of Li7P3S11, which has bonds at every height) are cut between
anions, as interfaces are.
"""

from math import ceil

import numpy as np
from ase import Atoms
from pymatgen.core.surface import Slab, SlabGenerator

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.anions import bonded_pairs, molecular_bonds_angstrom
from interphase_flows.structures.checks import check_no_overlap, same_stoichiometry
from interphase_flows.structures.crystals.symmetry import (
    Miller,
    distinct_faces,
    has_equal_surfaces,
    pymatgen_structure,
    spglib_warnings_ignored,
)
from interphase_flows.structures.interfaces.oriented_cells import (
    cuts_between_anions,
    in_plane_supercell,
    oriented_cell,
    rotated_to_plane,
    slab_from_cut,
)


def slabs(
    atoms: Atoms,
    n: int,
    max_miller: int,
    min_thickness_angstrom: float,
    vacuum_angstrom: float,
    max_atoms: int,
) -> list[Atoms]:
    """Return stoichiometric slabs of the faces of lowest indices that can be cut, one per face.

    The thickness is rounded up to a number of lattice planes. The vacuum is along the third vector, which is the
    normal. ``info`` has the keys ``miller`` (in the cell of `atoms`), ``cut`` (``pymatgen`` or ``between anions``) and
    ``area_angstrom2``. There are fewer than `n` if other faces cannot be cut, or only into slabs of more than
    `max_atoms`.

    Raises
    ------
    StructureError
        `atoms` has no cell.
    """
    found: list[Atoms] = []
    for miller in distinct_faces(atoms, max_miller) if n else []:
        slab = slab_of_face(atoms, miller, min_thickness_angstrom, vacuum_angstrom)
        if slab is not None and len(slab) <= max_atoms:
            found.append(slab)
        if len(found) == n:
            break
    return found


def slab_of_face(atoms: Atoms, miller: Miller, min_thickness_angstrom: float, vacuum_angstrom: float) -> Atoms | None:
    """Return a slab of one face with intact anions; None if there is no such cut (chains and networks)."""
    slab = _cut_by_pymatgen(atoms, miller, min_thickness_angstrom, vacuum_angstrom)
    cut = "pymatgen"
    if slab is None:
        slab = _cut_between_anions(atoms, miller, min_thickness_angstrom, vacuum_angstrom)
        cut = "between anions"
    if slab is None:
        return None
    if not same_stoichiometry(slab, atoms):
        raise StructureError(f"slab {miller}: its stoichiometry differs from that of the crystal")
    check_no_overlap(slab, where=f"slab {miller}")
    slab.info.update(
        miller="({}{}{})".format(*miller),
        cut=cut,
        area_angstrom2=float(np.linalg.norm(np.cross(*slab.cell.array[:2]))),
    )
    return slab


def _cut_by_pymatgen(
    atoms: Atoms, miller: Miller, min_thickness_angstrom: float, vacuum_angstrom: float
) -> Atoms | None:
    bonds = molecular_bonds_angstrom(atoms.symbols)
    with spglib_warnings_ignored():
        generator = SlabGenerator(
            pymatgen_structure(atoms), miller, min_thickness_angstrom, vacuum_angstrom, center_slab=True
        )
        terminations = generator.get_slabs(bonds=bonds or None, max_broken_bonds=0)
    if not terminations:
        return None

    def rank(slab: Slab) -> tuple[bool, int]:
        return not has_equal_surfaces(slab), len(slab)  # equivalent surfaces: no dipole

    with spglib_warnings_ignored():
        best = min(terminations, key=rank).get_orthogonal_c_slab()
    slab = rotated_to_plane(Atoms(best.atomic_numbers, positions=best.cart_coords, cell=best.lattice.matrix, pbc=True))
    slab.wrap()
    return slab


def _cut_between_anions(
    atoms: Atoms, miller: Miller, min_thickness_angstrom: float, vacuum_angstrom: float
) -> Atoms | None:
    cell = oriented_cell(atoms, miller)
    try:
        cuts = cuts_between_anions(cell)
    except StructureError:  # chains and networks
        return None
    layers = ceil(min_thickness_angstrom / cell.cell.array[2, 2])
    thick = in_plane_supercell(cell, np.eye(2, dtype=int), layers)
    slab = slab_from_cut(thick, cuts[0] / layers)
    height = float(np.ptp(slab.positions[:, 2])) + vacuum_angstrom
    slab.positions[:, 2] += vacuum_angstrom / 2
    slab.set_cell([*slab.cell.array[:2], [0.0, 0.0, height]])
    slab.wrap()
    # rings of sulfur are no anions, so the cut may break them
    return slab if _n_molecular_bonds(slab) == _n_molecular_bonds(thick) else None


def _n_molecular_bonds(atoms: Atoms) -> int:
    return len(bonded_pairs(atoms, molecular_bonds_angstrom(atoms.symbols))[0]) // 2
