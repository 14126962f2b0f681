"""Convergence of settings: deviations, and the choice of the cheapest setting within tolerances."""

import numpy as np
import pytest

from interphase_flows.exceptions import AnalysisError
from interphase_flows.reference.convergence import (
    Deviation,
    PhaseNumbers,
    Tolerances,
    choose,
    deviation,
    fill_missing_densities,
    reaction_energy_eV_per_atom,
    reaction_weights,
)

FORMULAS = {"Li": "Li2", "Li2S": "Li8S4", "Li3P": "Li6P2", "Li7P3S11": "Li14P6S22"}


def numbers(perfect, displaced=0.1, force=0.0, stress=0.0):
    return PhaseNumbers(perfect, perfect + displaced, np.full((2, 3), force), np.full(6, stress))


def test_reaction_of_four_phases_is_balanced():
    """Li7P3S11 + 24 Li -> 11 Li2S + 3 Li3P, 45 atoms of mixture."""
    weights, equation = reaction_weights(FORMULAS, "Li", "Li7P3S11")
    assert equation == "Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P"
    assert weights == pytest.approx({"Li": -24 / 45, "Li2S": 33 / 45, "Li3P": 12 / 45, "Li7P3S11": -21 / 45})


@pytest.mark.parametrize("missing", ["Li2S", "Li3P", "Li", "Li7P3S11"])
def test_unbalanced_phases_have_no_reaction(missing):
    formulas = {name: f for name, f in FORMULAS.items() if name != missing}
    assert reaction_weights(formulas, "Li", "Li7P3S11") is None


def test_constant_shift_of_all_energies_is_not_a_deviation():
    weights, _ = reaction_weights(FORMULAS, "Li", "Li7P3S11")
    here = {name: numbers(-4.0) for name in FORMULAS}
    there = {name: numbers(-4.5) for name in FORMULAS}
    assert max(deviation(here, there, weights).energy_meV_per_atom.values()) == pytest.approx(0.0, abs=1e-9)


def test_known_deviations_are_recovered():
    weights, _ = reaction_weights(FORMULAS, "Li", "Li7P3S11")
    here = {name: numbers(-4.0) for name in FORMULAS}
    there = here | {"Li2S": numbers(-4.003, displaced=0.102, force=-0.007, stress=2e-4)}
    found = deviation(here, there, weights)
    assert found.energy_meV_per_atom["reaction"] == pytest.approx(3 * 33 / 45)
    assert found.worst == pytest.approx(
        {"energy_meV_per_atom": 2.2, "force_meV_per_angstrom": 7.0, "stress_meV_per_angstrom3": 0.2}
    )
    assert found.energy_meV_per_atom["Li2S, displaced"] == pytest.approx(2.0)
    assert reaction_energy_eV_per_atom(here, weights) == pytest.approx(0.0, abs=1e-12)


def test_rejected_label_excludes_its_setting():
    here = {"Li": numbers(-2.0), "Li2S": None}
    found = deviation(here, {"Li": numbers(-2.0), "Li2S": numbers(-4.0)}, {})
    assert found.missing == ("Li2S",)
    assert not found.is_within(Tolerances())
    assert reaction_energy_eV_per_atom(here, {"Li": 1.0, "Li2S": -1.0}) is None


def energies(error):
    return Deviation(energy_meV_per_atom={"reaction": error})


def test_cheapest_pair_within_the_summed_tolerance_is_chosen():
    cutoffs = {300.0: energies(2.0), 350.0: energies(1.2), 500.0: energies(0.0)}
    densities = {2.0: energies(1.5), 3.0: energies(0.4), 4.0: energies(0.0)}
    choice = choose(cutoffs, densities, Tolerances(energy_meV_per_atom=3.0))
    assert (choice.cutoff_eV, choice.k_density_per_inverse_angstrom) == (350.0, 2.0)
    assert choice.deviation.margins(Tolerances())["energy_meV_per_atom"] == pytest.approx(0.3)
    tighter = choose(cutoffs, densities, Tolerances(energy_meV_per_atom=1.7))
    assert (tighter.cutoff_eV, tighter.k_density_per_inverse_angstrom) == (350.0, 3.0)


def test_most_accurate_setting_is_not_chosen():
    """Its own error is unknown; an axis with one value keeps it."""
    cutoffs = {300.0: energies(9.0), 500.0: energies(0.0)}
    assert choose(cutoffs, {3.0: energies(0.0)}, Tolerances()) is None
    fine = {300.0: energies(1.0), 500.0: energies(0.0)}
    assert choose(fine, {3.0: energies(0.0)}, Tolerances()).k_density_per_inverse_angstrom == 3.0


def test_tolerance_that_is_not_positive_raises():
    with pytest.raises(AnalysisError, match=r"force_meV_per_angstrom is 0"):
        Tolerances(force_meV_per_angstrom=0.0)


def test_phase_without_the_densest_meshes_keeps_its_last_measured_error():
    """Its densest mesh is its reference; no density has an error of zero that was not measured."""
    by_density = {
        2.0: {"Li": numbers(-1.0), "Li7P3S11": numbers(-4.010)},
        3.0: {"Li": numbers(-1.1), "Li7P3S11": numbers(-4.002)},
        4.0: {"Li": numbers(-1.2), "Li7P3S11": numbers(-4.000)},
        6.0: {"Li": numbers(-1.3)},
        8.0: {"Li": numbers(-1.4)},
    }
    complete, most_accurate = fill_missing_densities(by_density)
    assert {name: n.perfect_eV_per_atom for name, n in most_accurate.items()} == {
        "Li": -1.4,
        "Li7P3S11": -4.0,
    }
    assert [n["Li7P3S11"].perfect_eV_per_atom for n in complete.values()] == [-4.01, *[-4.002] * 4]
    assert [n["Li"].perfect_eV_per_atom for n in complete.values()] == [-1.0, -1.1, -1.2, -1.3, -1.4]
    assert "Li7P3S11" not in by_density[6.0]  # the input is unchanged


def test_phase_with_one_mesh_is_constant():
    """Gamma alone."""
    complete, most_accurate = fill_missing_densities({2.0: {}, 3.0: {"cell": numbers(-4.0)}, 5.0: {}})
    assert {n["cell"].perfect_eV_per_atom for n in complete.values()} == {-4.0}
    assert most_accurate["cell"].perfect_eV_per_atom == -4.0


def test_rejected_label_remains_missing():
    complete, most_accurate = fill_missing_densities(
        {2.0: {"cell": None}, 3.0: {"cell": None}, 4.0: {"Li": numbers(-1.0)}}
    )
    assert most_accurate["cell"] is None
    assert complete[4.0]["cell"] is None
