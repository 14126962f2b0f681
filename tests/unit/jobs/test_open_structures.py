"""Makers of structures take names, files, ASE atoms and pymatgen structures."""

import pytest
from ase import Atoms
from ase.io import write
from jobflow import Flow, run_locally
from pymatgen.io.ase import AseAtomsAdaptor

from interphase_flows.campaign.structures import CrystalSpec
from interphase_flows.exceptions import InputError, StructureError
from interphase_flows.jobs.structures.amorphous import PackingMaker
from interphase_flows.jobs.structures.crystals import CrystalsMaker
from interphase_flows.jobs.structures.interfaces import InterfaceMaker
from interphase_flows.jobs.structures.structure_sets import load_set
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.structures.crystals.library import load_phase

pytestmark = [
    pytest.mark.usefixtures("empty_folder"),
    pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning"),  # jobflow 0.4 still calls it
]


def run(job) -> StructureSetDoc:
    return run_locally(Flow([job]), create_folders=True, ensure_success=True, log=False)[job.uuid][1].output


@pytest.mark.parametrize("form", ["name", "atoms", "structure", "file"])
def test_packing_is_the_same_from_every_form_of_a_crystal(form):
    lithium, sulfide = load_phase("Li"), load_phase("Li2S")
    write("sulfide.extxyz", sulfide)
    forms = {
        "name": ("Li", "Li2S"),
        "atoms": (lithium, sulfide),
        "structure": tuple(AseAtomsAdaptor.get_structure(each) for each in (lithium, sulfide)),
        "file": ("Li", "sulfide.extxyz"),
    }
    packed = run(PackingMaker(n_atoms=24).make(*forms[form], x_electrode=0.5, seed=3))
    named = PackingMaker.make.original(PackingMaker(n_atoms=24), "Li", "Li2S", 0.5, 3)
    assert packed.entries[0].formula == named.entries[0].formula == "Li20S4"
    assert len(load_set(packed)) == 1


def test_polymorphs_of_one_formula_are_both_used():
    maker = CrystalsMaker(spec=CrystalSpec(n_per_phase=1, min_atoms=4))
    made = run(maker.make([load_phase("Li"), load_phase("Li_fcc")]))
    assert len({entry.origin for entry in made.entries}) == 2
    (alone,) = {entry.origin for entry in run(maker.make("Li2S")).entries}
    assert alone == "crystal/Li2S"


def test_interface_of_given_crystals():
    made = run(InterfaceMaker().make(load_phase("Li"), load_phase("Li2S")))
    (details,) = made.details.values()
    assert details["n_atoms"] == made.entries[0].n_atoms
    assert {"Li", "S"} == set(load_set(made)[0].symbols)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("Li9S", StructureError, r"unknown phase 'Li9S'\. Hint: did you mean 'Li2S'\? choose one of"),
        ("missing.cif", StructureError, "missing.cif: no such file. Hint"),
        (Atoms("Li"), StructureError, "Li"),
        (3, InputError, "int: not a structure. Hint"),
    ],
)
def test_unusable_crystal_raises_with_a_hint(source, error, message):
    with pytest.raises(error, match=message):
        PackingMaker.make.original(PackingMaker(), source, "Li2S")
