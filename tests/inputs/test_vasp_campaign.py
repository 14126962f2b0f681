"""Campaign file at the scale of the published study: plan and checks on a machine without VASP."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from interphase_flows.campaign.schema import Campaign
from interphase_flows.cli import app
from interphase_flows.costs.plan import plan_labels
from interphase_flows.exceptions import SpeedError
from interphase_flows.runners.site_check.machine_checks import check_machine
from interphase_flows.settings import Settings

FILE = Path(__file__).parents[2] / "workflows" / "li_li7p3s11_vasp.yaml"


@pytest.fixture(autouse=True)
def no_vasp(monkeypatch):
    """Unset all settings of VASP."""
    monkeypatch.delenv("VASP_CMD", raising=False)
    monkeypatch.setattr("pymatgen.io.vasp.inputs.SETTINGS", {})

    def do_not_measure(campaign, settings):
        raise SpeedError("not measured here: tests/unit/runners/test_speed_measurement.py")

    monkeypatch.setattr("interphase_flows.runners.speed_measurement.ten_steps", do_not_measure)


@pytest.fixture(scope="module")
def campaign():
    return Campaign.from_file(FILE)


def test_dry_run_without_vasp_prints_the_plan():
    result = CliRunner().invoke(app, ["run", str(FILE), "--dry-run", "--no-measure"])
    assert result.exit_code == 0, result.output
    assert "by vasp" in result.output
    assert "nothing of the campaign was computed" in result.output


def test_campaign_has_the_scale_of_the_published_study(campaign):
    """PBEsol, about 10,000 labels, three iterations, three replicas or more, 300 K, 1 fs, 10 ns."""
    labels = plan_labels(campaign)
    assert campaign.reference.functional == "PBEsol"
    assert 9500 <= len(labels.initial) + len(labels.loop) <= 10500
    assert campaign.learning.min_iterations == campaign.learning.max_iterations == 3
    production = campaign.production
    assert production.n_replicas >= 3
    assert (production.dynamics.temperature_K, production.dynamics.timestep_fs) == (300.0, 1.0)
    assert production.n_segments * production.steps_per_segment * production.dynamics.timestep_fs == 1e7


def test_check_names_missing_settings_without_running_vasp(campaign, tmp_path):
    checks = {check.name: check for check in check_machine(Settings(root=tmp_path), campaign)}
    assert not checks["VASP's command"].passed
    assert "VASP_CMD" in checks["VASP's command"].message
    assert not checks["VASP's potentials"].passed
    assert "PMG_VASP_PSP_DIR" in checks["VASP's potentials"].message


def test_check_reports_a_potential_of_another_release(campaign, tmp_path, monkeypatch):
    """With the first lines instead of the licensed files."""

    class FirstLine:
        def __init__(self, symbol):
            date = "06Sep2000" if symbol in ("P", "S") else "17Jan2003"
            self.TITEL = f"PAW_PBE {symbol} {date}"

    monkeypatch.setattr(
        "pymatgen.io.vasp.inputs.PotcarSingle.from_symbol_and_functional",
        lambda symbol, functional: FirstLine(symbol),
    )
    settings = Settings(root=tmp_path, vasp_command="true vasp_std")
    checks = {check.name: check for check in check_machine(settings, campaign)}
    assert checks["VASP's command"].passed
    assert "`PAW_PBE Li_sv 17Jan2003`" in checks["VASP's potentials"].message
    assert "`PAW_PBE Li_sv 10Sep2004`" in checks["VASP's potentials"].message
