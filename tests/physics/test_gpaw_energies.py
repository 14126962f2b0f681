"""Convergence study and phase energy by GPAW, at coarse settings."""

from dataclasses import replace
from importlib.util import find_spec

import pytest

from interphase_flows.campaign.schema import Campaign
from interphase_flows.commands.convergence import run_convergence_study
from interphase_flows.datasets.gates import Gates
from interphase_flows.flows.convergence_study import ConvergenceStudyMaker
from interphase_flows.jobs.thermodynamics import RelaxMaker
from interphase_flows.reference.convergence import Tolerances
from interphase_flows.reference.spec import GpawSpec
from interphase_flows.report.sections.convergence import write_convergence_page
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import open_workspace, use_workspace
from interphase_flows.structures.crystals.library import load_phase

pytestmark = pytest.mark.skipif(find_spec("gpaw") is None, reason="GPAW is not installed (extra [gpaw])")

COARSE = GpawSpec(cutoff_eV=200.0, k_density_per_inverse_angstrom=1.0)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return Settings(root=tmp_path_factory.mktemp("runs"), n_threads=1)


def test_convergence_study_of_lithium_finds_one_k_point_per_angstrom_insufficient(settings):
    """The stress of the metal depends more on k-points than on the cutoff; a second study reuses all labels."""
    campaign = Campaign(name="converge", reference=COARSE)
    maker = replace(
        ConvergenceStudyMaker.from_campaign(campaign),
        cutoffs_eV=(200.0, 300.0),
        k_densities=(1.0, 2.0),
        phases=["Li"],
        tolerances=Tolerances(50.0, 50.0, 0.5),
    )
    study = run_convergence_study(campaign, maker, settings)
    worst = {p.axis: p.worst for p in study.points if not p.is_reference_setting}
    assert worst["k_density"]["stress_meV_per_angstrom3"] > 5 * worst["cutoff"]["stress_meV_per_angstrom3"]
    assert study.chosen is None
    assert study.n_labels == 6
    with open_workspace(settings, "converge", read_only=True) as workspace:
        page = write_convergence_page(study, workspace.report_folder)
        assert {d["status"] for d in workspace.ledger.find("labels")} == {"accepted"}
        spent = sum(d["wall_time_s"] for d in workspace.ledger.find("labels"))
    assert "No setting below the most accurate ones" in page.read_text(encoding="utf-8")
    again = run_convergence_study(campaign, maker, settings)
    assert (again.key, again.wall_time_s) == (study.key, pytest.approx(spent))


def test_phase_energy_is_by_gpaw_in_the_geometry_of_the_surrogate(settings):
    """In the published cell; the document records both methods."""
    with open_workspace(settings, "phase") as workspace, use_workspace(workspace):
        maker = RelaxMaker(reference=COARSE, gates=Gates())
        document = RelaxMaker.make.original(maker, "Li")
        label = workspace.ledger.get("labels", document.label_key)
    assert document.geometry_method.startswith("CHGNet")
    assert document.energy_method.startswith("GPAW")
    assert document.cell == "fixed"
    assert document.volume_angstrom3 == pytest.approx(load_phase("Li").get_volume())
    assert document.energy_eV == label["energy_eV"]
    assert label["method_name"] == "gpaw"
    assert label["is_scf_converged"]
