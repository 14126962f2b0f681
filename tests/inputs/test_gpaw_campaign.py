"""The campaign file with labels by GPAW: planned also on a machine where GPAW is not installed."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.yaml_file import load_yaml_model
from interphase_flows.cli import app
from interphase_flows.costs.plan import plan_labels
from interphase_flows.exceptions import SettingsError
from interphase_flows.reference.gpaw import method as gpaw

WORKFLOWS = Path(__file__).parents[2] / "workflows"
FILE = WORKFLOWS / "li_li7p3s11_gpaw.yaml"


@pytest.fixture
def _without_gpaw(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where nobody has installed the extra."""

    def known(name: str) -> str:
        if name.startswith("gpaw"):
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(gpaw, "version", known)


@pytest.mark.usefixtures("_without_gpaw")
def test_the_dry_run_needs_no_gpaw():
    """Its plan is printed, and how to install what is missing."""
    answer = CliRunner().invoke(app, ["run", str(FILE), "--dry-run"])
    assert answer.exit_code == 0, answer.output
    assert "by gpaw" in answer.output
    assert "nothing was computed" in answer.output
    assert "pip install 'interphase-flows[gpaw]'" in answer.output


@pytest.mark.usefixtures("_without_gpaw")
def test_a_run_without_gpaw_is_refused_before_anything_starts(tmp_path):
    """With the same words, and no folder of a campaign is left behind."""
    answer = CliRunner().invoke(app, ["run", str(FILE), "--root", str(tmp_path / "runs")])
    assert isinstance(answer.exception, SettingsError)  # which the command turns into one line and status 2
    assert "pip install 'interphase-flows[gpaw]'" in str(answer.exception)
    assert not (tmp_path / "runs").exists()


def test_it_has_fewer_labels_than_the_quickstart():
    """A label by GPAW takes minutes; the loop still turns once."""
    few, many = (
        plan_labels(load_yaml_model(WORKFLOWS / f"li_li7p3s11_{name}.yaml", Campaign))
        for name in ("gpaw", "quickstart")
    )
    assert len(few.initial) + len(few.loop) < (len(many.initial) + len(many.loop)) / 3
    assert few.loop
