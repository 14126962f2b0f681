"""VASP input files: one level of theory for every cell, independent of atomate2's defaults."""

import bz2
import json
import warnings
from importlib.resources import files

import pytest
from ase.build import bulk

from interphase_flows.exceptions import SettingsError
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.incar import incar, potentials
from interphase_flows.reference.vasp.method import VASPMethod
from interphase_flows.settings import Settings
from interphase_flows.structures.crystals.library import load_phase
from vasp_golden import GOLDEN, GOLDEN_FILES, NAMES, write_golden

HEADER = """ PAW_PBE {symbol} {title}
 {electrons}
 parameters from PSCTR are:
   VRHFIN ={symbol}: a header for tests
   LEXCH  = PE
   EATOM  =    1.0 eV,    1.0 Ry

   TITEL  = PAW_PBE {symbol} {title}
   POMASS =    7.010; ZVAL   =    {electrons}    mass and valenz
   ENMAX  =  100.000; ENMIN  =  80.000 eV
END of PSCTR-controll parameters
 local part
  1.0 2.0 3.0
End of Dataset
"""


@pytest.mark.parametrize("name", NAMES)
def test_inputs_equal_the_golden_files(name, tmp_path):
    """For a metal, a salt, a lattice whose axes are related by a mirror plane, and an interface.

    POSCAR is tested with the structures. After an intended change, regenerate the files with
    `python tests/vasp_golden.py`.
    """
    folder = write_golden(name, tmp_path)
    for file in GOLDEN_FILES:
        assert (folder / file).read_text() == (GOLDEN / name / file).read_text(), file


def test_poscar_and_potcar_have_the_same_order_of_elements(tmp_path):
    folder = write_golden("interface_66_atoms", tmp_path)
    lines = (folder / "POSCAR").read_text().splitlines()
    assert lines[5].split() == ["Li", "P", "S"]
    assert (folder / "POTCAR.spec").read_text().split() == ["Li_sv", "P", "S"]
    assert sum(int(n) for n in lines[6].split()) == 66


def test_error_without_licensed_files_names_the_setting_of_pymatgen(tmp_path):
    from pymatgen.core import SETTINGS

    missing = SETTINGS.get("PMG_VASP_PSP_DIR")
    if missing:
        pytest.skip(f"potentials are set up here: PMG_VASP_PSP_DIR={missing}")
    with pytest.raises(SettingsError, match=r"PBE_54.*PMG_VASP_PSP_DIR"):
        VASPMethod(VaspSpec(), Settings()).write_inputs(load_phase("Li"), tmp_path)
    assert not (tmp_path / "POTCAR").exists()


def test_metal_and_salt_have_the_same_tags(tmp_path):
    """Energies of lithium and lithium sulfide are compared."""
    method = VASPMethod(VaspSpec(), Settings(), reads_potentials=False)
    texts = [(method.write_inputs(load_phase(name), tmp_path / name) / "INCAR").read_text() for name in ("Li", "Li2S")]
    assert texts[0] == texts[1]


def test_input_set_has_no_tags_of_atomate2(tmp_path):
    """No Hubbard U, tetrahedron smearing or 680 eV for an oxide, and no moments without spin polarisation."""
    method = VASPMethod(VaspSpec(), Settings(), reads_potentials=False)
    text = (method.write_inputs(bulk("FeO", "rocksalt", a=4.33), tmp_path) / "INCAR").read_text()
    assert "LDAU" not in text
    assert "MAGMOM" not in text
    assert "ISMEAR = 0\n" in text
    assert "ENCUT = 520.0\n" in text


def test_initial_moments_are_equal_for_all_elements(tmp_path):
    """pymatgen's table changes with its version."""
    method = VASPMethod(VaspSpec(spin_polarized=True), Settings(), reads_potentials=False)
    text = (method.write_inputs(bulk("FeO", "rocksalt", a=4.33), tmp_path) / "INCAR").read_text()
    assert "ISPIN = 2\n" in text
    assert "MAGMOM = 2*0.6\n" in text


def test_parallelisation_is_written_and_not_part_of_the_identity(tmp_path):
    shared = VASPMethod(VaspSpec(), Settings(vasp_parallel={"KPAR": 2, "NCORE": 4}), reads_potentials=False)
    text = (shared.write_inputs(load_phase("Li"), tmp_path) / "INCAR").read_text()
    assert "KPAR = 2\n" in text
    assert "NCORE = 4\n" in text
    assert shared.identity == VASPMethod(VaspSpec(), Settings()).identity


def test_every_potential_is_in_its_release():
    """pymatgen's summary of the releases lists symbol, title and electrons without the licensed data."""
    summary = files("pymatgen.io.vasp").joinpath("potcar-summary-stats.json.bz2").read_bytes()
    known = json.loads(bz2.decompress(summary))
    for release in ("PBE_54", "PBE_64"):
        for element, potential in potentials(release).items():
            entries = known[release][potential.title.replace(" ", "")]
            assert any(
                entry["symbol"] == potential.symbol and entry["ZVAL"] == potential.valence_electrons
                for entry in entries
            ), element


def test_static_maker_writes_the_inputs_of_a_label():
    from pymatgen.core import Structure

    from interphase_flows.reference.vasp.input_set import static_maker

    lithium = load_phase("Li")
    structure = Structure(lithium.cell.array, ["Li", "Li"], lithium.positions, coords_are_cartesian=True)
    maker = static_maker(VaspSpec(), Settings(vasp_command="srun vasp_std", vasp_parallel={"KPAR": 2}))
    inputs = maker.input_set_generator.get_input_set(structure, potcar_spec=True)
    expected = {**incar(VaspSpec()), "ISTART": 0, "ICHARG": 2, "KPAR": 2}
    assert {tag: str(value).upper() for tag, value in inputs.incar.items()} == {
        tag: str(value).upper() for tag, value in expected.items()
    }
    assert inputs.kpoints.kpts == [(6, 6, 6)]
    assert maker.run_vasp_kwargs["vasp_cmd"] == "srun vasp_std"


def test_potentials_are_read_from_the_folder_of_pymatgen_and_their_names_are_kept(tmp_path, monkeypatch):
    """With files that have only a header instead of the licensed ones."""
    folder = tmp_path / "psp" / "POT_GGA_PAW_PBE_54"
    for symbol, title, electrons in (("Li_sv", "10Sep2004", 3.0), ("S", "06Sep2000", 6.0)):
        (folder / symbol).mkdir(parents=True)
        (folder / symbol / "POTCAR").write_text(HEADER.format(symbol=symbol, title=title, electrons=electrons))
    monkeypatch.setattr("pymatgen.io.vasp.inputs.SETTINGS", {"PMG_VASP_PSP_DIR": str(tmp_path / "psp")})
    method = VASPMethod(VaspSpec(), Settings())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen: not a valid potential
        method.check_potentials(["Li", "S"])
        with pytest.raises(SettingsError, match="PBE_54"):
            method.check_potentials(["P"])
        written = method.write_inputs(load_phase("Li2S"), tmp_path / "label")
    order = (written / "POSCAR").read_text().splitlines()[5].split()
    names = [{"Li": "Li_sv", "S": "S"}[element] for element in order]
    assert (written / "POTCAR.spec").read_text().split() == names
    titles = [line for line in (written / "POTCAR").read_text().splitlines() if "TITEL" in line]
    assert [line.split()[3] for line in titles] == names
