"""Production runs that are incomplete, and means over the runs of one temperature."""

from dataclasses import replace

import pytest

from interphase_flows.analysis.pipeline.results import TrajectorySummary
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.campaign.production import ProductionInterfaceSpec, ProductionSpec
from interphase_flows.report.collect.production import audit_of_runs
from interphase_flows.report.html import rendered_page
from interphase_flows.report.inputs.interphase import InterfaceResults, ProductionRun
from interphase_flows.report.sections.headline import headline_rows
from interphase_flows.schemas.model import ErrorSummary
from interphase_flows.schemas.origin import Origin
from interphase_flows.schemas.potential_errors import ProductionAuditDoc


def test_runs_whose_jobs_failed_are_not_counted_as_complete(full_inputs):
    """A failed job has no segment: a run without its second segment, and a run without any, are incomplete."""
    finished = full_inputs.production[0].segments[0]
    runs = [ProductionRun([finished, finished], n_segments=2), ProductionRun([finished], n_segments=2)]
    assert [run.is_complete for run in runs] == [True, False]
    inputs = replace(full_inputs, production=runs, n_production_runs=3, before=None, after=None)
    (row,) = (row for row in headline_rows(inputs) if row.name == "Complete production runs")
    assert row.value == "1 of 3"
    assert "<td>no, 1 of 2 segments</td>" in rendered_page(inputs, {})


def test_number_of_runs_is_that_of_the_replicas_of_all_interfaces():
    assert ProductionSpec(n_replicas=3).n_runs == 3
    assert ProductionSpec(n_replicas=3, interface=ProductionInterfaceSpec(n_shifts=2)).n_runs == 6


def test_temperature_of_a_report_is_that_of_the_averaged_runs():
    """Replicas at 400 and 450 K, none at the 300 K of ``dynamics``."""
    summary = TrajectorySummary(n_frames=2, n_atoms=4, elements=["Li"], length_ps=1.0, temperature_K=400.0)
    hot = summary.model_copy(update={"temperature_K": 450.0})
    results = InterfaceResults({"a": {}, "b": {}}, {}, {}, {"a": summary, "b": hot}, 300.0)
    assert (results.averaged_runs, results.averaged_temperature_K) == (["a"], 400.0)
    old = InterfaceResults({"a": {}}, {}, {}, {"a": summary.model_copy(update={"temperature_K": None})}, 300.0)
    assert old.averaged_temperature_K == 300.0


@pytest.fixture
def audit():
    """An audit of two replicas at 300 K and one at 450 K."""
    summary = {"n_frames": 2, "forces_rmse_meV_per_angstrom": 1.0, "energy_rmse_meV_per_atom": 1.0}
    summary["stress_mae_meV_per_angstrom3"] = None
    errors = {"replica-0": 100.0, "replica-1": 120.0, "replica-2": 500.0}
    by_replica = {
        Origin.of("production", run): ErrorSummary(
            **summary, forces_mae_meV_per_angstrom=error, energy_mae_meV_per_atom=error / 10
        )
        for run, error in errors.items()
    }
    mixed = Estimate.unknown(240.0)
    return ProductionAuditDoc(
        key="audit",
        committee_key="committee",
        label_keys=[],
        n_frames=6,
        by_replica=by_replica,
        forces_mae_meV_per_angstrom=mixed,
        forces_rmse_meV_per_angstrom=mixed,
        energy_mae_meV_per_atom=mixed,
        notes=["note"],
    )


def test_error_in_production_is_a_mean_over_the_averaged_runs(audit):
    found = audit_of_runs(audit, ["replica-0", "replica-1"])
    assert found.forces_mae_meV_per_angstrom.value == 110.0
    assert found.forces_mae_meV_per_angstrom.n_independent == 2
    assert found.energy_mae_meV_per_atom.value == 11.0
    assert found.n_frames == 4
    assert found.notes == [
        "note",
        "Errors in production of replica-2, which is not averaged: 500 meV/Å, 50.0 meV/atom.",
    ]
    assert audit_of_runs(audit, ["replica-0", "replica-1", "replica-2"]) is audit
    assert audit_of_runs(audit, ["replica-7"]) is audit
