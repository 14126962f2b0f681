"""Compositions of mixtures, densities, random packings and removal of overlaps."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.neighborlist import neighbor_list

from interphase_flows.exceptions import OverlappingAtomsError, StructureError
from interphase_flows.structures.amorphous.mixtures import (
    composition_on_line,
    estimate_volume_per_atom_angstrom3,
    random_packing,
    remove_overlaps,
)
from interphase_flows.structures.checks import check_no_overlap
from interphase_flows.structures.crystals.library import load_phase


def test_complete_reaction_takes_24_lithium_per_formula_unit():
    assert composition_on_line(24 / 45, 45) == {"Li": 31, "P": 3, "S": 11}
    assert composition_on_line(0.0, 42) == {"Li": 14, "P": 6, "S": 22}
    assert composition_on_line(1.0, 10) == {"Li": 10}


def test_impossible_compositions_raise():
    with pytest.raises(StructureError, match=r"x_electrode=1\.5"):
        composition_on_line(1.5, 100)
    with pytest.raises(StructureError, match="not a sum of formula units of Li2S"):
        composition_on_line(0.5, 5, electrode="Li2S")
    with pytest.raises(StructureError, match="leave out one side"):
        composition_on_line(0.9, 10)


def test_volume_estimate_interpolates_between_the_crystals():
    lithium, electrolyte = load_phase("Li"), load_phase("Li7P3S11", geometry="experimental")
    assert estimate_volume_per_atom_angstrom3({"Li": 5}) == pytest.approx(lithium.get_volume() / 2)
    ends = estimate_volume_per_atom_angstrom3({"Li": 7, "P": 3, "S": 11})
    assert ends == pytest.approx(electrolyte.get_volume() / 42)
    mixed = estimate_volume_per_atom_angstrom3(composition_on_line(0.5, 42))
    assert mixed == pytest.approx((lithium.get_volume() / 2 + electrolyte.get_volume() / 42) / 2)


@pytest.mark.parametrize("composition", [{"Li": 2, "S": 1}, {}, {"P": 1}, {"Na": 3, "Li": 1}])
def test_volume_estimate_raises_off_the_line(composition):
    with pytest.raises(StructureError, match="not on the line"):
        estimate_volume_per_atom_angstrom3(composition)


def test_packing_has_the_requested_density_and_distances():
    composition = composition_on_line(0.5, 84)
    atoms = random_packing(composition, seed=1, density_g_per_cm3=1.3, min_distances={("Li", "Li"): 2.3})
    density = atoms.get_masses().sum() / units.kg * 1e3 / (atoms.get_volume() * 1e-24)
    assert density == pytest.approx(1.3)
    assert neighbor_list("d", atoms[atoms.numbers == 3], 13.0).min() >= 2.3
    again = random_packing(composition, seed=1, density_g_per_cm3=1.3, min_distances={("Li", "Li"): 2.3})
    assert np.array_equal(atoms.positions, again.positions)


def test_too_dense_packing_raises():
    with pytest.raises(OverlappingAtomsError, match="could not be placed"):
        random_packing({"Li": 60}, seed=0, volume_per_atom_angstrom3=7.0)


def test_cell_smaller_than_an_atom_raises():
    with pytest.raises(OverlappingAtomsError, match="too small"):
        random_packing({"Li": 1}, seed=0, volume_per_atom_angstrom3=5.0)


def test_invalid_packing_parameters_raise():
    with pytest.raises(StructureError, match="known elements"):
        random_packing({"Xx": 3}, seed=0)
    with pytest.raises(StructureError, match="known elements"):
        random_packing({}, seed=0)
    with pytest.raises(StructureError, match="not both"):
        random_packing({"Li": 3}, seed=0, density_g_per_cm3=1.0, volume_per_atom_angstrom3=20.0)
    with pytest.raises(StructureError, match="must be positive"):
        random_packing({"Li": 3}, seed=0, density_g_per_cm3=0.0)


def test_overlap_removal_keeps_the_centre_of_a_pair():
    pair = Atoms("PS", positions=[[4, 4, 4], [4, 4, 5.0]], cell=[9] * 3, pbc=True)
    pushed = remove_overlaps(pair)
    assert neighbor_list("d", pushed, 13.0).min() > 1.9
    assert pushed.positions.mean(axis=0) == pytest.approx(pair.positions.mean(axis=0))
    assert pair.positions[1, 2] == 5.0


def test_overlap_removal_separates_all_atoms_of_a_packing():
    packing = random_packing(composition_on_line(0.5, 42), seed=0)
    pushed = remove_overlaps(packing)
    check_no_overlap(pushed, scale=0.9)
    assert pushed.positions.mean(axis=0) == pytest.approx(packing.positions.mean(axis=0))
    assert pushed.get_chemical_symbols() == packing.get_chemical_symbols()
