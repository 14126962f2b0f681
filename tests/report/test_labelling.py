"""The section on labels: rejections, corrections, cost, settings and their convergence."""

from dataclasses import replace

import pytest

from interphase_flows.reference.spec import ChgnetSpec, GpawSpec
from interphase_flows.report.collect.labelling import LabelRecord, labelling, reference_labels
from interphase_flows.report.figures.convergence import convergence_figure
from interphase_flows.report.html import rendered_page
from interphase_flows.report.inputs.campaign import ReferenceLabels
from interphase_flows.report.sections.convergence import convergence_section
from interphase_flows.report.text.convergence import choice_summary, convergence_table
from interphase_flows.schemas.convergence import (
    AssessedSetting,
    ConvergenceStudyDoc,
    OwnSetting,
    PointErrors,
)
from interphase_flows.schemas.label import Correction
from interphase_flows.schemas.origin import Origin


def label(status="accepted", reason=None, steps=12, corrections=()) -> LabelRecord:
    return LabelRecord(
        origin=Origin("crystal/Li"),
        status=status,
        reason=reason,
        explanation="largest force 41 eV/Å" if reason else None,
        wall_time_s=60.0,
        corrections=list(corrections),
        details={"n_scf_steps": steps, "n_electrons": 2.0, "n_k_points": 20, "peak_memory_gb": 0.3},
        is_scf_converged=status == "accepted",
        formula="Li2",
        numbers=[3, 3],
    )


RESTART = Correction(
    handler="UnconvergedHandler",
    errors=["scf_not_converged"],
    actions=["mixer: softer"],
    changes_theory=False,
)
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


def test_surrogate_labels_have_no_corrections_and_no_scf_statistics():
    found = labelling(
        [LabelRecord(origin=Origin("crystal/Li"), status="accepted", formula="Li2", numbers=[3, 3])], ChgnetSpec()
    )
    assert (found.n_accepted, found.scf, list(found.corrections)) == (1, None, [])
    assert labelling([], ChgnetSpec()) is None


def test_settings_are_those_of_the_campaign_before_the_first_label():
    reference = reference_labels(GpawSpec(cutoff_eV=400), None)
    assert (reference.name, reference.is_surrogate) == ("gpaw", False)
    assert reference.settings["cutoff_eV"] == "400.0"


def test_section_lists_rejections_corrections_and_settings(bare_inputs):
    gpaw = ReferenceLabels("GPAW 26.7.0", False, {"cutoff_eV": "350.0"})
    page = rendered_page(replace(bare_inputs, reference=gpaw, labelling=labelling(LABELS, GpawSpec())), {})
    for text in (
        "cutoff eV",
        "UnconvergedHandler",
        "mixer: softer",
        "4 self-consistency cycles, 2 of them not",
    ):
        assert text in page
    assert "urrogate" not in page
    assert "interphase converge" in page
    assert "which is not DFT" in rendered_page(bare_inputs, {})


def error(worst):
    return dict(zip(("energy_meV_per_atom", "force_meV_per_angstrom", "stress_meV_per_angstrom3"), worst, strict=True))


def point(axis, cutoff, density, worst, is_reference_setting=False):
    return PointErrors(
        axis=axis,
        cutoff_eV=cutoff,
        k_density_per_inverse_angstrom=density,
        is_reference_setting=is_reference_setting,
        errors={kind: {"Li": value} for kind, value in error(worst).items()},
        worst=error(worst),
        missing=[],
        reaction_energy_eV_per_atom=-0.7776,
        wall_time_s=300.0,
    )


@pytest.fixture
def study() -> ConvergenceStudyDoc:
    """Three cutoffs and one k-point density."""
    setting = {
        "cutoff_eV": 350.0,
        "k_density_per_inverse_angstrom": 3.0,
        "worst": error((1.0, 9.0, 0.2)),
        "margins": error((2.0, 6.0, 0.4)),
        "is_within": True,
    }
    return ConvergenceStudyDoc(
        key="study",
        input_keys=[],
        reference={"method": "gpaw", "functional": "PBE"},
        electrode="Li",
        electrolyte="Li7P3S11",
        n_atoms={"Li": 2, "Li7P3S11": 42},
        reaction="Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P",
        tolerances=error((3.0, 15.0, 0.6)),
        points=[
            point("cutoff", 300.0, 3.0, (4.0, 20.0, 0.5)),
            point("cutoff", 350.0, 3.0, (1.0, 9.0, 0.2)),
            point("cutoff", 500.0, 3.0, (0.0, 0.0, 0.0), True),
            point("k_density", 350.0, 3.0, (0.0, 0.0, 0.0), True),
        ],
        own=OwnSetting(**setting, not_assessed=[]),
        chosen=AssessedSetting(**setting),
        gamma=None,
        wall_time_s=900.0,
        n_labels=21,
    )


def test_chosen_setting_is_summarised_with_its_errors(study):
    assert choice_summary(study).startswith(
        "Cheapest within the tolerances: 350 eV, 3 k-points per Å⁻¹ (errors 1 of 3 meV/atom"
    )
    section = str(convergence_section(study))
    assert "<b>350 eV, 3 k-points per Å⁻¹</b>" in section
    assert '<td class="n">reference</td>' in section
    assert "not compared with a mesh" in section
    study.own.not_assessed = ["k_density"]
    assert "its k-point density is the largest of the study" in str(convergence_section(study))


def test_table_for_the_terminal_has_a_row_for_each_setting(study):
    table = convergence_table(study)
    assert table.row_count == 4
    assert list(table.columns[2].cells) == ["4.00", "1.00", "reference", "reference"]


def test_summary_without_a_setting_within_the_tolerances(study):
    """The most accurate setting is no substitute."""
    study.chosen = None
    assert "No setting below the most accurate ones" in choice_summary(study)
    assert "No setting below the most accurate ones" in str(convergence_section(study))


def test_figure_omits_an_axis_with_a_single_value(study):
    assert len(convergence_figure(study).axes) == 3
    assert convergence_figure(None) is None
