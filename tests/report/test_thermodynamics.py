"""The section on thermodynamics, from stored documents."""

import json
from collections import Counter
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.campaign.schema import Campaign
from interphase_flows.report.collect.thermodynamics import thermodynamics
from interphase_flows.report.html import drawn_figures, rendered_page
from interphase_flows.report.inputs.interphase import SeriesBand
from interphase_flows.schemas.thermodynamics import ThermodynamicsDoc
from interphase_flows.thermodynamics.interface import predict_interface
from interphase_flows.thermodynamics.uncertainty import prediction_uncertainty

ERROR_EV_PER_ATOM = 0.02
N_SAMPLES = 40
STUDENT_T = 4.303
"""95 %, two degrees of freedom."""


@pytest.fixture(scope="module")
def energies():
    file = resources.files("interphase_flows.structures") / "data" / "li_p_s_structures.json"
    phases = json.loads(file.read_text(encoding="utf-8"))["phases"]
    return {
        name: (Counter(phase["relaxed_chgnet"]["species"]), phase["relaxed_chgnet"]["energy_eV"])
        for name, phase in phases.items()
    }


def document(energies, errors=None):
    answer = predict_interface(energies, electrode="Li", electrolyte="Li7P3S11")
    answer = answer.model_copy(update={"errors": errors})
    return ThermodynamicsDoc(key="k", phase_keys=[], geometry_methods=[], energy_methods=[], prediction=answer)


@pytest.fixture(scope="module")
def exact(energies):
    return document(energies)


@pytest.fixture(scope="module")
def environments():
    """Nearly all PS4 and P2S7 as in the crystal, a little isolated P in three replicas."""
    return SeriesBand(
        time_ps=np.array([0.0, 10.0]),
        names=["PS4", "P2S7", "isolated P"],
        curves=Estimate.symmetric(
            np.array([[1 / 3, 2 / 3, 0.0], [0.5, 0.2, 0.3]]),
            np.array([[0.0, 0.0, 0.0], [0.01, 0.02, 0.01]]),
            quantile=STUDENT_T,
        ),
        n_replicas=3,
    )


def page_of(bare_inputs, section):
    changed = replace(bare_inputs, thermodynamics=section)
    return rendered_page(changed, drawn_figures(changed))


def test_window_and_kinks_have_no_interval_without_errors_of_the_energies(
    exact, full_inputs, bare_inputs, environments
):
    section = thermodynamics(exact, Campaign(name="c"), full_inputs.before, environments)
    page = page_of(bare_inputs, section)
    assert "from <b>2.08 V</b> to <b>2.48 V</b>; one calculation per phase, no interval" in page
    assert "is metastable; its decomposition products are stable" in page
    assert "relative to the stable phase of the pure element" in page
    assert "Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P" in page
    assert "Predicted in" not in page


def test_environments_are_compared_with_those_of_the_predicted_crystals(exact, full_inputs, bare_inputs, environments):
    """The cell has 24 Li on two formula units: between 4 Li7P3S11 + 5 Li and 15 Li, so P and PS4."""
    section = thermodynamics(exact, Campaign(name="c"), full_inputs.before, environments)
    assert section.x_electrode == pytest.approx(24 / 66)
    rows = {row.phase: row for row in section.comparison}
    # per formula unit 12 Li: (15 - 12) / (15 - 5/4) of it is 11/4 Li3PS4 + 1/4 P, the rest 3 P
    first = (15 - 12) / (15 - 5 / 4)
    assert rows["PS4"].predicted == pytest.approx(first * 11 / 12)
    assert rows["Pn"].predicted == pytest.approx(1 - first * 11 / 12)
    assert {name: row.agreement for name, row in rows.items()} == {
        "PS4": "predicted and found",
        "Pn": "predicted, not found",
        "P2S7": "found, not predicted",
        "isolated P": "found, not predicted",
    }
    assert rows["isolated P"].found.upper == pytest.approx(0.3 + STUDENT_T * 0.01, abs=1e-4)
    assert "predicted, not found" in page_of(bare_inputs, section)


def test_kinks_have_intervals_and_fractions_of_samples(energies, bare_inputs):
    errors = prediction_uncertainty(
        energies,
        dict.fromkeys(energies, ERROR_EV_PER_ATOM),
        electrode="Li",
        electrolyte="Li7P3S11",
        element="Li",
        n_samples=N_SAMPLES,
    )
    section = thermodynamics(document(energies, errors), Campaign(name="c"), None, None)
    page = page_of(bare_inputs, section)
    full, error = section.kinks[-1]
    assert error.energy_eV_per_atom.lower < full.energy_eV_per_atom < error.energy_eV_per_atom.upper
    assert "Predicted in" in page
    assert f"Intervals are from {N_SAMPLES} samples" in page
    assert f"it is stable in {100 * errors.share_on_hull:.0f} % of the samples" in page
    assert "(95 %: −0." in page
    assert errors.reduction_V.lower < 2.08 < errors.reduction_V.upper


def test_known_phases_without_energy_are_listed(exact):
    """Li7P3S11 appears stable on a hull without Li3PS4."""
    few = Campaign(name="c", phases=["Li", "Li2S", "Li7P3S11"], hull_phases=["P", "S", "Li3P", "LiP7"])
    missing = thermodynamics(exact, few, None, None).missing_phases
    assert {"Li3PS4", "LiPS3", "LiP", "Li3P7"} <= set(missing)
    assert not {"Li_fcc", "Li", "Li3P", "LiP7"} & set(missing)
    assert "Li3PS4" not in thermodynamics(exact, Campaign(name="c"), None, None).missing_phases
