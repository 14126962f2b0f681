"""CIF: settings without operators, formula and Z, occupancies, rounded coordinates, and left-handed cells."""

from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from cif_files import Setting, write_cif
from interphase_flows.exceptions import StructureError
from interphase_flows.structures.crystals.cif import read_cif
from interphase_flows.structures.crystals.library import load_phase, load_structure_file

H_M, NUMBER = "_symmetry_space_group_name_H-M", "_symmetry_Int_Tables_number"

HALITE = """data_x
_symmetry_space_group_name_H-M 'F m -3 m'
_symmetry_Int_Tables_number 225
_cell_length_a 5.6
_cell_length_b 5.6
_cell_length_c 5.6
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
{tags}loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na+ 0 0 0 {sodium}
Cl1 Cl- 0.5 0.5 0.5 {chlorine}
"""
HEXAGONAL = """data_x
_symmetry_space_group_name_H-M 'P 6/m m m'
_cell_length_a 3.648
_cell_length_b 3.648
_cell_length_c 3.875
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 120
{operators}loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
N1 N 0 0 0
Li1 Li {x} {y} 0
Li2 Li 0 0 0.5
"""


def halite(tmp_path, sodium="1", chlorine="1", tags=""):
    (tmp_path / "x.cif").write_text(HALITE.format(sodium=sodium, chlorine=chlorine, tags=tags))
    return tmp_path / "x.cif"


def names_of(setting, k):
    """Return the tags by which programs name a setting: with and without choice and number."""
    full = setting.name if not setting.choice else f"{setting.name} :{setting.choice}"
    return [
        {H_M: full},
        {H_M: full, NUMBER: str(setting.number)},
        {H_M: setting.name},
        {H_M: setting.name.replace(" ", ""), NUMBER: str(setting.number)},
        {H_M: setting.short, NUMBER: str(setting.number)},
        {NUMBER: str(setting.number)},
    ][k % 6]


@pytest.mark.parametrize("seed", range(12))
def test_no_setting_is_read_as_another_one(seed, tmp_path):
    """In any setting, named in any way: the right atoms, or an error."""
    rng = np.random.default_rng(seed)
    n_read = 0
    for k in range(10):
        setting = Setting.of(int(rng.integers(1, 531)))
        cell = setting.cell(rng)
        sites = {"S": rng.uniform(0.03, 0.47, 3).round(6), "O": rng.uniform(0.03, 0.47, 3).round(6)}
        truth = {symbol: setting.images(position) for symbol, position in sites.items()}
        z = len(truth["S"])
        path = write_cif(tmp_path / f"{k}.cif", cell, sites, names_of(setting, k), "O S", z)
        try:
            atoms = load_structure_file(path)
        except StructureError:
            continue  # ambiguous, or atoms overlap
        n_read += 1
        assert Counter(atoms.get_chemical_symbols()) == {"S": z, "O": z}, (setting.name, setting.choice)
        for symbol, images in truth.items():
            found = atoms.get_scaled_positions()[atoms.symbols == symbol]
            offsets = found[:, None] - images[None]
            offsets -= np.rint(offsets)
            assert np.abs(offsets).max(axis=2).min(axis=0).max() < 1e-3, (setting.name, setting.choice, symbol)
    assert n_read >= 2


@pytest.mark.parametrize(
    ("symbol", "number", "n_atoms"),
    [("P 21/n", 14, 4), ("P 1 21/n 1", None, 4), ("P 21/a", 14, 4), ("I 2/a", 15, 8), ("C 2/c", 15, 8)],
)
def test_cell_choices_of_monoclinic_groups_are_recognised(symbol, number, n_atoms, tmp_path):
    tags = {H_M: symbol} | ({NUMBER: str(number)} if number else {})
    setting = Setting.of({"P 21/a": 83, "I 2/a": 92, "C 2/c": 90}.get(symbol, 82))
    cell = setting.cell(np.random.default_rng(0))
    position = np.array([0.1, 0.2, 0.3])
    atoms = load_structure_file(write_cif(tmp_path / "x.cif", cell, {"S": position}, tags, "S", n_atoms))
    assert len(atoms) == n_atoms
    offsets = atoms.get_scaled_positions()[:, None] - setting.images(position)[None]
    assert np.abs(offsets - np.rint(offsets)).max(axis=2).min(axis=0).max() < 1e-4


@pytest.mark.parametrize("symbol", ["F d -3 m :2", "F d -3 m S", "F d -3 m Z", "Fd-3m", "F d 3 m"])
def test_origin_is_determined_by_formula_and_z(symbol, tmp_path):
    setting = Setting.of(526)
    cell = setting.cell(np.random.default_rng(0))
    sites = {"Si": np.full(3, 0.125)}
    atoms = load_structure_file(write_cif(tmp_path / "x.cif", cell, sites, {H_M: symbol}, "Si", 8))
    assert len(atoms) == 8
    with pytest.raises(StructureError, match="states Si with Z = 4, the cell holds Si"):
        load_structure_file(write_cif(tmp_path / "x.cif", cell, sites, {H_M: symbol}, "Si", 4))


def test_origin_that_nothing_determines_is_rejected(tmp_path):
    cell = Setting.of(526).cell(np.random.default_rng(0))
    path = write_cif(tmp_path / "x.cif", cell, {"Si": np.full(3, 0.125)}, {H_M: "F d -3 m"}, "?", 1)
    with pytest.raises(StructureError, match=r"settings 227:1, 227:2.*symmetry operators"):
        load_structure_file(path)


def test_unknown_symbols_and_unfitting_cells_are_rejected(tmp_path):
    cell = Setting.of(526).cell(np.random.default_rng(0))
    for symbol, number in (("P 99 q", None), ("F d -3 m", 225), ("P 6/m m m", 191)):
        tags = {H_M: symbol} | ({NUMBER: str(number)} if number else {})
        path = write_cif(tmp_path / "x.cif", cell, {"Si": np.full(3, 0.1)}, tags, "Si", 8)
        with pytest.raises(StructureError, match="gives no setting"):
            load_structure_file(path)


@pytest.mark.parametrize("occupancy", [".", "?", "1", "1.0", "0.998(4)"])
def test_full_or_missing_occupancies_are_full(occupancy, tmp_path):
    assert Counter(load_structure_file(halite(tmp_path, sodium=occupancy)).symbols) == {"Na": 4, "Cl": 4}


@pytest.mark.parametrize("occupancy", ["0.75(3)", "0.5", "0.9"])
def test_partial_occupancies_are_rejected_with_an_example(occupancy, tmp_path):
    with pytest.raises(StructureError, match=r"partly occupied sites: 4 of 8, such as Na 0\.\d+ at \[0"):
        load_structure_file(halite(tmp_path, sodium=occupancy))


@pytest.mark.parametrize("occupancy", ["1.5", "-0.2", "many"])
def test_occupancies_out_of_range_are_rejected(occupancy, tmp_path):
    with pytest.raises(StructureError, match="which is not between 0 and 1"):
        load_structure_file(halite(tmp_path, sodium=occupancy))


@pytest.mark.parametrize(
    ("formula", "z", "is_right"),
    [
        ("Cl Na", "4", True),
        ("Na4 Cl4", "4", True),  # the sum of the cell, as pymatgen writes it
        ("Cl Na", "?", True),
        ("?", "4", True),
        ("Cl2 Na", "4", False),
        ("Cl Na", "2", False),
        ("H Cl Na", "4", False),
    ],
)
def test_formula_and_z_are_compared(formula, z, is_right, tmp_path):
    path = halite(tmp_path, tags=f"_chemical_formula_sum '{formula}'\n_cell_formula_units_Z {z}\n")
    if is_right:
        assert len(load_structure_file(path)) == 8
    else:
        with pytest.raises(StructureError, match=r"the cell holds Cl4Na4.*missing atoms"):
            load_structure_file(path)


OPERATORS = """loop_
_symmetry_equiv_pos_as_xyz
x,y,z
-y,x-y,z
-x+y,-x,z
-x,-y,-z
y,-x+y,-z
x-y,x,-z
"""


@pytest.mark.parametrize("operators", ["", OPERATORS], ids=["by symbol", "by operators"])
@pytest.mark.parametrize(
    ("x", "y"),
    [("0.333", "0.667"), ("0.33", "0.67"), ("0.3333", "0.6667"), ("0.3333", "0.6666"), ("0.333", "0.666"),
     ("0.3333(2)", "0.6667(2)"), ("0.33333", "0.66667")],
)  # fmt: skip
def test_rounded_thirds_are_one_site(x, y, operators, tmp_path):
    (tmp_path / "x.cif").write_text(HEXAGONAL.format(x=x, y=y, operators=operators))
    atoms = load_structure_file(tmp_path / "x.cif")
    assert Counter(atoms.symbols) == {"Li": 3, "N": 1}
    thirds = atoms.get_scaled_positions()[np.flatnonzero(atoms.symbols == "Li")]
    assert min(np.abs(thirds - [1 / 3, 2 / 3, 0]).max(axis=1)) < 5e-4


HALF_FULL = """data_x
_cell_length_a 9.8
_cell_length_b 9.8
_cell_length_c 8
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 120
{operators}loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{sites}
"""
THREEFOLD = "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n-y,x-y,z\n-x+y,-x,z\n"
INVERSION = "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n-x,-y,-z\n"


def composition(tmp_path, operators: str, *sites: str) -> dict[str, float]:
    (tmp_path / "x.cif").write_text(HALF_FULL.format(operators=operators, sites="\n".join(sites)))
    return read_cif(tmp_path / "x.cif").composition


@pytest.mark.parametrize("occupancy", [0.2, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("x", ["0.33333 0.66667", "0.3333 0.6667", "0.333 0.667", "0.333 0.666"])
def test_rounded_thirds_are_one_partly_occupied_site(x, occupancy, tmp_path):
    """Three images of it, 0.01 Å apart, are not three sites."""
    sites = (f"Li1 Li {x} 0.2 {occupancy}", f"Na1 Na 0.333 0.667 0.2 {1 - occupancy}", "S1 S 0 0 0 1")
    assert composition(tmp_path, THREEFOLD, *sites) == pytest.approx({"Li": occupancy, "Na": 1 - occupancy, "S": 1})


def test_split_sites_beside_a_special_position_remain_three(tmp_path):
    sites = ("Li1 Li 0.30 0.667 0.2 0.3333", "S1 S 0 0 0 1")
    assert composition(tmp_path, THREEFOLD, *sites) == pytest.approx({"Li": 1, "S": 1}, abs=1e-3)


def test_sites_listed_with_all_their_images_are_counted_once(tmp_path):
    """Valences of one element at one position are added."""
    sites = [
        f"{s}{k} {s} {x} {o}" for s, o in (("Li", 0.5), ("Na", 0.3)) for k, x in enumerate((".1 .2 .3", ".9 .8 .7"))
    ]
    assert composition(tmp_path, INVERSION, *sites) == pytest.approx({"Li": 1.0, "Na": 0.6})
    valences = ("Fe1 Fe2+ .1 .2 .3 0.5", "Fe2 Fe3+ .1 .2 .3 0.5")
    assert composition(tmp_path, INVERSION, *valences) == {"Fe": 2}


def test_operators_of_magnetic_groups_are_applied(tmp_path):
    tag = "_space_group_symop_magn"
    operators = f"loop_\n{tag}_operation.id\n{tag}_operation.xyz\n1 x,y,z,+1\n2 -x,-y,-z,+1\n"
    centring = f"loop_\n{tag}_centering.id\n{tag}_centering.xyz\n1 x,y,z,+1\n2 x,y,z+1/2,-1\n"
    assert composition(tmp_path, operators, "Fe1 Fe .1 .2 .3 1") == {"Fe": 2}
    assert composition(tmp_path, operators + centring, "Fe1 Fe .1 .2 .3 1") == {"Fe": 4}


def test_coordinates_that_are_not_numbers_are_rejected(tmp_path):
    (tmp_path / "x.cif").write_text(HEXAGONAL.format(x="?", y="0.5", operators=""))
    with pytest.raises(StructureError, match=r"site Li has the coordinates \?, 0\.5, 0"):
        load_structure_file(tmp_path / "x.cif")


@pytest.mark.parametrize("suffix", ["vasp", "extxyz"])
def test_left_handed_cells_become_right_handed(suffix, tmp_path):
    atoms = load_phase("Li2S")
    positions = atoms.positions.copy()
    atoms.set_cell(atoms.cell.array[[1, 0, 2]])
    assert atoms.cell.handedness == -1
    write(tmp_path / f"x.{suffix}", atoms)
    found = load_structure_file(tmp_path / f"x.{suffix}")
    assert found.cell.handedness == 1
    assert found.get_volume() == pytest.approx(atoms.get_volume())
    offsets = np.linalg.solve(atoms.cell.array.T, (found.positions - positions).T)
    assert np.abs(offsets - np.rint(offsets)).max() < 1e-6


def test_dummy_atoms_are_rejected(tmp_path):
    write(tmp_path / "x.extxyz", Atoms("LiX", [[0, 0, 0], [2, 2, 2]], cell=[4, 4, 4], pbc=True))
    with pytest.raises(StructureError, match="dummy atom"):
        load_structure_file(tmp_path / "x.extxyz")


def test_similar_names_of_phases_are_suggested():
    for wrong, right in (("li2s", "Li2S"), ("Li7P3S1l", "Li7P3S11"), ("LiPS 3", "LiPS3")):
        with pytest.raises(StructureError, match=f"did you mean '{right}'"):
            load_phase(wrong)


@pytest.mark.parametrize("name", ["x" * 5000 + ".cif", "a\0b.cif"])
def test_impossible_paths_are_rejected(name):
    with pytest.raises(StructureError, match=r"cannot be read|no such file"):
        load_structure_file(name)
