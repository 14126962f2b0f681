"""The plan of a convergence study, and its command, before anything is labelled."""

import pytest
from typer.testing import CliRunner

from interphase_flows.campaign.schema import Campaign
from interphase_flows.cli import app
from interphase_flows.commands.convergence import StudyOptions, plan_convergence_study, run_convergence_study
from interphase_flows.exceptions import InputError, WalltimeReachedError
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import open_workspace


def test_the_plan_names_every_setting_and_dearer_ones_cost_more():
    """The campaign's own setting first; a denser mesh and a higher cutoff take longer."""
    campaign = Campaign(name="plan", reference=GpawSpec(gamma_above_atoms=40))
    planned = plan_convergence_study(campaign, StudyOptions((300.0, 500.0), (2.0, 4.0), 1.5))
    shown = [(p.cutoff_eV, p.k_density_per_inverse_angstrom, p.n_labels) for p in planned]
    assert shown == [(350, 3, 7), (300, 3, 7), (500, 3, 7), (350, 2, 6), (350, 4, 6), (350, 1.5, 1)]
    own, low, high, sparse, dense, mesh = (p.cost_s for p in planned)
    assert low < own < high
    assert sparse < dense
    assert mesh > 0
    assert planned[-1].what == "mesh for Li7P3S11"


def test_a_phase_is_left_out_of_the_meshes_it_is_too_dear_for():
    """Only of meshes denser than the campaign's; every phase has one to be judged by."""
    campaign = Campaign(name="plan", reference=GpawSpec())
    options = StudyOptions((350.0,), (2.0, 4.0, 6.0), max_label_cost_s=70.0)
    planned = {p.k_density_per_inverse_angstrom: p.what for p in plan_convergence_study(campaign, options)}
    every = "Li, Li3P, Li2S, Li7P3S11"
    assert planned == {3.0: every, 2.0: every, 4.0: "Li, Li3P, Li2S", 6.0: "Li, Li2S"}


def test_gamma_alone_is_judged_for_the_largest_cell_of_a_campaign_with_meshes():
    """Against the campaign's own mesh: one label more."""
    campaign = Campaign(name="plan", reference=GpawSpec())
    planned = plan_convergence_study(campaign, StudyOptions((350.0,), (3.0,), 3.0))
    assert [(p.what, p.n_labels) for p in planned][1:] == [("Gamma for Li7P3S11", 1)]
    assert planned[1].cost_s < planned[0].cost_s / 3


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("name: study\nreference: gpaw\n", encoding="utf-8")
    return path


def test_a_dry_run_prints_the_plan_and_leaves_nothing_behind(study_file, tmp_path, monkeypatch):
    """Settings, labels, cost; no folder of a campaign."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["converge", str(study_file), "--cutoffs", "300,400", "--dry-run"])
    assert result.exit_code == 0, result.output
    for words in ("300 eV", "400 eV", "Li7P3S11", "in all", "Nothing was run"):
        assert words in result.output
    assert [p.name for p in tmp_path.iterdir()] == ["study.yaml"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cutoffs", "high"], "--cutoffs: 'high': write numbers"),
        (["--k-densities=-2"], "k-densities: -2; every value must be positive"),
    ],
)
def test_options_that_make_no_sense_are_refused(study_file, options, told):
    """Before anything is labelled."""
    result = CliRunner().invoke(app, ["converge", str(study_file), "--dry-run", *options])
    assert isinstance(result.exception, InputError)
    assert told in str(result.exception)


def test_a_study_whose_time_is_over_says_so_and_judges_nothing(tmp_path):
    """Labels that were not begun are no missing phases, and no study is written down."""
    pytest.importorskip("gpaw", reason="GPAW is not installed")
    settings = Settings(root=tmp_path / "runs", walltime_s=1e-3)
    campaign = Campaign(name="study", reference=GpawSpec())
    with pytest.raises(WalltimeReachedError, match="the same interphase converge again"):
        run_convergence_study(campaign, StudyOptions(phases=("Li",)), settings)
    with open_workspace(settings, "study", read_only=True) as workspace:
        assert workspace.ledger.count("analyses") == 0
        assert workspace.ledger.count("failures") == 0
