"""Oriented cells with a lattice plane in their a-b plane, and cuts between molecular anions."""

import re
from math import gcd

import numpy as np
from ase import Atoms
from ase.build import make_supercell

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.anions import unwrapped_anion_positions
from interphase_flows.structures.checks import check_has_cell
from interphase_flows.structures.crystals.symmetry import Miller, pymatgen_structure

PRIMITIVE_TOLERANCE_ANGSTROM = 0.01
"""Largest distance between atoms that a lattice translation of the primitive cell maps onto each other."""


def parse_facet(facet: str) -> tuple[Miller, Miller]:
    """Parse the Miller indices of electrode and electrolyte from ``110/001`` or ``1-10/011``."""
    film, substrate = ([int(n) for n in re.findall(r"-?\d", face)] for face in facet.split("/"))
    return (film[0], film[1], film[2]), (substrate[0], substrate[1], substrate[2])


def oriented_cell(atoms: Atoms, miller: Miller) -> Atoms:
    """Return the primitive cell whose first two vectors span a lattice plane, with the plane's normal along z.

    The first vector lies along x, the second in the xy plane (both Gauss-reduced). The third connects to the next
    lattice plane. `miller` are indices in the cell of `atoms`, whether primitive or not.

    Raises
    ------
    StructureError
        If all three indices are zero, or `atoms` has no cell.
    """
    if miller == (0, 0, 0):
        raise StructureError("miller=(0, 0, 0) is not a lattice plane: at least one index must differ from zero")
    check_has_cell(atoms, "oriented_cell")
    reduced = pymatgen_structure(atoms).get_primitive_structure(tolerance=PRIMITIVE_TOLERANCE_ANGSTROM)
    lattice = np.asarray(reduced.lattice.matrix)
    primitive = Atoms(reduced.atomic_numbers, cell=lattice, positions=reduced.cart_coords, pbc=True)

    # Indices of the same plane in the primitive cell: its reciprocal vector projected on the primitive vectors.
    # They are fractions whose denominator is the number of primitive cells in the given cell.
    normal = np.linalg.inv(atoms.cell.array) @ np.array(miller, dtype=float)
    n_primitive = round(len(atoms) / len(primitive))
    indices = np.rint(lattice @ normal * n_primitive).astype(int)
    indices //= gcd(*(int(n) for n in indices))
    first, second, third = _plane_basis(indices, lattice)
    cell = make_supercell(primitive, np.array([first, second, third]), wrap=True)
    return rotated_to_plane(cell)


def _plane_basis(indices: np.ndarray, lattice: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return integer vectors: the two shortest in the plane and one to the next plane, right-handed."""
    reach = int(np.abs(indices).max()) + 2
    axis = np.arange(-reach, reach + 1)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[np.argsort(np.linalg.norm(grid @ lattice, axis=1), kind="stable")]
    heights = grid @ indices
    within = grid[(heights == 0) & (grid != 0).any(axis=1)]
    first = within[0]
    second = next(v for v in within if np.cross(first, v).any())
    third = grid[heights == 1][0]
    if np.linalg.det(np.array([first, second, third]) @ lattice) < 0:
        second = -second
    return first, second, third


def rotated_to_plane(cell: Atoms) -> Atoms:
    """Rotate a cell so that its first vector lies along x, and the normal of the first two along z with the third."""
    a, b, c = cell.cell.array
    x = a / np.linalg.norm(a)
    z = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
    z = z if z @ c > 0 else -z
    rotation = np.array([x, np.cross(z, x), z]).T
    return Atoms(cell.numbers, positions=cell.positions @ rotation, cell=cell.cell.array @ rotation, pbc=True)


def in_plane_supercell(cell: Atoms, transformation: np.ndarray, layers: int) -> Atoms:
    """Repeat an oriented cell by a 2x2 integer matrix in the plane and `layers` times along the third vector."""
    matrix = np.zeros((3, 3), dtype=int)
    matrix[:2, :2] = transformation
    matrix[2, 2] = layers
    return make_supercell(cell, matrix, wrap=True)


def cuts_between_anions(cell: Atoms) -> list[float]:
    """Return the heights at which a cell of `oriented_cell` can be cut between its anions, flattest cut first.

    Heights are fractions of that of the cell. A cut separates anions by the height of their centres, so it never breaks
    one. The flattest cut gives the thinnest slab.
    """
    height = cell.cell.array[2, 2]
    centres = np.sort(np.unique(np.round(_group_centres(cell)[0] % height, 2)) / height)
    gaps = np.diff(np.append(centres, centres[0] + 1.0))
    cuts = (centres + gaps / 2)[gaps * height > 0.05] % 1.0
    thickness = [round(float(np.ptp(slab_from_cut(cell, cut).positions[:, 2])), 3) for cut in cuts]
    return [float(cuts[n]) for n in np.lexsort((cuts, thickness))]


def _group_centres(cell: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    positions, labels = unwrapped_anion_positions(cell)
    centres = np.bincount(labels, weights=positions[:, 2]) / np.bincount(labels)
    return centres, positions, labels


def slab_from_cut(cell: Atoms, cut: float) -> Atoms:
    """Return the slab between two equivalent cuts, with intact anions; heights start at zero.

    `cut` is a fraction of the height of `cell`, which may have any number of layers. Each anion is translated by
    multiples of the third vector so that its centre lies above the cut. The cell is that of `cell`: there is no vacuum
    yet.
    """
    centres, positions, labels = _group_centres(cell)
    third = cell.cell.array[2]
    moved = positions - np.floor(centres / third[2] - cut)[labels, None] * third
    moved[:, 2] -= moved[:, 2].min()
    return Atoms(cell.numbers, positions=moved, cell=cell.cell, pbc=True)
