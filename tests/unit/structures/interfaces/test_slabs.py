"""Slabs: intact anions, stoichiometry, vacuum and choice of faces."""

import numpy as np
import pytest

from interphase_flows.structures.anions import anion_formulas, n_broken_anions
from interphase_flows.structures.checks import check_no_overlap, same_stoichiometry
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.symmetry import distinct_faces
from interphase_flows.structures.interfaces.slabs import slab_of_face, slabs


def vacuum_angstrom(slab):
    z = np.sort((slab.get_scaled_positions()[:, 2]) % 1.0) * slab.cell.array[2, 2]
    return np.diff(np.append(z, z[0] + slab.cell.array[2, 2])).max()


def test_equivalent_faces_are_used_once():
    assert distinct_faces(load_phase("Li"), 1) == [(1, 0, 0), (1, 1, 0), (1, 1, 1)]


@pytest.mark.parametrize(
    ("name", "miller", "cut"),
    [
        ("Li", (1, 1, 0), "pymatgen"),
        ("Li2S", (1, 1, 1), "pymatgen"),
        ("Li3PS4", (1, 0, 0), "pymatgen"),
        ("Li7P3S11", (0, 0, 1), "between anions"),
    ],
)
def test_slab_has_intact_anions_stoichiometry_and_vacuum(name, miller, cut):
    """For most faces of Li7P3S11 pymatgen finds no cut without a broken bond, so the cut is between anions."""
    crystal = load_phase(name)
    slab = slab_of_face(crystal, miller, 6.0, 12.0)
    assert slab.info["cut"] == cut
    assert same_stoichiometry(slab, crystal)
    n_cells = len(slab) / len(crystal)
    expected = {formula: n * n_cells for formula, n in anion_formulas(crystal).items()}
    assert anion_formulas(slab) == expected
    assert n_broken_anions(slab, anion_formulas(slab)) == 0
    check_no_overlap(slab)
    assert vacuum_angstrom(slab) >= 11.0
    assert slab.cell.array[2, :2] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert slab.positions[:, 2].max() <= slab.cell.array[2, 2]


def test_face_across_chains_gives_no_slab():
    """LiP has chains of phosphorus, all of which (010) cuts."""
    assert slab_of_face(load_phase("LiP"), (0, 1, 0), 6.0, 12.0) is None


def test_too_large_slab_is_replaced_by_the_next_face():
    crystal = load_phase("Li")
    assert [slab.info["miller"] for slab in slabs(crystal, 2, 1, 8.0, 12.0, 120)] == ["(100)", "(110)"]
    assert [slab.info["miller"] for slab in slabs(crystal, 2, 1, 8.0, 12.0, 4)] == ["(110)"]
    assert slabs(crystal, 0, 1, 8.0, 12.0, 120) == []
