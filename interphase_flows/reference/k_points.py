"""Meshes of k-points that have the symmetry of the lattice.

A mesh of N_1 x N_2 x N_3 points centred at Gamma is {sum_i n_i/N_i b_i}.  A rotation R of the lattice (integers, on
fractional coordinates) takes k to R^T k, so it maps the mesh onto itself if N_i R_ji / N_j is an integer for all i, j.
Counts by density do not see to that: in the primitive cell of a face- or base-centred crystal, axes of different
length are mixed by a rotation.  A mesh that breaks the symmetry of a crystal gives forces that break it.

    N   numbers of points    counts, (n_meshes, 3)
    R   rotations            rotations, (n_rotations, 3, 3)
"""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.calculators.calculator import kptdensity2monkhorstpack
from numpy.typing import ArrayLike, NDArray

from interphase_flows.reference.spec import GpawSpec, VaspSpec
from interphase_flows.structures.crystals.space_group import space_group_operations

MESH_RULE = "centred at Gamma, with the symmetry of the lattice"
"""Part of the identity of every method whose meshes are made here; another rule has to have another name."""


LATTICE_TOLERANCE_ANGSTROM = 1e-3
"""Lattice vectors this near to their images count as symmetric; more than is allowed to atoms by the gate of labels."""


def k_points(spec: GpawSpec | VaspSpec, atoms: Atoms) -> tuple[int, int, int]:
    """Return the mesh, centred at Gamma: one point from ``gamma_above_atoms`` on, else by density.

    The density is raised where the mesh would have less symmetry than the lattice.  VASP with ISYM 0 takes the mesh as it
    is.  GPAW makes up for the rotations that it finds; of those with a translation, and of the whole group when a label
    has to do without, it does not know.
    """
    if len(atoms) >= spec.gamma_above_atoms:
        return (1, 1, 1)
    by_density = kptdensity2monkhorstpack(atoms, spec.k_density_per_inverse_angstrom, even=False)
    return symmetric_mesh(atoms.cell.array, by_density)


def lattice_rotations(cell: ArrayLike) -> NDArray[np.int_]:
    """Return every rotation, proper or not, that maps a lattice onto itself, (n, 3, 3), on fractional coordinates.

    Those of a crystal are among those of its lattice.  A cell in which spglib finds nothing has the identity alone.

    Parameters
    ----------
    cell
        Lattice vectors in rows, Å, (3, 3).
    """
    return space_group_operations(cell, [[0.0, 0.0, 0.0]], [1], LATTICE_TOLERANCE_ANGSTROM)[0]


def has_symmetry(counts: ArrayLike, rotations: ArrayLike) -> NDArray[np.bool_]:
    """Tell of each mesh centred at Gamma whether every rotation maps it onto itself, (n_meshes,).

    Parameters
    ----------
    counts
        Points along each reciprocal vector, (n_meshes, 3).
    rotations
        On fractional coordinates of real space, (n_rotations, 3, 3).
    """
    counts = np.asarray(counts)
    fits = np.ones(len(counts), dtype=bool)
    for rotation in np.asarray(rotations):
        fits &= (counts[:, :, None] * rotation.T % counts[:, None, :] == 0).all(axis=(1, 2))
    return fits


def symmetric_mesh(cell: ArrayLike, at_least: Sequence[int]) -> tuple[int, int, int]:
    """Return the mesh of fewest points, centred at Gamma, that has the symmetry of the lattice and is dense enough.

    Parameters
    ----------
    cell
        Lattice vectors in rows, Å, (3, 3).
    at_least
        Points along each reciprocal vector; along none more than the largest of them are needed, since a mesh with
        equal numbers has every symmetry.
    """
    axes = [np.arange(n, max(at_least) + 1) for n in at_least]
    counts = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    counts = counts[has_symmetry(counts, lattice_rotations(cell))]
    a, b, c = counts[np.argmin(counts.prod(axis=1))]
    return int(a), int(b), int(c)
