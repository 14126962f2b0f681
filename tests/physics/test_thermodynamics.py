"""The reaction of lithium with Li7P3S11 on a hull of CHGNet's relaxed energies."""

import json
import math
from collections import Counter
from fractions import Fraction
from importlib import resources

import numpy as np
import pytest

from interphase_flows.exceptions import AnalysisError
from interphase_flows.thermodynamics.reactions import predict_reaction
from interphase_flows.thermodynamics.uncertainty import prediction_uncertainty

ENERGY_TOLERANCE_EV_PER_ATOM = 0.003
VOLUME_TOLERANCE = 2e-4


@pytest.fixture(scope="module")
def phases():
    file = resources.files("interphase_flows.structures") / "data" / "li_p_s_structures.json"
    return json.loads(file.read_text(encoding="utf-8"))["phases"]


@pytest.fixture(scope="module")
def energies(phases):
    return {
        name: (Counter(phase["relaxed_chgnet"]["species"]), phase["relaxed_chgnet"]["energy_eV"])
        for name, phase in phases.items()
    }


@pytest.fixture(scope="module")
def prediction(phases, energies):
    volumes = {name: abs(np.linalg.det(phase["raw"]["matrix"])) for name, phase in phases.items() if name != "Li_fcc"}
    return predict_reaction(energies, volumes_angstrom3=volumes)


def test_full_reaction_is_exact(prediction):
    full = prediction.full
    assert full.reaction == "Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P"
    assert full.x_electrode == Fraction(24, 45)
    assert full.products == {"Li2S": 11, "Li3P": 3}
    assert full.electrode_units == 24


def test_full_reaction_energy_is_that_of_chgnet(prediction):
    assert prediction.full.energy_eV_per_atom == pytest.approx(-0.737, abs=ENERGY_TOLERANCE_EV_PER_ATOM)
    assert prediction.full.energy_eV_per_formula_unit == pytest.approx(-33.16, abs=0.02)
    assert prediction.strongest is prediction.full


def test_kinks_with_less_lithium_are_exact(prediction):
    kinks = {kink.x_electrode: kink for kink in prediction.kinks}
    assert kinks[Fraction(15, 36)].reaction == "Li7P3S11 + 15 Li → 11 Li2S + 3 P"
    assert kinks[Fraction(18, 39)].reaction == "Li7P3S11 + 18 Li → 11 Li2S + 3 LiP"
    assert sorted(kinks) == list(kinks)


def test_energy_is_the_difference_of_the_phases(energies, prediction):
    """Compare with energies per formula unit."""

    def per_unit(phase, units):
        return energies[phase][1] / units

    by_hand = (
        11 * per_unit("Li2S", 4)
        + 3 * per_unit("Li3P", 2)
        - per_unit("Li7P3S11_OBELiX", 2)
        - 24 * per_unit("Li_fcc", 4)  # the lower of the two polymorphs by CHGNet
    )
    assert prediction.full.energy_eV_per_formula_unit == pytest.approx(by_hand, abs=1e-6)


def test_volume_shrinks_by_a_quarter(prediction):
    assert prediction.full.volume_change == pytest.approx(-0.2585, abs=VOLUME_TOLERANCE)


def test_volume_change_is_none_without_volumes(energies):
    assert predict_reaction(energies).full.volume_change is None


def test_electrolyte_is_metastable_with_a_decomposition(prediction):
    assert 0.0 < prediction.electrolyte_above_hull_eV_per_atom < 0.03
    assert set(prediction.electrolyte_decomposition) == {"Li3PS4", "LiPS3"}
    assert sum(prediction.electrolyte_decomposition.values()) == pytest.approx(1.0)
    assert {"Li2S", "Li3P"} <= set(prediction.stable_phases)


def test_reaction_does_not_depend_on_names_of_phases(energies, prediction):
    renamed = {f"phase {i} (mp-{i})": value for i, value in enumerate(energies.values())}
    again = predict_reaction(renamed)
    assert [k.reaction for k in again.kinks] == [k.reaction for k in prediction.kinks]


def test_phases_that_coexist_do_not_react(energies):
    with pytest.raises(AnalysisError, match="coexist"):
        _ = predict_reaction(energies, electrolyte="Li2S").full


def test_missing_phases_are_named(energies):
    with pytest.raises(AnalysisError, match="Li6PS5Cl"):
        predict_reaction(energies, electrolyte="Li6PS5Cl")
    without = {name: value for name, value in energies.items() if name != "S8_alpha"}
    with pytest.raises(AnalysisError, match="pure element S"):
        predict_reaction(without)


def test_uncertainty_of_a_reaction_follows_error_propagation():
    """The interval of a reaction is that of a sum of independent normal variables."""
    phases = {
        "Na": ({"Na": 2}, 0.0),
        "P": ({"P": 4}, 0.0),
        "S": ({"S": 8}, 0.0),
        "Na2S": ({"Na": 2, "S": 1}, -4.0),
        "Na3P": ({"Na": 3, "P": 1}, -3.0),
        "Na3PS4": ({"Na": 3, "P": 1, "S": 4}, -7.5),
    }
    error = 0.01
    n = 200
    found = prediction_uncertainty(
        phases, dict.fromkeys(phases, error), electrode="Na", electrolyte="Na3PS4", element="Na", n_samples=n
    )
    (full,) = (kink for kink in found.kinks if kink.reaction.startswith("Na3PS4 + 8 Na"))
    expected = error * math.hypot(8 * 1, 1 * 8, 4 * 3, 1 * 4)
    width = full.energy_eV_per_formula_unit.upper - full.energy_eV_per_formula_unit.lower
    # the width between these percentiles of 200 samples scatters by 8 %: three sigma
    assert width == pytest.approx(2 * 1.96 * expected, rel=0.24)
    assert full.share_of_samples == 1.0
    per_atom = full.energy_eV_per_atom
    assert (per_atom.upper - per_atom.lower) * 16 == pytest.approx(width)
    assert found.reduction_V is not None
    assert found.reduction_V.lower < found.reduction_V.value < found.reduction_V.upper
