"""What VASP is told: tags, k-points, the order of the atoms."""

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
def test_the_functional_is_said_and_only_one(functional, tags):
    """GGA and METAGGA together would leave the choice to VASP."""
    found = incar(VaspSpec(functional=functional))
    assert tags.items() <= found.items()
    assert len({"GGA", "METAGGA"} & found.keys()) == 1


def test_a_long_cell_gets_few_points_and_a_large_one_gamma_alone():
    """2 pi / 3.51 Å x 3 Å = 5.4, so six points along a cubic edge of lithium."""
    lithium = load_phase("Li")
    spec = VaspSpec(gamma_above_atoms=20)
    assert k_points(spec, lithium) == (6, 6, 6)
    assert k_points(spec, lithium.repeat((3, 1, 1))) == (2, 6, 6)
    assert k_points(spec, lithium.repeat((10, 1, 1))) == (1, 1, 1)


def test_there_are_no_more_groups_of_k_points_than_k_points():
    """VASP refuses; half of a grid is left by time reversal."""
    assert parallel_tags({"KPAR": 4, "NCORE": 8}, (1, 1, 1)) == {"KPAR": 1, "NCORE": 8}
    assert parallel_tags({"KPAR": 4}, (2, 2, 2)) == {"KPAR": 4}


def test_atoms_are_grouped_by_element_and_their_order_is_known():
    """What VASP computes for its atom i belongs to atom order[i]."""
    atoms = Atoms("SLiSLi", positions=np.arange(12).reshape(4, 3), cell=[20, 20, 20], pbc=True)
    order = species_order(atoms)
    assert str(grouped(atoms).symbols) == "S2Li2"
    assert order.tolist() == [0, 2, 1, 3]
    assert np.array_equal(grouped(atoms).positions, atoms.positions[order])


def test_a_left_handed_cell_is_turned_round():
    """VASP refuses a negative triple product; the lattice and the distances stay."""
    atoms = Atoms("LiS", positions=[[0, 0, 0], [1, 1, 1]], cell=[[0, 4, 0], [5, 0, 0], [0, 0, 6]], pbc=True)
    turned = grouped(atoms)
    assert np.linalg.det(turned.cell.array) > 0
    assert turned.get_all_distances(mic=True) == pytest.approx(atoms.get_all_distances(mic=True), abs=1e-12)
