"""Formulas with decimals and brackets, and charges that are guessed right or requested."""

import pytest

from interphase_flows.analysis.interfaces.settings import composition_of
from interphase_flows.analysis.transport.settings import formal_charges
from interphase_flows.exceptions import AnalysisError


@pytest.mark.parametrize(
    ("formula", "composition"),
    [
        ("Li2.9PO3.3N0.46", {"Li": 2.9, "P": 1.0, "O": 3.3, "N": 0.46}),
        ("Li6PS5Cl0.5Br0.5", {"Li": 6, "P": 1, "S": 5, "Cl": 0.5, "Br": 0.5}),
        ("Mg(BH4)2", {"Mg": 1, "B": 2, "H": 8}),
        (" Li3PS4 ", {"Li": 3, "P": 1, "S": 4}),
        ("Na3Zr2(SiO4)2(PO4)", {"Na": 3, "Zr": 2, "Si": 2, "P": 1, "O": 12}),
    ],
)
def test_formulas_with_decimals_and_brackets_are_read(formula, composition):
    assert composition_of(formula) == pytest.approx(composition)


@pytest.mark.parametrize("formula", ["", "LLZO", "Li-", "Li1e300", "Li0", "(" * 500, "Li" * 500, "Li²S", "X", "42"])
def test_other_texts_are_rejected(formula):
    with pytest.raises(AnalysisError, match="is not a chemical formula"):
        composition_of(formula)


@pytest.mark.parametrize(
    ("formula", "charges"),
    [
        ("NaBH4", {"Na": 1, "B": 3, "H": -1}),
        ("Ca(BH4)2", {"Ca": 2, "B": 3, "H": -1}),
        ("LiAlH4", {"Li": 1, "Al": 3, "H": -1}),
        ("NaNH2", {"Na": 1, "N": -3, "H": 1}),
        ("Na3PS4", {"Na": 1, "P": 5, "S": -2}),
        ("Li6PS5Cl0.5Br0.5", {"Li": 1, "P": 5, "S": -2, "Cl": -1, "Br": -1}),
        ("Li6.4La3Zr1.4Ta0.6O12", {"Li": 1, "La": 3, "Zr": 4, "Ta": 5, "O": -2}),
        ("K3SbS4", {"K": 1, "Sb": 5, "S": -2}),
    ],
)
def test_guessed_charges_are_integers_with_negative_anions(formula, charges):
    composition = composition_of(formula)
    assert formal_charges(composition, tuple(composition))[0] == charges


@pytest.mark.parametrize("formula", ["K2B12H12", "Li2.9PO3.3N0.46", "LiNa", "Li3PS4.5"])
def test_charges_without_one_integer_for_each_element_are_requested(formula):
    composition = composition_of(formula)
    with pytest.raises(AnalysisError, match=r"cannot be guessed: .*--charges Li=1"):
        formal_charges(composition, tuple(composition))
