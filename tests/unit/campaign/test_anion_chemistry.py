"""Bonds of molecular anions follow from what elements do."""

import pytest
from ase import Atoms
from ase.build import bulk, molecule

from interphase_flows.campaign.anion_chemistry import anion_chemistry
from interphase_flows.campaign.schema import AnalysisSpec
from interphase_flows.exceptions import AnalysisError
from interphase_flows.structures.anions import (
    anion_bonds_angstrom,
    anion_formulas,
    anion_labels,
    is_centre,
    molecular_bonds_angstrom,
)
from interphase_flows.structures.crystals.library import load_phase


def test_those_of_thiophosphates_are_the_gaps_after_their_first_shells() -> None:
    assert anion_bonds_angstrom(["Li", "P", "S"]) == pytest.approx({("P", "S"): 2.45, ("P", "P"): 2.6})
    assert molecular_bonds_angstrom(["S"]) == pytest.approx({("S", "S"): 2.3})


def test_metals_are_cations_whatever_their_electronegativity() -> None:
    assert [s for s in ("Li", "Na", "Mg", "Al", "Zr", "La", "Fe", "Cu", "Au", "He") if is_centre(s)] == []
    assert all(is_centre(s) for s in ("B", "Si", "Ge", "P", "As", "Sn", "Sb"))


def test_a_metal_has_no_anions() -> None:
    lithium = bulk("Li", "bcc", a=3.5, cubic=True)
    assert len(set(anion_labels(lithium))) == 2
    assert not anion_formulas(lithium)


@pytest.mark.parametrize("name", ["SiH4", "PH3", "BF3"])
def test_other_molecules_are_one_group(name: str) -> None:
    """A centre with its ligands, of lengths from another table than the radii."""
    atoms: Atoms = molecule(name, vacuum=4.0, pbc=True)
    assert len(set(anion_labels(atoms))) == 1


def test_what_is_counted_is_the_electrolytes_or_what_the_file_says() -> None:
    found = anion_chemistry(AnalysisSpec(), load_phase("Li7P3S11"))
    assert (found.anion_centres, found.ligands) == ({"P"}, {"S"})
    assert found.centre_ligand_angstrom == pytest.approx(2.6)
    assert found.centre_centre_angstrom == pytest.approx(2.6)
    assert found.ligand_ligand_angstrom == pytest.approx(2.4)
    asked = AnalysisSpec(ligand_elements=["O"], centre_ligand_cutoff_angstrom=1.9)
    assert anion_chemistry(asked, load_phase("Li7P3S11")).labels[0] == "PO4"


def test_an_electrolyte_without_molecules_says_what_to_name() -> None:
    with pytest.raises(AnalysisError, match=r"LiCl has no molecular anions.*analysis\.anion_centre_elements"):
        anion_chemistry(AnalysisSpec(), bulk("LiCl", "rocksalt", a=5.13))
