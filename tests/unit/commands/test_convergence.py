"""Plan and command line of a convergence study."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from interphase_flows.campaign.schema import Campaign
from interphase_flows.cli import app
from interphase_flows.commands.convergence import plan_convergence_study, run_convergence_study
from interphase_flows.exceptions import InputError, WalltimeReachedError
from interphase_flows.flows.convergence_study import ConvergenceStudyMaker
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import open_workspace


def study(campaign, cutoffs_eV, k_densities, **options) -> ConvergenceStudyMaker:
    own = ConvergenceStudyMaker.from_campaign(campaign)
    return replace(own, cutoffs_eV=cutoffs_eV, k_densities=k_densities, **options)


def test_plan_lists_all_settings_with_increasing_costs():
    """The setting of the campaign comes first."""
    campaign = Campaign(name="plan", reference=GpawSpec(gamma_above_atoms=40))
    planned = plan_convergence_study(study(campaign, (300.0, 500.0), (2.0, 4.0), gamma_check_density=1.5))
    shown = [(p.cutoff_eV, p.k_density_per_inverse_angstrom, p.n_labels) for p in planned]
    assert shown == [(350, 3, 7), (300, 3, 7), (500, 3, 7), (350, 2, 6), (350, 4, 6), (350, 1.5, 1)]
    own, low, high, sparse, dense, mesh = (p.cost_s for p in planned)
    assert low < own < high
    assert sparse < dense
    assert mesh > 0
    assert planned[-1].description == "mesh for Li7P3S11"


def test_expensive_phases_are_excluded_from_denser_meshes_only():
    campaign = Campaign(name="plan", reference=GpawSpec())
    maker = study(campaign, (350.0,), (2.0, 4.0, 6.0), max_label_cost_s=70.0)
    planned = {p.k_density_per_inverse_angstrom: p.description for p in plan_convergence_study(maker)}
    every = "Li, Li3P, Li2S, Li7P3S11"
    assert planned == {3.0: every, 2.0: every, 4.0: "Li, Li3P, Li2S", 6.0: "Li, Li2S"}


def test_gamma_check_adds_one_label_of_the_largest_cell():
    campaign = Campaign(name="plan", reference=GpawSpec())
    planned = plan_convergence_study(study(campaign, (350.0,), (3.0,), gamma_check_density=3.0))
    assert [(p.description, p.n_labels) for p in planned][1:] == [("Gamma for Li7P3S11", 1)]
    assert planned[1].cost_s < planned[0].cost_s / 3


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("name: study\nreference: gpaw\n", encoding="utf-8")
    return path


def test_dry_run_prints_the_plan_and_writes_no_file(study_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["converge", str(study_file), "--cutoffs", "300,400", "--dry-run"])
    assert result.exit_code == 0, result.output
    for part in ("300 eV", "400 eV", "Li7P3S11", "total", "nothing was computed"):
        assert part in result.output
    assert [p.name for p in tmp_path.iterdir()] == ["study.yaml"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cutoffs", "high"], "--cutoffs high: not a list of positive numbers"),
        (["--k-densities=-2"], "--k-densities -2: not a list of positive numbers"),
    ],
)
def test_invalid_options_are_rejected(study_file, options, message):
    result = CliRunner().invoke(app, ["converge", str(study_file), "--dry-run", *options])
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def test_study_stopped_at_the_walltime_stores_neither_result_nor_failures(tmp_path):
    pytest.importorskip("gpaw", reason="GPAW is not installed")
    settings = Settings(root=tmp_path / "runs", walltime_s=1e-3)
    campaign = Campaign(name="study", reference=GpawSpec())
    with pytest.raises(WalltimeReachedError, match="repeat the same interphase converge"):
        run_convergence_study(campaign, ConvergenceStudyMaker(phases=["Li"]), settings)
    with open_workspace(settings, "study", read_only=True) as workspace:
        assert workspace.ledger.count("convergence_studies") == 0
        assert workspace.ledger.count("failures") == 0
