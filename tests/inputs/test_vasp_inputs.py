"""VASP's input files: one level of theory for every cell, whatever atomate2's defaults are."""

import bz2
import json
import warnings
from importlib.resources import files

import pytest
from ase.build import bulk

from interphase_flows.exceptions import SettingsError
from interphase_flows.reference.spec import VaspSpec
from interphase_flows.reference.vasp.incar import incar
from interphase_flows.reference.vasp.method import VASPMethod
from interphase_flows.reference.vasp.pseudopotentials import potentials
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
def test_inputs_are_the_golden_ones(name, tmp_path):
    """Metal, salt, a lattice whose axes a mirror mixes, and an interface, to the letter.

    POSCAR is the structure's, and structures have their own tests.

    After a change that was meant: write them anew with `python tests/vasp_golden.py`.
    """
    folder = write_golden(name, tmp_path)
    for file in GOLDEN_FILES:
        assert (folder / file).read_text() == (GOLDEN / name / file).read_text(), file


def test_a_poscar_says_which_potential_comes_when(tmp_path):
    """The elements of POSCAR in the order of POTCAR.spec, and as many atoms as the interface has."""
    folder = write_golden("interface_66_atoms", tmp_path)
    lines = (folder / "POSCAR").read_text().splitlines()
    assert lines[5].split() == ["Li", "P", "S"]
    assert (folder / "POTCAR.spec").read_text().split() == ["Li_sv", "P", "S"]
    assert sum(int(n) for n in lines[6].split()) == 66


def test_without_the_licensed_files_the_mend_is_told(tmp_path):
    """Where pymatgen looks for them."""
    from pymatgen.core import SETTINGS

    missing = SETTINGS.get("PMG_VASP_PSP_DIR")
    if missing:
        pytest.skip(f"potentials are set up here: PMG_VASP_PSP_DIR={missing}")
    with pytest.raises(SettingsError, match=r"PBE_54.*PMG_VASP_PSP_DIR"):
        VASPMethod(VaspSpec(), Settings()).write_inputs(load_phase("Li"), tmp_path)
    assert not (tmp_path / "POTCAR").exists()


def test_metal_and_salt_get_the_same_tags(tmp_path):
    """Energies of lithium and lithium sulfide are subtracted from each other."""
    method = VASPMethod(VaspSpec(), Settings(), reads_potentials=False)
    texts = [
        (method.write_inputs(load_phase(name), tmp_path / name) / "INCAR").read_text()
        for name in ("Li", "Li2S")
    ]
    assert texts[0] == texts[1]


def test_nothing_of_atomate2s_own_set_is_left(tmp_path):
    """An oxide gets no Hubbard U, no tetrahedra and no 680 eV, and an unpolarised run no moments."""
    method = VASPMethod(VaspSpec(), Settings(), reads_potentials=False)
    text = (method.write_inputs(bulk("FeO", "rocksalt", a=4.33), tmp_path) / "INCAR").read_text()
    assert "LDAU" not in text
    assert "MAGMOM" not in text
    assert "ISMEAR = 0\n" in text
    assert "ENCUT = 520.0\n" in text


def test_spin_starts_every_atom_alike(tmp_path):
    """Not with pymatgen's table, which changes with its version."""
    method = VASPMethod(VaspSpec(spin_polarized=True), Settings(), reads_potentials=False)
    text = (method.write_inputs(bulk("FeO", "rocksalt", a=4.33), tmp_path) / "INCAR").read_text()
    assert "ISPIN = 2\n" in text
    assert "MAGMOM = 2*0.6\n" in text


def test_how_the_work_is_shared_is_written_and_is_not_part_of_the_method(tmp_path):
    """KPAR and NCORE change no number."""
    shared = VASPMethod(VaspSpec(), Settings(vasp_parallel={"KPAR": 2, "NCORE": 4}), reads_potentials=False)
    text = (shared.write_inputs(load_phase("Li"), tmp_path) / "INCAR").read_text()
    assert "KPAR = 2\n" in text
    assert "NCORE = 4\n" in text
    assert shared.identity == VASPMethod(VaspSpec(), Settings()).identity


def test_every_potential_is_one_of_its_release():
    """pymatgen's summary of the releases knows symbol, title and electrons, without the licensed data."""
    summary = files("pymatgen.io.vasp").joinpath("potcar-summary-stats.json.bz2").read_bytes()
    known = json.loads(bz2.decompress(summary))
    for release in ("PBE_54", "PBE_64"):
        for element, potential in potentials(release).items():
            entries = known[release][potential.title.replace(" ", "")]
            assert any(
                entry["symbol"] == potential.symbol and entry["ZVAL"] == potential.valence_electrons
                for entry in entries
            ), element


def test_atomate2s_maker_writes_what_a_label_writes():
    """For anybody's own flow."""
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


def test_potentials_are_read_where_pymatgen_looks_and_only_their_names_are_kept(tmp_path, monkeypatch):
    """The licensed file is replaced by one with a header alone, in both of the places pymatgen knows."""
    folder = tmp_path / "psp" / "POT_GGA_PAW_PBE_54"
    for symbol, title, electrons in (("Li_sv", "10Sep2004", 3.0), ("S", "06Sep2000", 6.0)):
        (folder / symbol).mkdir(parents=True)
        (folder / symbol / "POTCAR").write_text(
            HEADER.format(symbol=symbol, title=title, electrons=electrons)
        )
    monkeypatch.setattr("pymatgen.io.vasp.inputs.SETTINGS", {"PMG_VASP_PSP_DIR": str(tmp_path / "psp")})
    method = VASPMethod(VaspSpec(), Settings())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen notices that this is no potential
        method.check_potentials(["Li", "S"])
        with pytest.raises(SettingsError, match="PBE_54"):
            method.check_potentials(["P"])
        written = method.write_inputs(load_phase("Li2S"), tmp_path / "label")
    order = (written / "POSCAR").read_text().splitlines()[5].split()
    names = [{"Li": "Li_sv", "S": "S"}[element] for element in order]
    assert (written / "POTCAR.spec").read_text().split() == names
    titles = [line for line in (written / "POTCAR").read_text().splitlines() if "TITEL" in line]
    assert [line.split()[3] for line in titles] == names
