"""What a report says of labels."""

from dataclasses import replace

import pytest

from interphase_flows.reference.spec import ChgnetSpec, GpawSpec
from interphase_flows.report.collect.labelling import FIELDS, labelling, reference_of
from interphase_flows.report.html import rendered_page
from interphase_flows.report.inputs import ReferenceMethod
from interphase_flows.report.sections.convergence import (
    Convergence,
    choice_summary,
    convergence_figure,
    convergence_section,
)


def label(status="accepted", reason=None, steps=12, corrections=(), **more):
    return {
        "status": status,
        "reason": reason,
        "explanation": "largest force 41 eV/Å" if reason else None,
        "wall_time_s": 60.0,
        "corrections": list(corrections),
        "details": {"n_scf_steps": steps, "n_electrons": 2.0, "n_k_points": 20, "peak_memory_gb": 0.3},
        "is_scf_converged": status == "accepted",
        "formula": "Li2",
        "numbers": [3, 3],
        **more,
    }


RESTART = {
    "handler": "UnconvergedHandler",
    "errors": ["scf_not_converged"],
    "actions": ["mixer: softer"],
    "changes_theory": False,
}
LABELS = [
    label(),
    label(steps=40, corrections=[RESTART]),
    label("rejected", "scf_not_converged", steps=150, corrections=[RESTART, RESTART]),
    label("rejected", "max_force"),
]


def test_labels_are_counted_by_fate_reason_and_correction():
    """A handler that acted three times on two labels."""
    found = labelling(LABELS, GpawSpec())
    assert (found.n_accepted, found.n_corrected, found.spent_s) == (2, 2, 240.0)
    assert found.rejected == {"scf_not_converged": 1, "max_force": 1}
    assert found.examples["max_force"] == "largest force 41 eV/Å"
    (row,) = found.corrections
    assert (row.handler, row.count, row.changes_theory) == ("UnconvergedHandler", 3, False)
    assert (found.scf.n_labels, found.scf.n_unconverged, found.scf.steps_max) == (4, 2, 150)
    assert found.scf.steps_median == pytest.approx(26.0)
    assert found.expected_s > 0


def test_labels_from_before_have_neither_corrections_nor_cycles():
    """Fields that came later are missing, not an error."""
    old = {"status": "accepted", "reason": None, "wall_time_s": 0.1, "formula": "Li2", "numbers": [3, 3]}
    found = labelling([old], ChgnetSpec())
    assert (found.n_accepted, found.scf, list(found.corrections)) == (1, None, [])
    assert labelling([], ChgnetSpec()) is None


def test_the_settings_of_a_method_are_known_before_its_first_label():
    """From the campaign's own block."""
    reference = reference_of(GpawSpec(cutoff_eV=400), None)
    assert (reference.name, reference.is_surrogate, reference.table["cutoff_eV"]) == ("gpaw", False, "400.0")


def test_the_section_of_labels_names_reasons_corrections_and_settings(bare_inputs):
    """And a surrogate's says that it is not DFT; a DFT method's never says surrogate."""
    gpaw = ReferenceMethod("GPAW 26.7.0", False, table={"cutoff_eV": "350.0"})
    page = rendered_page(replace(bare_inputs, reference=gpaw, labelling=labelling(LABELS, GpawSpec())), {})
    for words in (
        "cutoff eV",
        "UnconvergedHandler",
        "mixer: softer",
        "4 self-consistency cycles, 2 of them not",
    ):
        assert words in page
    assert "urrogate" not in page
    assert "interphase converge" in page
    assert "which is not DFT" in rendered_page(bare_inputs, {})


def error(worst):
    return dict(
        zip(("energy_meV_per_atom", "force_meV_per_angstrom", "stress_meV_per_angstrom3"), worst, strict=True)
    )


def point(axis, cutoff, density, worst, is_yardstick=False):
    return {
        "axis": axis,
        "cutoff_eV": cutoff,
        "k_density_per_inverse_angstrom": density,
        "is_yardstick": is_yardstick,
        "errors": {kind: {"Li": value} for kind, value in error(worst).items()},
        "worst": error(worst),
        "missing": [],
        "reaction_energy_eV_per_atom": -0.7776,
        "wall_time_s": 300.0,
    }


@pytest.fixture
def study():
    """A cutoff swept over three values, and one density."""
    setting = {
        "cutoff_eV": 350.0,
        "k_density_per_inverse_angstrom": 3.0,
        "worst": error((1.0, 9.0, 0.2)),
        "margins": error((2.0, 6.0, 0.4)),
        "is_within": True,
    }
    return Convergence(
        {
            "reference": {"method": "gpaw", "functional": "PBE"},
            "electrode": "Li",
            "electrolyte": "Li7P3S11",
            "n_atoms": {"Li": 2, "Li7P3S11": 42},
            "reaction": "Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P",
            "tolerances": error((3.0, 15.0, 0.6)),
            "points": [
                point("cutoff", 300.0, 3.0, (4.0, 20.0, 0.5)),
                point("cutoff", 350.0, 3.0, (1.0, 9.0, 0.2)),
                point("cutoff", 500.0, 3.0, (0.0, 0.0, 0.0), True),
                point("k_density", 350.0, 3.0, (0.0, 0.0, 0.0), True),
            ],
            "own": setting,
            "chosen": setting,
            "gamma": None,
            "wall_time_s": 900.0,
            "n_labels": 21,
        }
    )


def test_the_choice_is_told_with_its_margins(study):
    """In a sentence, and as a table."""
    assert choice_summary(study.values).startswith(
        "Cheapest within the tolerances: 350 eV, 3 k-points per Å⁻¹ (errors 1 of 3 meV/atom"
    )
    section = str(convergence_section(study))
    assert "<b>350 eV, 3 k-points per Å⁻¹</b>" in section
    assert "yardstick" in section
    assert "not checked against a mesh" in section
    study.values["own"]["unjudged"] = ["k_density"]
    assert "its density of k-points is the largest of the study" in str(convergence_section(study))


def test_no_choice_is_told_as_such(study):
    """The most accurate setting is not offered in its place."""
    study.values["chosen"] = None
    assert "No setting below the most accurate ones" in choice_summary(study.values)
    assert "No setting below the most accurate ones" in str(convergence_section(study))


def test_an_axis_with_one_value_is_not_drawn(study):
    """One row of three panels: nothing converges along a single density."""
    assert len(convergence_figure(study).axes) == 3
    assert convergence_figure(None) is None


def test_what_is_shown_of_a_label_is_asked_of_the_ledger():
    """A field that is not asked for would be blank on the page."""
    assert set(label()) == set(FIELDS)
