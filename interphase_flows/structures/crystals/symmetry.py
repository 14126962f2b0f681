"""Symmetry of a crystal (spglib, through pymatgen): distinct sites and faces, primitive and conventional cells."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pymatgen.core import Structure
from pymatgen.core.surface import Slab, get_symmetrically_distinct_miller_indices
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from interphase_flows.structures.checks import check_has_cell

Miller = tuple[int, int, int]
"""Indices of a lattice plane (hkl)."""

SYMMETRY_TOLERANCE_ANGSTROM = 0.01
"""Largest distance between equivalent sites after a symmetry operation."""


@contextmanager
def spglib_warnings_ignored() -> Iterator[None]:
    """Ignore the deprecation warnings that pymatgen's calls of spglib cause."""
    with warnings.catch_warnings():
        # pymatgen 2026.10 uses an interface that spglib 2.7 deprecates
        warnings.filterwarnings("ignore", message="Set OLD_ERROR_HANDLING", category=DeprecationWarning)
        yield


def pymatgen_structure(atoms: Atoms) -> Structure:
    """Convert a crystal to a pymatgen structure."""
    return Structure(atoms.cell.array, atoms.get_chemical_symbols(), atoms.get_scaled_positions())


def site_orbits(atoms: Atoms) -> np.ndarray:
    """Return the crystallographic orbit of each atom, as the index of its first atom, shape (n_atoms,).

    Uses spglib (Togo, Shinohara and Tanaka, Sci. Technol. Adv. Mater. Methods 4, 2384822 (2024)). Without a cell
    `StructureError` is raised.
    """
    check_has_cell(atoms, "site_orbits")
    with spglib_warnings_ignored():
        analyzer = SpacegroupAnalyzer(pymatgen_structure(atoms), symprec=SYMMETRY_TOLERANCE_ANGSTROM)
        return np.asarray(analyzer.get_symmetry_dataset().equivalent_atoms)


def distinct_faces(atoms: Atoms, max_miller: int) -> list[Miller]:
    """Return the symmetrically distinct faces, those of lowest indices first; raises `StructureError` without a cell."""
    check_has_cell(atoms, "distinct_faces")
    with spglib_warnings_ignored():
        faces = get_symmetrically_distinct_miller_indices(pymatgen_structure(atoms), max_miller)
    found = [(int(face[0]), int(face[1]), int(face[2])) for face in faces]
    return sorted(found, key=lambda face: (sum(abs(n) for n in face), [-n for n in face]))


def has_equal_surfaces(slab: Slab) -> bool:
    """Return whether the two surfaces of a slab are equivalent, so that it has no dipole."""
    with spglib_warnings_ignored():
        return bool(slab.is_symmetric())


def conventional_lengths_angstrom(atoms: Atoms) -> NDArray[np.float64]:
    """Return the lattice constants a, b and c of the conventional cell in Å, shape (3,)."""
    with spglib_warnings_ignored():
        analyzer = SpacegroupAnalyzer(pymatgen_structure(atoms), symprec=SYMMETRY_TOLERANCE_ANGSTROM)
        return np.array(analyzer.get_conventional_standard_structure().lattice.abc)


def primitive_cell(atoms: Atoms, min_atoms: int = 2) -> Atoms:
    """Return the primitive cell, or a copy of the crystal if that has fewer than `min_atoms` atoms.

    The default is two, because the force on a single atom vanishes by symmetry.
    """
    primitive = pymatgen_structure(atoms).get_primitive_structure(tolerance=SYMMETRY_TOLERANCE_ANGSTROM)
    if not min_atoms <= len(primitive) < len(atoms):
        return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    numbers = [site.specie.Z for site in primitive]
    order = np.argsort(numbers, kind="stable")
    return Atoms(
        np.array(numbers)[order],
        scaled_positions=np.asarray(primitive.frac_coords)[order],
        cell=primitive.lattice.matrix,
        pbc=True,
    )
