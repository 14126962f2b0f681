"""Molecular anions of an electrolyte: elements and bond lengths."""

import pytest
from ase import Atoms
from ase.build import bulk, molecule

from interphase_flows.campaign.anion_chemistry import anion_chemistry, stated_chemistry
from interphase_flows.campaign.schema import AnalysisSpec, Campaign
from interphase_flows.exceptions import AnalysisError
from interphase_flows.structures.anions import (
    anion_bonds_angstrom,
    anion_formulas,
    anion_labels,
    is_centre,
    molecular_bonds_angstrom,
)
from interphase_flows.structures.crystals.library import load_phase


def test_bonds_of_thiophosphates_end_behind_the_first_shell() -> None:
    assert anion_bonds_angstrom(["Li", "P", "S"]) == pytest.approx({("P", "S"): 2.45, ("P", "P"): 2.6})
    assert molecular_bonds_angstrom(["S"]) == pytest.approx({("S", "S"): 2.3})


def test_metals_are_never_centres_of_anions() -> None:
    assert [s for s in ("Li", "Na", "Mg", "Al", "Zr", "La", "Fe", "Cu", "Au", "He") if is_centre(s)] == []
    assert all(is_centre(s) for s in ("B", "Si", "Ge", "P", "As", "Sn", "Sb"))


def test_metal_has_no_anions() -> None:
    lithium = bulk("Li", "bcc", a=3.5, cubic=True)
    assert len(set(anion_labels(lithium))) == 2
    assert not anion_formulas(lithium)


@pytest.mark.parametrize("name", ["SiH4", "PH3", "BF3"])
def test_molecules_are_one_connected_anion(name: str) -> None:
    """Bond lengths of these molecules are not from the table of radii."""
    atoms: Atoms = molecule(name, vacuum=4.0, pbc=True)
    assert len(set(anion_labels(atoms))) == 1


def test_chemistry_follows_from_the_electrolyte_unless_the_file_sets_it() -> None:
    found = anion_chemistry(AnalysisSpec(), load_phase("Li7P3S11"))
    assert (found.anion_centres, found.ligands) == (("P",), ("S",))
    assert found.centre_ligand_angstrom == pytest.approx(2.6)
    assert found.centre_centre_angstrom == pytest.approx(2.6)
    assert found.ligand_ligand_angstrom == pytest.approx(2.4)
    spec = AnalysisSpec(ligand_elements=["O"], centre_ligand_cutoff_angstrom=1.9)
    assert anion_chemistry(spec, load_phase("Li7P3S11")).labels[0] == "PO4"


def test_chemistry_is_measured_unless_one_of_its_keys_is_set() -> None:
    """Other keys of the analysis do not set it."""
    others = {"parts": ["boundaries"], "phase_references": {"n_settle": 2}}
    assert stated_chemistry(Campaign.model_validate({"name": "unit", "analysis": others})) is None
    stated = others | {"ligand_elements": ["S"]}
    assert stated_chemistry(Campaign.model_validate({"name": "unit", "analysis": stated})) is not None


def test_electrolyte_without_molecular_anions_is_rejected_with_a_hint() -> None:
    with pytest.raises(AnalysisError, match=r"LiCl has no molecular anions.*analysis\.anion_centre_elements"):
        anion_chemistry(AnalysisSpec(), bulk("LiCl", "rocksalt", a=5.13))
