"""Electrode and electrolyte from the user's structure files: interfaces, amorphous cells and their keys."""

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.structures import AmorphousSpec, InterfaceStructuresSpec
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.exceptions import CampaignFileError
from interphase_flows.jobs.structures.amorphous import AmorphousMaker
from interphase_flows.jobs.structures.interfaces import InterfaceMaker
from interphase_flows.jobs.structures.structure_sets import load_set
from interphase_flows.structures.anions import anion_formulas
from interphase_flows.structures.checks import check_no_overlap
from interphase_flows.structures.interfaces.oriented_cells import parse_facet
from sodium import write_pair
from spheres import SpheresSpec

SPEC = InterfaceStructuresSpec(size="coherent", max_atoms=200, max_strain=0.05)


def run(maker, *arguments):
    return type(maker).make.original(maker, *arguments)


@pytest.fixture
def files(tmp_path):
    return write_pair(tmp_path)


def test_interface_from_files_has_intact_anions(workspace, files):
    """Strain and Miller indices are in its details."""
    made = run(InterfaceMaker(spec=SPEC, structure_files=files), "Na", "Na3PS4", 0, "110/001", 2.4)
    (atoms,) = load_set(made)
    check_no_overlap(atoms)
    assert anion_formulas(atoms).keys() == {"PS4"}
    electrolyte = atoms[atoms.arrays["side"] == 1]
    assert electrolyte.get_chemical_formula(empirical=True) == "Na3PS4"
    assert set(atoms[atoms.arrays["side"] == 0].symbols) == {"Na"}
    (details,) = made.details.values()
    assert details["n_broken_units"] == 0
    assert abs(details["film_strain"]) <= 0.05
    assert (details["film_miller"], details["substrate_miller"]) == ("(110)", "(001)")
    assert details["gap_angstrom"] == pytest.approx(2.4)


def test_key_depends_on_the_structure_and_not_on_its_path(workspace, files, tmp_path):
    first = run(InterfaceMaker(spec=SPEC, structure_files=files), "Na", "Na3PS4", 0, None, 2.4)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = run(InterfaceMaker(spec=SPEC, structure_files=write_pair(elsewhere)), "Na", "Na3PS4", 0, None, 2.4)
    assert moved.key == first.key
    atoms = read(files["Na"])
    atoms.set_cell(1.01 * atoms.cell, scale_atoms=True)
    atoms.write(files["Na"], format="vasp")
    changed = run(InterfaceMaker(spec=SPEC, structure_files=files), "Na", "Na3PS4", 0, None, 2.4)
    assert changed.key != first.key


def test_amorphous_cell_from_files_has_their_elements_and_volume(workspace, spheres, files):
    spec = AmorphousSpec(n_atoms=24, melt_steps=2, quench_steps=2, snapshot_interval_steps=1)
    maker = AmorphousMaker(spec=spec, driver=SpheresSpec(), structure_files=files)
    made = run(maker, "Na", "Na3PS4", 0.5, 1)
    packed = load_set(made)[0]
    counts = packed.symbols.formula.count()
    assert counts["S"] == 4 * counts["P"]
    assert sum(counts.values()) == 24
    n_sodium_of_electrode = counts["Na"] - 3 * counts["P"]
    expected = n_sodium_of_electrode * 4.291**3 / 2 + (24 - n_sodium_of_electrode) * 7.0**3 / 16
    np.testing.assert_allclose(packed.get_volume(), expected, rtol=1e-6)


def campaign(files, **structures):
    return Campaign.model_validate(
        {
            "name": "sodium",
            "electrode": "Na",
            "electrolyte": "Na3PS4",
            "phases": ["Na", "Na3PS4"],
            "hull_phases": ["P", "S"],
            "structure_files": files,
            "structures": {
                "interfaces": {"size": "coherent", "max_atoms": 200},
                "amorphous": {"n_atoms": 48, "electrode_fractions": [0.3]},
                **structures,
            },
        }
    )


def test_campaign_with_structure_files_passes_validation(files):
    check_campaign(campaign(files))


@pytest.mark.parametrize(
    ("structures", "message"),
    [
        (
            {"interfaces": {"size": "smallest", "max_atoms": 30}},
            "no faces of Na and Na3PS4 match within max_strain=0.05 and max_atoms=30; raise either, or choose coherent",
        ),
        ({"interfaces": {"size": "coherent", "facets": ["110/000"]}}, r"110/000: \(000\) is not a face"),
        ({"dimers": {"isolated_atoms": True}}, "CHGNet is not valid for an atom"),
        (
            {"interfaces": {"size": "coherent", "max_atoms": 30, "facets": ["110/111"]}},
            "110/111: no match within max_strain=0.05 and max_atoms=30",
        ),
        ({"max_first_labels": 3}, "max_first_labels: 3 is less than the 11"),
        ({"max_first_labels": 20, "dimers": {"n_distances": 4}}, "20 is less than the 35"),
        ({"dimers": {"n_distances": 3, "min_distance_fraction": 0.5}}, "which rejects them"),
    ],
)
def test_structures_that_would_fail_later_are_rejected_by_validation(files, structures, message):
    with pytest.raises(CampaignFileError, match=message):
        check_campaign(campaign(files, **structures))


def test_electrode_and_electrolyte_must_be_named_by_formula(files):
    """Reactions are balanced with it."""
    with pytest.raises(CampaignFileError, match=r"electrolyte: Na3PS4: its structure is Na; name"):
        check_campaign(campaign(files | {"Na3PS4": files["Na"]}))


def test_miller_indices_are_parsed_with_signs():
    assert parse_facet("110/001") == ((1, 1, 0), (0, 0, 1))
    assert parse_facet("1-10/0-1-1") == ((1, -1, 0), (0, -1, -1))


def test_electrolyte_without_molecular_anions_is_rejected_by_validation(files, tmp_path):
    """The campaign file must define the anions to count."""
    path = tmp_path / "POSCAR_NaCl"
    bulk("NaCl", "rocksalt", a=5.64, cubic=True).write(path, format="vasp")
    spec = campaign(files).model_dump()
    spec |= {"electrolyte": "NaCl", "phases": ["Na", "NaCl"], "hull_phases": []}
    spec["structure_files"] = {"Na": files["Na"], "NaCl": str(path)}
    with pytest.raises(CampaignFileError, match=r"analysis: NaCl has no molecular anions"):
        check_campaign(Campaign.model_validate(spec))
