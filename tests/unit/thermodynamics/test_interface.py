"""Reactions, electrochemical window, uncertainty and predicted phases of thiophosphates and other pairs."""

import json
from collections import Counter
from fractions import Fraction
from importlib import resources

import pytest

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.exceptions import AnalysisError
from interphase_flows.thermodynamics.electrochemical_window import electrochemical_window, ion_charge_of
from interphase_flows.thermodynamics.interface import predict_interface
from interphase_flows.thermodynamics.predicted_phases import (
    compare_phases,
    mixing_line,
    predicted_atom_shares,
    predicted_element_shares,
)
from interphase_flows.thermodynamics.reactions import predict_reaction
from interphase_flows.thermodynamics.results import ThermodynamicsResult
from interphase_flows.thermodynamics.uncertainty import prediction_uncertainty

ENERGY_TOLERANCE_EV = 1e-6
VOLTAGE_TOLERANCE_V = 1e-4


@pytest.fixture(scope="module")
def energies():
    file = resources.files("interphase_flows.structures") / "data" / "li_p_s_structures.json"
    phases = json.loads(file.read_text(encoding="utf-8"))["phases"]
    return {
        name: (Counter(phase["relaxed_chgnet"]["species"]), phase["relaxed_chgnet"]["energy_eV"])
        for name, phase in phases.items()
    }


@pytest.fixture(scope="module")
def prediction(energies):
    return predict_reaction(energies)


@pytest.fixture(scope="module")
def window(energies):
    return electrochemical_window(energies, element="Li", electrolyte="Li7P3S11")


def made_up(alkali, halide=()):
    """Return invented formation energies in eV per formula unit; those of elements are zero."""
    formed = {f"{alkali}2S": -4.0, f"{alkali}3P": -3.0, f"{alkali}3PS4": -7.5, **dict(halide)}
    elements = {alkali, "P", "S", *(["Cl"] if halide else [])}
    phases = {f"element {symbol}": ({symbol: 2}, 0.0) for symbol in elements}
    return phases | {f"phase of {formula}": (counts(formula), e) for formula, e in formed.items()}


def counts(formula):
    from pymatgen.core import Composition

    return {str(e): float(n) for e, n in Composition(formula).items()}


def test_window_stage_at_0_V_is_the_full_reaction(window):
    """Against lithium metal, at 0 V, one formula unit takes up 24 Li; at higher voltages 18 and 15."""
    assert window.stages[0].reaction == "Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P"
    assert window.stages[0].lower_V == 0.0
    assert [s.taken_up for s in window.stages] == [24, 18, 15, Fraction(5, 4), 0, -4, -7]
    assert all(a.upper_V == b.lower_V for a, b in zip(window.stages, window.stages[1:], strict=False))
    assert window.stages[-1].upper_V is None


def test_charging_energy_equals_the_reaction_energy(window, prediction):
    """Voltages come from chemical potentials, reaction energies from the mixing line."""
    decomposition_eV = 21 * prediction.electrolyte_above_hull_eV_per_atom
    assert window.charging_energy_eV == pytest.approx(
        -prediction.full.energy_eV_per_formula_unit - decomposition_eV, abs=ENERGY_TOLERANCE_EV
    )


def test_voltages_equal_formation_energies_per_lithium(energies, window):
    """LiP + 2 Li → Li3P ends at its formation energy per lithium; Li2S is oxidised at that of Li2S."""

    def unit(phase, units):
        return energies[phase][1] / units

    lithium = min(unit("Li_bcc", sum(energies["Li_bcc"][0].values())), unit("Li_fcc", 4))
    by_hand = -(unit("Li3P", 2) - unit("LiP_LiAs-type", energies["LiP_LiAs-type"][0]["P"]) - 2 * lithium) / 2
    assert window.stages[0].upper_V == pytest.approx(by_hand, abs=VOLTAGE_TOLERANCE_V)
    sulfide = electrochemical_window(energies, element="Li", electrolyte="Li2S")
    sulfur = unit("S8_alpha", sum(energies["S8_alpha"][0].values()))
    assert sulfide.oxidation_V == pytest.approx(-(unit("Li2S", 4) - 2 * lithium - sulfur) / 2, abs=VOLTAGE_TOLERANCE_V)
    assert sulfide.reduction_V == 0.0


def test_metastable_electrolyte_has_the_window_of_its_decomposition_products(energies, window):
    """Li7P3S11 decomposes into Li3PS4 and LiPS3; both are stable within the window."""
    assert not window.is_on_hull
    parts = [electrochemical_window(energies, element="Li", electrolyte=f) for f in ("Li3PS4", "LiPS3")]
    assert all(part.is_on_hull for part in parts)
    assert window.reduction_V == pytest.approx(max(p.reduction_V for p in parts), abs=VOLTAGE_TOLERANCE_V)
    assert window.oxidation_V == pytest.approx(min(p.oxidation_V for p in parts), abs=VOLTAGE_TOLERANCE_V)
    assert window.width_V > 0


def test_composition_inside_a_facet_has_a_window_of_zero_width(energies):
    inside = dict(energies) | {"mixed": ({"Li": 5, "P": 2, "S": 2}, 0.0)}
    closed = electrochemical_window(inside, element="Li", electrolyte="Li5P2S2")
    assert closed.width_V == pytest.approx(0.0, abs=VOLTAGE_TOLERANCE_V)


def test_electrolyte_without_the_element_has_no_oxidation_voltage(energies):
    free = dict(energies) | {"free": ({"P": 4, "S": 10}, -80.0)}
    assert electrochemical_window(free, element="Li", electrolyte="P2S5").oxidation_V is None


@pytest.mark.parametrize(
    ("alkali", "electrolyte", "halide", "reaction", "x"),
    [
        ("Na", "Na3PS4", (), "Na3PS4 + 8 Na → 4 Na2S + Na3P", Fraction(8, 16)),
        (
            "Li",
            "Li6PS5Cl",
            {"LiCl": -4.0, "Li6PS5Cl": -15.0},
            "Li6PS5Cl + 8 Li → 5 Li2S + Li3P + LiCl",
            Fraction(8, 21),
        ),
    ],
)
def test_reactions_of_other_pairs_are_exact(alkali, electrolyte, halide, reaction, x):
    """Names of phases are arbitrary; balances are exact, also for four elements."""
    answer = predict_interface(
        made_up(alkali, halide), electrode=f"element {alkali}", electrolyte=f"phase of {electrolyte}"
    )
    full = answer.full
    assert (full.reaction, full.x_electrode) == (reaction, x)
    assert answer.window is not None
    assert answer.window.element == alkali
    assert answer.window.stages[0].reaction == reaction
    assert full.x_electrode_exact == f"8/{8 / x}"
    assert ThermodynamicsResult.model_validate_json(answer.model_dump_json()) == answer


def test_compound_electrode_has_no_window(energies):
    answer = predict_interface(energies, electrode="Li3P", electrolyte="Li7P3S11_OBELiX")
    assert answer.window is None
    assert "Li3P is not an element" in answer.notes[0]


def test_divalent_metal_has_half_the_voltage():
    """MgS is oxidised at its formation energy per two electrons."""
    phases = {"m": ({"Mg": 1}, 0.0), "s": ({"S": 1}, 0.0), "ms": ({"Mg": 1, "S": 1}, -3.6)}
    found = electrochemical_window(phases, element="Mg", electrolyte="MgS")
    assert (ion_charge_of("Mg"), ion_charge_of("Fe")) == (2, None)
    assert found.oxidation_V == pytest.approx(1.8, abs=VOLTAGE_TOLERANCE_V)
    with pytest.raises(AnalysisError, match="ion_charge"):
        electrochemical_window(
            {"m": ({"Fe": 1}, 0.0), "s": ({"S": 1}, 0.0), "ms": ({"Fe": 1, "S": 1}, -1.0)},
            element="Fe",
            electrolyte="FeS",
        )


def test_barely_stable_phase_leaves_the_hull_in_some_samples(energies):
    """LiP is stable by 0.08 eV/atom: an error of that size makes its kink uncertain, but not the full reaction."""
    result = prediction_uncertainty(
        energies, {"LiP_LiAs-type": 0.1}, electrode="Li", electrolyte="Li7P3S11", n_samples=40
    )
    shares = {kink.reaction: kink.share_of_samples for kink in result.kinks}
    assert 0.3 < shares["Li7P3S11 + 18 Li → 11 Li2S + 3 LiP"] < 0.95
    assert shares["Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P"] > 0.9
    assert result.reduction_V is None


def test_zero_errors_give_zero_width_and_invalid_errors_raise(energies):
    still = prediction_uncertainty(energies, {}, electrode="Li", electrolyte="Li7P3S11", n_samples=20)
    assert all(k.energy_eV_per_atom.lower == k.energy_eV_per_atom.upper for k in still.kinks)
    assert [k.share_of_samples for k in still.kinks] == [1.0] * 4
    for wrong, message in (({"unobtainium": 0.1}, "unobtainium"), ({"Li2S": -0.1}, "-0.1")):
        with pytest.raises(AnalysisError, match=message):
            prediction_uncertainty(energies, wrong, electrode="Li", electrolyte="Li7P3S11")
    assert predict_interface(energies, electrode="Li", electrolyte="Li7P3S11").errors is None


def test_lever_rule_between_kinks(prediction):
    """At 24/45 all phosphorus is in Li3P; halfway between the kinks of LiP and Li3P, half of it is."""
    line = mixing_line(prediction)
    assert predicted_element_shares(line, 24 / 45, "P") == pytest.approx({"Li3P": 1.0})
    assert predicted_element_shares(line, 21 / 42, "P") == pytest.approx({"LiP": 0.5, "Li3P": 0.5})
    assert predicted_element_shares(line, 0.0, "P") == pytest.approx({"Li3PS4": 2 / 3, "LiPS3": 1 / 3})
    assert predicted_element_shares(line, 21 / 42, "S") == pytest.approx({"Li2S": 1.0})
    with_metal = predicted_atom_shares(line, 0.9)
    assert with_metal["Li"] == pytest.approx((0.9 - 24 / 45) / (1 - 24 / 45))
    assert sum(with_metal.values()) == pytest.approx(1.0)
    with pytest.raises(AnalysisError, match="between 0 and 1"):
        predicted_atom_shares(line, 1.2)


def test_comparison_of_predicted_and_found_phases():
    nan = float("nan")
    rows = compare_phases(
        {"Li3P": 0.7, "LiP": 0.3},
        {
            "Li3P": Estimate(0.2, 0.15, 0.25),
            "LiP": Estimate(0.001, 0.0, 0.004),
            "Li3PS4": Estimate(0.5, nan, nan),
            "P2S6": Estimate(0.03, 0.01, 0.05),
        },
    )
    assert {row.phase: row.agreement for row in rows} == {
        "Li3P": "predicted and found",
        "LiP": "predicted, not found",
        "Li3PS4": "found, not predicted",
        "P2S6": "undecided",
    }
    assert rows[0].phase == "Li3P"
    with pytest.raises(AnalysisError, match="between 0 and 1"):
        compare_phases({"Li3P": 1.3}, {})
