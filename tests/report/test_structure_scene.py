"""Drawings of structures."""

import numpy as np
import pytest

from interphase_flows.report.figures.structure_scene import draw_scene, scene_of
from interphase_flows.report.inputs.interphase import StructureView
from interphase_flows.structures.crystals.library import load_phase


def view_of(atoms):
    return StructureView("crystal", list(atoms.symbols), atoms.positions, atoms.cell[:])


def test_anions_are_unbroken_across_cell_boundaries():
    """Li7P3S11 has 2 x 4 + 2 x 8 P-S bonds; none is lost at a face of the cell."""
    atoms = load_phase("Li7P3S11")
    for shift in ([0, 0, 0], [3.1, 1.7, 5.9]):
        atoms.positions += shift
        scene = scene_of(view_of(atoms))
        assert len(scene.bonds) == 24
        lengths = np.linalg.norm(np.diff(scene.positions[scene.bonds], axis=1), axis=2)
        assert lengths.max() < 2.6


def test_normal_points_up_and_lengths_are_kept():
    atoms = load_phase("Li7P3S11")
    scene = scene_of(view_of(atoms))
    np.testing.assert_allclose(scene.cell[:2, 1], 0.0, atol=1e-9)
    assert scene.cell[2, 1] > 0
    assert scene.cell[0, 0] == pytest.approx(np.linalg.norm(atoms.cell[0]))
    assert scene.cell_edges().shape == (12, 2, 3)
    assert abs(np.linalg.det(scene.cell)) == pytest.approx(atoms.get_volume())


def test_metal_has_no_bonds_and_can_be_drawn():
    scene = scene_of(view_of(load_phase("Li")))
    assert scene.bonds.shape == (0, 2)
    assert scene.ions == ["Li"]
    assert draw_scene(scene).axes
