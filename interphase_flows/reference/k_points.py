"""K-point meshes with the symmetry of the lattice.

A mesh of N_1 x N_2 x N_3 points centred at Gamma is {sum_i n_i/N_i b_i}. A rotation R of the lattice (integers, on
fractional coordinates) takes k to R^T k, so it maps the mesh onto itself if N_i R_ji / N_j is an integer for all i, j.
A k-point density alone does not ensure this: in the primitive cell of a face- or base-centred crystal, a rotation
mixes axes of different length. A mesh that breaks the symmetry of a crystal gives forces that break it.

    N   numbers of points    counts, (n_meshes, 3)
    R   rotations            rotations, (n_rotations, 3, 3)
"""

import warnings
from collections.abc import Sequence

import numpy as np
import spglib
from ase import Atoms
from ase.calculators.calculator import kptdensity2monkhorstpack
from numpy.typing import ArrayLike, NDArray

from interphase_flows.reference.spec import GpawSpec, VaspSpec
from interphase_flows.structures.crystals.space_group import space_group_operations

MESH_RULE = "centred at Gamma, with the symmetry of the lattice"
"""Part of the identity of every method that uses these meshes; a new rule needs a new name."""

LATTICE_TOLERANCE_ANGSTROM = 1e-3
"""Symmetry tolerance of lattice vectors; larger than that of atoms in the gates."""


def k_points(spec: GpawSpec | VaspSpec, atoms: Atoms) -> tuple[int, int, int]:
    """Return the mesh, centred at Gamma: one point for ``gamma_above_atoms`` atoms or more, otherwise by density.

    The density is raised where the mesh would have less symmetry than the lattice. VASP with ISYM 0 uses the mesh
    unchanged. GPAW symmetrises by the rotations that it finds, but not by those with a translation, nor when a label is
    computed without the point group.
    """
    if len(atoms) >= spec.gamma_above_atoms:
        return (1, 1, 1)
    by_density = kptdensity2monkhorstpack(atoms, spec.k_density_per_inverse_angstrom, even=False)
    return symmetric_mesh(atoms.cell.array, by_density)


def n_irreducible_k_points(counts: Sequence[int], atoms: Atoms) -> int:
    """Return the number of points of a mesh centred at Gamma that symmetry and time reversal leave."""
    cell = (atoms.cell.array.tolist(), atoms.get_scaled_positions().tolist(), atoms.numbers.tolist())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # spglib versions report failures differently
            found = spglib.get_ir_reciprocal_mesh(counts, cell, symprec=LATTICE_TOLERANCE_ANGSTROM)
    except spglib.SpglibError:
        found = None
    return int(np.prod(counts)) // 2 + 1 if found is None else len(np.unique(found[0]))


def lattice_rotations(cell: ArrayLike) -> NDArray[np.int_]:
    """Return every rotation, proper or not, that maps a lattice onto itself, (n, 3, 3), on fractional coordinates.

    They include the rotations of every crystal with this lattice. If spglib finds none, only the identity. The rows of
    the cell are the lattice vectors, Å.
    """
    return space_group_operations(cell, [[0.0, 0.0, 0.0]], [1], LATTICE_TOLERANCE_ANGSTROM)[0]


def has_symmetry(counts: ArrayLike, rotations: ArrayLike) -> NDArray[np.bool_]:
    """Return for each mesh centred at Gamma whether every rotation maps it onto itself, (n_meshes,).

    ``counts`` are points along each reciprocal vector, (n_meshes, 3); ``rotations`` act on fractional coordinates of
    real space, (n_rotations, 3, 3).
    """
    counts = np.asarray(counts)
    fits = np.ones(len(counts), dtype=bool)
    for rotation in np.asarray(rotations):
        fits &= (counts[:, :, None] * rotation.T % counts[:, None, :] == 0).all(axis=(1, 2))
    return fits


def symmetric_mesh(cell: ArrayLike, at_least: Sequence[int]) -> tuple[int, int, int]:
    """Return the smallest mesh, centred at Gamma, with the symmetry of the lattice and a minimum number of points.

    The rows of the cell are the lattice vectors, Å. The maximum of ``at_least`` along each axis is always sufficient,
    since a mesh with equal numbers has every symmetry.
    """
    axes = [np.arange(n, max(at_least) + 1) for n in at_least]
    counts = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    counts = counts[has_symmetry(counts, lattice_rotations(cell))]
    a, b, c = counts[np.argmin(counts.prod(axis=1))]
    return int(a), int(b), int(c)
