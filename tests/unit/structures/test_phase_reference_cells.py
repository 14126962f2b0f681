"""Cells of the phase references: compositions, charges, distances."""

import pytest

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.checks import check_no_overlap
from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.phase_reference_cells import melt_packing, reaction_mixture, substitute_anion

LI2S, LI3P = load_phase("Li2S"), load_phase("Li3P")
ELECTROLYTE = {"Li": 7.0, "P": 3.0, "S": 11.0}


def test_mixture_has_the_anions_of_a_complete_reaction():
    """Li7P3S11 + 24 Li -> 11 Li2S + 3 Li3P: 45 atoms."""
    composition, volume = reaction_mixture({"Li2S": LI2S, "Li3P": LI3P}, ELECTROLYTE, {"Li"}, 45)
    assert composition == {"Li": 31, "P": 3, "S": 11}
    volume_of_crystals = 11 * LI2S.get_volume() / 4 + 3 * LI3P.get_volume() / 2
    assert volume == pytest.approx(volume_of_crystals / 45)


def test_single_phase_mixture_and_unknown_anions():
    assert reaction_mixture({"Li2S": LI2S}, ELECTROLYTE, {"Li"}, 45)[0] == {"Li": 30, "S": 15}
    with pytest.raises(StructureError, match="anions of the electrolyte"):
        reaction_mixture({"Li2S": LI2S}, {"Li": 6.0, "Cl": 1.0}, {"Li"}, 45)


def test_melt_packing_has_no_overlaps():
    atoms = melt_packing({"Li": 31, "P": 3, "S": 11}, 15.4, seed=0)
    assert len(atoms) == 45
    check_no_overlap(atoms)


@pytest.mark.parametrize(
    ("crystal", "host", "guest", "more"),
    [(LI2S, "S", "P", 1), (LI3P, "P", "S", -1)],
    ids=["P in Li2S", "S in Li3P"],
)
def test_anion_substitution_balances_the_charge_with_lithium(crystal, host, guest, more):
    before = crystal * (2, 2, 1)
    after = substitute_anion(before, host, guest, "Li", seed=0)
    for symbol, change in ((host, -1), (guest, 1), ("Li", more)):
        counts = [atoms.get_chemical_symbols().count(symbol) for atoms in (before, after)]
        assert counts[1] - counts[0] == change
    check_no_overlap(after)
    with pytest.raises(StructureError, match="contains no Cl"):
        substitute_anion(before, "Cl", guest, "Li", seed=0)
