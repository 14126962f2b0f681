"""Library of phases, and structures from files."""

import warnings

import pytest
from ase import Atoms
from ase.io import write

from interphase_flows.exceptions import OverlappingAtomsError, StructureError
from interphase_flows.structures.anions import anion_formulas
from interphase_flows.structures.checks import check_no_overlap
from interphase_flows.structures.crystals.library import (
    load_phase,
    load_structure_file,
    phase_names,
    phase_source,
)


@pytest.mark.parametrize("name", phase_names())
def test_every_phase_loads_without_overlaps_and_has_a_source(name):
    atoms = load_phase(name)
    check_no_overlap(atoms)
    assert atoms.pbc.all()
    assert atoms.info["phase"] == name
    assert len(phase_source(name)) > 10


def test_li7p3s11_defaults_to_settled_positions_in_the_experimental_cell():
    settled = load_phase("Li7P3S11")
    experimental = load_phase("Li7P3S11", geometry="experimental")
    relaxed = load_phase("Li7P3S11", geometry="relaxed")
    assert settled.info["geometry"] == "settled"
    assert settled.get_volume() == pytest.approx(experimental.get_volume(), rel=1e-12)
    assert relaxed.get_volume() / experimental.get_volume() == pytest.approx(1.068, abs=0.001)


@pytest.mark.parametrize("geometry", ["experimental", "settled", "relaxed"])
def test_li7p3s11_has_equal_numbers_of_ps4_and_p2s7(geometry):
    assert anion_formulas(load_phase("Li7P3S11", geometry=geometry)) == {"PS4": 2, "P2S7": 2}


def test_load_phase_returns_independent_copies():
    load_phase("Li").positions[:] += 1.0
    assert load_phase("Li").positions[0] == pytest.approx([0.0, 0.0, 0.0])


def test_unknown_phase_or_geometry_raises_and_lists_the_choices():
    with pytest.raises(StructureError, match=r"Li7PS6.*choose one of Li, "):
        load_phase("Li7PS6")
    with pytest.raises(StructureError, match="experimental, settled, relaxed"):
        load_phase("Li", geometry="best")
    with pytest.raises(StructureError, match="not stored for Li2S"):
        load_phase("Li2S", geometry="settled")


@pytest.mark.parametrize("filename", ["phase.cif", "phase.vasp", "POSCAR", "phase.extxyz"])
def test_file_round_trip(tmp_path, filename):
    atoms = load_phase("Li3PS4")
    write(tmp_path / filename, atoms)
    found = load_structure_file(tmp_path / filename)
    assert found.get_chemical_formula() == atoms.get_chemical_formula()
    assert found.get_volume() == pytest.approx(atoms.get_volume(), rel=1e-4)
    assert found.calc is None
    assert found.pbc.all()


def test_missing_or_empty_file_raises(tmp_path):
    with pytest.raises(StructureError, match=r"none\.cif: no such file"):
        load_structure_file(tmp_path / "none.cif")
    (tmp_path / "empty.cif").touch()
    with pytest.raises(StructureError, match=r"empty\.cif: the file is empty"):
        load_structure_file(tmp_path / "empty.cif")


@pytest.mark.parametrize("filename", ["broken.cif", "POSCAR", "broken.extxyz", "broken.unknown"])
def test_unreadable_file_raises(tmp_path, filename):
    (tmp_path / filename).write_text("this is no structure\nat all\n")
    with pytest.raises(StructureError, match=filename):
        load_structure_file(tmp_path / filename)


def test_file_with_several_structures_raises(tmp_path):
    write(tmp_path / "two.extxyz", [load_phase("Li"), load_phase("Li2S")])
    with pytest.raises(StructureError, match="contains 2 structures"):
        load_structure_file(tmp_path / "two.extxyz")


def test_molecule_without_cell_raises(tmp_path):
    write(tmp_path / "molecule.xyz", Atoms("PS", positions=[[0, 0, 0], [0, 0, 2.0]]))
    with pytest.raises(StructureError, match=r"molecule\.xyz.*cell"):
        load_structure_file(tmp_path / "molecule.xyz")


def test_overlapping_atoms_in_a_file_raise_with_indices(tmp_path):
    write(tmp_path / "close.extxyz", Atoms("PS", positions=[[0, 0, 0], [0, 0, 0.9]], cell=[8] * 3, pbc=True))
    with pytest.raises(OverlappingAtomsError, match=r"close\.extxyz: atom 0 \(P\) is 0\.900 Å from atom 1 \(S\)"):
        load_structure_file(tmp_path / "close.extxyz")


def test_partly_occupied_sites_raise(tmp_path):
    text = """data_x
_cell_length_a 4.0
_cell_length_b 4.0
_cell_length_c 4.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Li1 Li 0 0 0 0.5
S1 S 0.5 0.5 0.5 1.0
"""
    (tmp_path / "partial.cif").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(StructureError, match="partly occupied"):
            load_structure_file(tmp_path / "partial.cif")
