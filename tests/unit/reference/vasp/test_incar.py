"""INCAR tags, k-points and atom order of VASP inputs."""

import numpy as np
import pytest
from ase import Atoms

from interphase_flows.reference.k_points import k_points
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.incar import grouped, incar, parallel_tags, species_order
from interphase_flows.structures.crystals.library import load_phase


@pytest.mark.parametrize(
    ("functional", "tags"),
    [
        ("PBE", {"GGA": "PE"}),
        ("PBEsol", {"GGA": "PS"}),
        ("r2SCAN", {"METAGGA": "R2SCAN", "LMIXTAU": True, "ALGO": "All"}),
    ],
)
def test_functional_is_set_by_exactly_one_of_gga_and_metagga(functional, tags):
    found = incar(VaspSpec(functional=functional))
    assert tags.items() <= found.items()
    assert len({"GGA", "METAGGA"} & found.keys()) == 1


def test_k_points_follow_the_cell_and_large_cells_use_gamma():
    """2 pi / 3.51 Å x 3 Å = 5.4, so six points along a cubic edge of lithium."""
    lithium = load_phase("Li")
    spec = VaspSpec(gamma_above_atoms=20)
    assert k_points(spec, lithium) == (6, 6, 6)
    assert k_points(spec, lithium.repeat((3, 1, 1))) == (2, 6, 6)
    assert k_points(spec, lithium.repeat((10, 1, 1))) == (1, 1, 1)


def test_kpar_is_1_with_fewer_k_points_than_groups():
    """Time reversal leaves half of a grid."""
    assert parallel_tags({"KPAR": 4, "NCORE": 8}, (1, 1, 1)) == {"KPAR": 1, "NCORE": 8}
    assert parallel_tags({"KPAR": 4}, (2, 2, 2)) == {"KPAR": 4}


def test_atoms_are_grouped_by_element():
    """Row i of VASP's output belongs to atom order[i]."""
    atoms = Atoms("SLiSLi", positions=np.arange(12).reshape(4, 3), cell=[20, 20, 20], pbc=True)
    order = species_order(atoms)
    assert str(grouped(atoms).symbols) == "S2Li2"
    assert order.tolist() == [0, 2, 1, 3]
    assert np.array_equal(grouped(atoms).positions, atoms.positions[order])


def test_left_handed_cell_is_inverted():
    """VASP does not accept a negative triple product; lattice and distances are unchanged."""
    atoms = Atoms("LiS", positions=[[0, 0, 0], [1, 1, 1]], cell=[[0, 4, 0], [5, 0, 0], [0, 0, 6]], pbc=True)
    inverted = grouped(atoms)
    assert np.linalg.det(inverted.cell.array) > 0
    assert inverted.get_all_distances(mic=True) == pytest.approx(atoms.get_all_distances(mic=True), abs=1e-12)
