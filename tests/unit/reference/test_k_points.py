"""K-point meshes with the symmetry of the lattice, in any cell."""

from typing import get_args

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import kptdensity2monkhorstpack

from interphase_flows.datasets.symmetry import symmetry_operations
from interphase_flows.exceptions import StructureError
from interphase_flows.reference.gpaw.input import gpaw_parameters
from interphase_flows.reference.k_points import has_symmetry, k_points, lattice_rotations, symmetric_mesh
from interphase_flows.reference.spec import GpawSpec, VaspSpec
from interphase_flows.structures.crystals.library import Geometry, load_phase, phase_names
from interphase_flows.structures.crystals.symmetry import primitive_cell

DENSITIES = np.arange(0.4, 6.0, 0.4)
"""K-points per 1/Å."""


def library_crystals():
    """Yield every phase of the library in every stored geometry and in its primitive cell."""
    for name in phase_names():
        for geometry in get_args(Geometry):
            try:
                atoms = load_phase(name, geometry)
            except StructureError:
                continue
            yield pytest.param(atoms, id=f"{name}-{geometry}")
            if len(small := primitive_cell(atoms)) < len(atoms):
                yield pytest.param(small, id=f"{name}-{geometry}-smallest")


def mesh(counts):
    """Return the points of a mesh centred at Gamma, as fractions of the reciprocal vectors."""
    return np.stack(np.meshgrid(*[np.arange(n) / n for n in counts], indexing="ij"), axis=-1).reshape(-1, 3)


def is_mapped_onto_itself(counts, rotations):
    """Return whether every rotation maps every point to a point of the mesh, checked point by point."""
    points = mesh(counts)
    for rotation in rotations:
        on_mesh = points @ rotation * counts  # k is a row: k R is R^T k
        if np.abs(on_mesh - np.rint(on_mesh)).max() > 1e-8:
            return False
    return True


@pytest.mark.parametrize("atoms", list(library_crystals()))
def test_rotations_of_library_crystals_map_their_mesh_onto_itself(atoms):
    """A mesh that breaks the symmetry gives forces that break it, which the gates reject."""
    rotations, _ = symmetry_operations(atoms)
    for density in DENSITIES:
        counts = k_points(VaspSpec(k_density_per_inverse_angstrom=float(density)), atoms)
        assert is_mapped_onto_itself(counts, rotations), counts
        assert (counts >= kptdensity2monkhorstpack(atoms, density, even=False)).all()
        gpaw = gpaw_parameters(GpawSpec(k_density_per_inverse_angstrom=float(density)), atoms)
        assert gpaw["kpts"] == {"size": list(counts), "gamma": True}


@pytest.mark.parametrize("name", sorted(set(phase_names()) - {"P", "S"}))
def test_mesh_of_other_phases_is_that_of_the_requested_density(name):
    for density in DENSITIES:
        atoms = load_phase(name)
        spec = GpawSpec(k_density_per_inverse_angstrom=float(density))
        assert k_points(spec, atoms) == tuple(kptdensity2monkhorstpack(atoms, density, even=False))


@pytest.mark.parametrize("name", ["Li", "Li2S", "Li3P", "Li7P3S11"])
def test_meshes_of_the_convergence_study_are_those_of_the_requested_density(name):
    """The study in docs/dft_settings.md precedes symmetric meshes and remains valid."""
    cell = primitive_cell(load_phase(name))
    for density in range(2, 9):
        spec = GpawSpec(k_density_per_inverse_angstrom=density)
        assert k_points(spec, cell) == tuple(kptdensity2monkhorstpack(cell, density, even=False))


def test_black_phosphorus_needs_more_points_than_requested():
    """In the primitive cell of a base-centred crystal, a mirror adds the first axis to the third."""
    phosphorus = load_phase("P")
    rotations, _ = symmetry_operations(phosphorus)
    assert not is_mapped_onto_itself((6, 5, 4), rotations)
    assert symmetric_mesh(phosphorus.cell.array, (6, 5, 4)) == (6, 5, 6)
    assert k_points(VaspSpec(), phosphorus) == k_points(GpawSpec(), phosphorus) == (6, 5, 6)


def test_sulfur_needs_more_points_than_requested():
    """In the primitive cell of a face-centred crystal, rotations mix all three axes."""
    sulfur = load_phase("S")
    rotations, _ = symmetry_operations(sulfur)
    assert not is_mapped_onto_itself((3, 3, 2), rotations)
    assert k_points(GpawSpec(), sulfur) == (3, 3, 3)


def test_symmetry_criterion_agrees_with_the_check_of_every_point():
    """For all meshes of up to five points along an axis, of a face-centred, a hexagonal and a base-centred lattice."""
    counts = np.stack(np.meshgrid(*[np.arange(1, 6)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    for atoms in (bulk("Al"), load_phase("Li3P"), load_phase("P")):
        rotations = lattice_rotations(atoms.cell.array)
        assert [is_mapped_onto_itself(each, rotations) for each in counts] == has_symmetry(counts, rotations).tolist()


@pytest.mark.parametrize(
    ("cell", "at_least", "expected"),
    [
        (np.diag([3.0, 4.0, 5.0]), (4, 3, 2), (4, 3, 2)),
        ([[4, 0, 0], [-2, 2 * 3**0.5, 0], [0, 0, 7]], (4, 4, 2), (4, 4, 2)),
        ([[0, 2, 2], [2, 0, 2], [2, 2, 0]], (5, 4, 4), (5, 5, 5)),
        # axes that are equal within rounding
        (np.diag([4.0, 4.0 + 1e-9, 30.0]), (5, 4, 1), (5, 5, 1)),
        (np.diag([4.0, 4.1, 30.0]), (5, 4, 1), (5, 4, 1)),
        (np.eye(3) * 10, (1, 1, 1), (1, 1, 1)),
    ],
)
def test_symmetric_mesh_has_the_fewest_points(cell, at_least, expected):
    """Orthorhombic, hexagonal, face-centred, two axes equal within rounding, two that differ, Gamma."""
    assert symmetric_mesh(cell, at_least) == expected


def test_displaced_atoms_have_the_mesh_of_the_lattice():
    """So that MD frames can be compared with the crystal."""
    phosphorus = load_phase("P")
    displaced = phosphorus.copy()
    displaced.rattle(0.1, seed=1)
    assert k_points(VaspSpec(), displaced) == k_points(VaspSpec(), phosphorus)
