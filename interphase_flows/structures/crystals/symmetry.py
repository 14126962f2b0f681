"""What symmetry tells apart in a crystal: sites and faces (spglib, through pymatgen)."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from ase import Atoms
from pymatgen.core import Structure
from pymatgen.core.surface import Slab, get_symmetrically_distinct_miller_indices
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from interphase_flows.structures.checks import check_has_cell

Miller = tuple[int, int, int]
"""Indices of a lattice plane (hkl)."""

SYMMETRY_TOLERANCE_ANGSTROM = 0.01
"""Two sites that a symmetry operation maps this closely onto each other are one kind of site."""


@contextmanager
def as_pymatgen_calls_spglib() -> Iterator[None]:
    """Keep what pymatgen's calls of spglib warn of from being an error."""
    with warnings.catch_warnings():
        # pymatgen 2026.10 still calls spglib in the way that spglib 2.7 announces to end
        warnings.filterwarnings("ignore", message="Set OLD_ERROR_HANDLING", category=DeprecationWarning)
        yield


def pymatgen_structure(atoms: Atoms) -> Structure:
    """The same crystal for pymatgen."""
    return Structure(atoms.cell.array, atoms.get_chemical_symbols(), atoms.get_scaled_positions())


def site_orbits(atoms: Atoms) -> np.ndarray:
    """Crystallographic orbit of every atom, as the index of its first atom, shape (n_atoms,).

    Orbits are found by spglib (Togo, Shinohara and Tanaka, Sci. Technol. Adv. Mater. Methods 4, 2384822 (2024)).

    Raises
    ------
    StructureError
        If `atoms` has no cell.
    """
    check_has_cell(atoms, "site_orbits")
    with as_pymatgen_calls_spglib():
        analyzer = SpacegroupAnalyzer(pymatgen_structure(atoms), symprec=SYMMETRY_TOLERANCE_ANGSTROM)
        return np.asarray(analyzer.get_symmetry_dataset().equivalent_atoms)


def distinct_faces(atoms: Atoms, max_miller: int) -> list[Miller]:
    """Faces that symmetry tells apart, those of lowest indices first.

    Raises
    ------
    StructureError
        If `atoms` has no cell.
    """
    check_has_cell(atoms, "distinct_faces")
    with as_pymatgen_calls_spglib():
        faces = get_symmetrically_distinct_miller_indices(pymatgen_structure(atoms), max_miller)
    found = [(int(face[0]), int(face[1]), int(face[2])) for face in faces]
    return sorted(found, key=lambda face: (sum(abs(n) for n in face), [-n for n in face]))


def has_two_equal_surfaces(slab: Slab) -> bool:
    """Whether an operation of symmetry turns a slab over: then there is no dipole between its surfaces."""
    with as_pymatgen_calls_spglib():
        return bool(slab.is_symmetric())
