"""Campaign file with GPAW labels: plan and errors on a machine without GPAW."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interphase_flows.campaign.schema import Campaign
from interphase_flows.cli import app
from interphase_flows.costs.plan import plan_labels
from interphase_flows.exceptions import SettingsError
from interphase_flows.reference.gpaw import method as gpaw

WORKFLOWS = Path(__file__).parents[2] / "workflows"
FILE = WORKFLOWS / "li_li7p3s11_gpaw.yaml"


@pytest.fixture
def _without_gpaw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide GPAW, as on a machine without the extra."""

    def version_without_gpaw(name: str) -> str:
        if name.startswith("gpaw"):
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(gpaw, "version", version_without_gpaw)


@pytest.mark.usefixtures("_without_gpaw")
def test_dry_run_without_gpaw_prints_plan_and_installation():
    result = CliRunner().invoke(app, ["run", str(FILE), "--dry-run", "--no-measure"])
    assert result.exit_code == 0, result.output
    assert "by gpaw" in result.output
    assert "nothing of the campaign was computed" in result.output
    assert "pip install 'interphase-flows[gpaw]'" in result.output


@pytest.mark.usefixtures("_without_gpaw")
def test_run_without_gpaw_fails_before_any_folder_is_created(tmp_path):
    result = CliRunner().invoke(app, ["run", str(FILE), "--root", str(tmp_path / "runs")])
    assert isinstance(result.exception, SettingsError)
    assert "pip install 'interphase-flows[gpaw]'" in str(result.exception)
    assert not (tmp_path / "runs").exists()


def test_gpaw_campaign_has_fewer_labels_than_the_quickstart_and_one_iteration():
    """A GPAW label takes minutes."""
    few, many = (
        plan_labels(Campaign.from_file(WORKFLOWS / f"li_li7p3s11_{name}.yaml")) for name in ("gpaw", "quickstart")
    )
    assert len(few.initial) + len(few.loop) < (len(many.initial) + len(many.loop)) / 3
    assert few.loop
