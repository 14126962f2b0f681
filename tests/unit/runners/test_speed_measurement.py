"""Measurement of a machine: what is measured, that it is used and cached, and what happens if it fails.

The tutorial, whose commands a test runs, measures in processes.
"""

import numpy as np
import pytest
from typer.testing import CliRunner

from interphase_flows.campaign.schema import Campaign
from interphase_flows.cli import app
from interphase_flows.costs.machine_speed import StepTime
from interphase_flows.costs.plan import production_cell_atoms
from interphase_flows.costs.speed_process import SpeedReport, SpeedRequest, measure
from interphase_flows.exceptions import SpeedError
from interphase_flows.runners import speed_measurement
from interphase_flows.runners.site_check.machine_checks import check_machine
from interphase_flows.runners.speed_measurement import campaign_speed, measured_cells, speed_of
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace
from tiny_training import SPEC, TRAINING

FIELDS = {
    "name": "unit",
    "committee": {"model": SPEC.model_dump(), "n_members": 3},
    "production": {
        "interface": {
            "electrode_angstrom": 12,
            "electrolyte_angstrom": 12,
            "lateral_angstrom": 10,
            "facets": ["110/001"],
            "max_strain": 0.05,
        }
    },
}
CAMPAIGN = Campaign.model_validate(FIELDS)


def report(factor: float = 1.0) -> SpeedReport:
    return SpeedReport(
        steps=[StepTime(n_atoms=84, step_s=0.01 * factor, member_s=0.02 * factor)],
        load_s=factor,
        segment_s=2.0 * factor,
        bytes_per_atom_frame=9.0,
        memory_GB=0.5 * factor,
        memory_kB_per_atom=60.0,
        training_s_per_atom_epoch=1e-4 * factor,
        surrogate_s={84: 0.3 * factor},
    )


@pytest.fixture
def runs(monkeypatch) -> list[tuple[SpeedRequest, int]]:
    """Return the requests of processes, which are not started."""
    found = []

    def run(request, n_processes):
        found.append((request, n_processes))
        return [report(1.0 + 0.5 * number) for number in range(n_processes)]

    monkeypatch.setattr(speed_measurement, "_run", run)
    return found


def test_speed_is_the_mean_of_processes_at_the_same_time(tmp_path):
    speed = speed_of([report(1.0), report(2.0)], None, Settings(root=tmp_path))
    assert speed.steps[0] == StepTime(n_atoms=84, step_s=0.015, member_s=0.03)
    assert (speed.segment_s, speed.training_s_per_atom_epoch) == pytest.approx((3.0, 1.5e-4))
    assert speed.surrogate_s == {84: pytest.approx(0.45)}
    assert (speed.memory_GB, speed.n_processes, speed.evaluation, speed.compile_s) == (1.0, 2, "eager", 0.0)


def test_campaign_is_measured_once_in_its_own_cells(tmp_path, runs):
    settings = Settings(root=tmp_path)
    speed = campaign_speed(CAMPAIGN, settings, 2)
    assert campaign_speed(CAMPAIGN, settings, 2) == speed
    ((request, n_processes),) = runs
    assert n_processes == speed.n_processes == 2
    assert request.elements == ["Li", "P", "S"]
    assert request.measures_surrogate
    assert request.training == CAMPAIGN.committee.training
    assert [path.name for path in tmp_path.iterdir()] == [".machine_speed"]
    campaign_speed(CAMPAIGN, settings, 1)
    assert [n for _, n in runs] == [2, 1]


def test_cells_are_those_of_the_loop_and_of_production(tmp_path):
    with Workspace(Settings(root=tmp_path), "unit") as workspace, use_workspace(workspace):
        labelled, production = measured_cells(CAMPAIGN, 10_000)
        wide = CAMPAIGN.production.interface.model_copy(update={"lateral_angstrom": 40})
        wide = CAMPAIGN.production.model_copy(update={"interface": wide})
        narrower = measured_cells(CAMPAIGN.model_copy(update={"production": wide}), 1_000)[-1]
        smallest = measured_cells(CAMPAIGN, 100)[-1]
    assert (len(labelled), len(production)) == (84, production_cell_atoms(CAMPAIGN)[0])
    assert len(production) < len(narrower) < 1_500
    assert len(smallest) == len(production)
    assert narrower.cell.array[2, 2] == pytest.approx(production.cell.array[2, 2])


def test_dry_run_plans_with_the_measured_speed(tmp_path, runs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("name: unit\n")

    def dry_run(*options):
        result = CliRunner().invoke(app, ["run", "c.yaml", "--dry-run", "--workers", "2", *options])
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    assert "Measured on this machine, eager, 2 processes at the same time: 80 steps/s at 84 atoms." in dry_run()
    assert len(runs) == 1
    assert "Measured on this machine" in dry_run("--no-measure"), "a stored measurement is used"
    assert len(runs) == 1


def test_failed_measurement_leaves_built_in_figures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("name: unit\n")

    def fail(request, n_processes):
        raise SpeedError("the measurement failed: out of memory")

    monkeypatch.setattr(speed_measurement, "_run", fail)
    result = CliRunner().invoke(app, ["run", "c.yaml", "--dry-run"])
    assert result.exit_code == 0
    assert "built-in figures of a laptop core: the measurement failed" in " ".join(result.output.split())


def test_check_runs_ten_steps_and_prints_the_largest_cell(tmp_path, runs, monkeypatch):
    monkeypatch.setattr(
        "interphase_flows.runners.site_check.machine_checks.available_memory_gb", lambda: 0.5 + 0.06 * 101
    )
    settings = Settings(root=tmp_path)
    checks = {check.name: check for check in check_machine(settings, CAMPAIGN)}
    ((request, n_processes),) = runs
    assert (request.n_steps, n_processes, len(request.cells)) == (10, 1, 1)
    assert checks["dynamics"].passed
    assert checks["dynamics"].message.startswith(
        "100 steps/s at 84 atoms on cpu, eager; at most about 100,000 atoms in 6.6 GB of available memory"
    )


def test_process_measures_dynamics_training_and_memory(tmp_path):
    """Of the tiny architecture in a small cell, in this process."""
    from ase.build import bulk

    cell = bulk("Li", cubic=True).repeat(2)
    cell.symbols[:4] = "S"
    cell.write(tmp_path / "cell.traj")
    found = measure(
        SpeedRequest(
            spec=SPEC, elements=["Li", "S"], n_members=2, cells=[tmp_path / "cell.traj"], n_steps=12, training=TRAINING
        )
    )
    assert [step.n_atoms for step in found.steps] == [16]
    assert min(found.steps[0].step_s, found.steps[0].member_s, found.training_s_per_atom_epoch) > 0
    assert np.isfinite([found.segment_s, found.bytes_per_atom_frame, found.memory_GB]).all()
    assert found.memory_kB_per_atom > 0
