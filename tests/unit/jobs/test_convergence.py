"""The convergence study with a method of known errors."""

import subprocess
from dataclasses import replace
from math import exp
from typing import ClassVar

import numpy as np
import pytest

from interphase_flows.campaign.schema import Campaign
from interphase_flows.commands.convergence import run_convergence_study
from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import DiskFullError, InputError, ReferenceMethodError, SettingsError
from interphase_flows.flows.convergence_study import ConvergenceStudyMaker, study_phases
from interphase_flows.jobs.convergence import ConvergenceMaker, ConvergenceStructuresMaker
from interphase_flows.jobs.labels import LabelMaker
from interphase_flows.reference.convergence import Tolerances
from interphase_flows.reference.labelling import RawLabel
from interphase_flows.reference.spec import MethodSpec
from interphase_flows.settings import ClusterSettings, Settings
from interphase_flows.storage.workspace import open_workspace
from small_disk import small_disk

HALVING_EV = 50.0
ERROR_EV_PER_S = 0.2


class Waves:
    """Reference method whose error per sulfur atom decays with the cutoff; k-points are exact from density 3."""

    def __init__(self, spec, settings):
        self.spec, self.fails_for = spec, spec.fails_for

    @property
    def identity(self):
        from interphase_flows.schemas.label import MethodIdentity

        key = f"waves-{self.spec.cutoff_eV:g}-{self.spec.k_density_per_inverse_angstrom:g}"
        return MethodIdentity(name="waves", code="W", version="1", is_surrogate=False, settings={}, key=key)

    def supports(self, atoms):
        return None

    def label(self, atoms, folder=None):
        if self.fails_for in atoms.symbols and self.spec.cutoff_eV == 300:
            raise ReferenceMethodError("did not converge", "scf_not_converged")
        error = exp(-self.spec.cutoff_eV / HALVING_EV) * exp(8.0)
        coarse = 0.004 if self.spec.k_density_per_inverse_angstrom < 3 else 0.0
        n_sulfur = list(atoms.symbols).count("S")
        forces = 0.0 * atoms.positions
        forces[0, 0], forces[1 % len(atoms), 0] = error / 10, -error / 10
        if len(atoms) == 1:
            forces[:] = 0.0
        return RawLabel(
            -3.0 * len(atoms) + n_sulfur * error * ERROR_EV_PER_S + coarse * n_sulfur,
            forces,
            np.full(6, error / 1000),
        )


class WavesSpec(MethodSpec):
    method: str = "waves"
    cutoff_eV: float = 350.0
    k_density_per_inverse_angstrom: float = 3.0
    gamma_above_atoms: int = 40
    fails_for: str = "none"

    implementation: ClassVar[str] = f"{__name__}:Waves"


def study(fails_for="none", **options):
    # the forces of this method know no symmetry
    gates = Gates(max_asymmetry_eV_per_angstrom=100.0)
    campaign = Campaign(name="unit", gates=gates).model_copy(update={"reference": WavesSpec(fails_for=fails_for)})
    return replace(ConvergenceStudyMaker.from_campaign(campaign), **options)


def run(maker):
    """Run the jobs of a study in this process."""
    labels, places = maker.label_maker, maker.places()
    structures = ConvergenceStructuresMaker.make.original(ConvergenceStructuresMaker(), list(places), 1)
    batches = [
        LabelMaker.make.original(
            replace(labels, reference=maker.spec_at(point)),
            structures,
            [i for name in point.phases for i in places[name]],
        )
        for point in maker.points()
    ]
    assessment = ConvergenceMaker(reference=labels.reference, tolerances=maker.tolerances)
    return ConvergenceMaker.make.original(assessment, ["Li", "Li7P3S11"], structures, maker.points(), batches)


def test_study_phases_are_those_of_the_full_reaction():
    assert study_phases(Campaign(name="unit")) == ["Li", "Li3P", "Li2S", "Li7P3S11"]


def test_points_start_with_the_campaign_setting_without_repetition():
    """A large cell at Gamma is labelled on one mesh only, on request."""
    points = study(cutoffs_eV=(300, 350, 500), k_densities=(2, 3), gamma_check_density=1.5).points()
    shown = [(p.axis, p.cutoff_eV, p.k_density_per_inverse_angstrom, len(p.phases)) for p in points]
    assert shown == [
        ("own", 350.0, 3.0, 4),
        ("cutoff", 300.0, 3.0, 4),
        ("cutoff", 500.0, 3.0, 4),
        ("k_density", 350.0, 2.0, 3),
        ("gamma", 350.0, 1.5, 1),
    ]
    maker = study(gamma_check_density=1.5)
    assert maker.spec_at(points[-1]).gamma_above_atoms == 43
    assert maker.places() == {"Li": [0, 1], "Li3P": [2, 3], "Li2S": [4, 5], "Li7P3S11": [6]}


def test_method_without_cutoff_raises():
    with pytest.raises(InputError, match="chgnet has neither cutoff nor k-points"):
        ConvergenceStudyMaker.from_campaign(Campaign(name="unit")).points()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cutoffs_eV": (0, 300)}, "cutoffs: 0: .*greater than"),
        ({"cutoffs_eV": (300, 1e300)}, r"cutoffs: 1e\+300: .*less than"),
        ({"k_densities": (2, 1e300)}, r"k-densities: 1e\+300: .*less than"),
        ({"gamma_check_density": 1e300}, r"gamma-check: 1e\+300: .*less than"),
    ],
)
def test_settings_out_of_range_raise(changes, message):
    with pytest.raises(InputError, match=message):
        ConvergenceStudyMaker(**changes).points()


def test_known_errors_are_found_and_cheapest_setting_is_chosen(workspace):
    """The error per sulfur atom cancels in the reaction energy and not in the forces."""
    document = run(
        study(
            cutoffs_eV=(300, 350, 400, 500),
            k_densities=(2, 3, 4),
            tolerances=Tolerances(3.0, 200.0, 5.0),
        )
    )
    values = document.model_dump()
    rows = {(p["axis"], p["cutoff_eV"], p["k_density_per_inverse_angstrom"]): p for p in values["points"]}
    # 11 S on both sides of the reaction: the error cancels
    assert rows["cutoff", 300.0, 3.0]["errors"]["energy_meV_per_atom"]["reaction"] == pytest.approx(0, abs=1e-6)
    error = exp(8.0) * (exp(-300 / HALVING_EV) - exp(-500 / HALVING_EV))
    assert rows["cutoff", 300.0, 3.0]["worst"]["force_meV_per_angstrom"] == pytest.approx(100 * error)
    assert rows["cutoff", 500.0, 3.0]["is_reference_setting"]
    # 300 eV: forces are off by 730 meV/Å; 350 eV: by 260; 400 eV: by 90
    assert (values["chosen"]["cutoff_eV"], values["chosen"]["k_density_per_inverse_angstrom"]) == (400.0, 2.0)
    assert values["chosen"]["is_within"]
    assert not values["own"]["is_within"]
    assert values["own"]["margins"]["force_meV_per_angstrom"] < 0
    assert values["own"]["not_assessed"] == []
    assert values["reaction"] == "Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P"


def test_repeated_study_reuses_document_and_labels(workspace):
    first = run(study(cutoffs_eV=(300, 500), k_densities=(3,)))
    n_labels = workspace.ledger.count("labels")
    assert run(study(cutoffs_eV=(300, 500), k_densities=(3,))) == first
    assert workspace.ledger.count("labels") == n_labels == 21


def test_setting_with_rejected_label_is_not_chosen(workspace):
    document = run(study("S", cutoffs_eV=(300, 500), k_densities=(3,), tolerances=Tolerances(1e6, 1e6, 1e6)))
    assert document.chosen.cutoff_eV == 350.0
    assert any("scf_not_converged" in note for note in document.notes)
    incomplete = next(p for p in document.model_dump()["points"] if p["cutoff_eV"] == 300.0)
    assert set(incomplete["missing"]) == {"Li2S", "Li7P3S11"}


def test_full_or_read_only_disk_is_named_and_finished_labels_are_reused(tmp_path):
    campaign = Campaign(name="unit").model_copy(update={"reference": WavesSpec()})
    maker = study(cutoffs_eV=(300.0, 400.0), k_densities=(3.0,), phases=["Li", "Li2S"])
    with small_disk(tmp_path / "disk", "size=48k") as disk:
        # a lease that could not be released ends by its age
        settings = Settings(root=disk, cluster=ClusterSettings(lease_s=2.0))
        with pytest.raises(DiskFullError, match=r"full.*Hint: free some space"):
            run_convergence_study(campaign, maker, settings)
        with open_workspace(settings, "unit", read_only=True) as workspace:
            before = {label["key"]: label["created_at"] for label in workspace.ledger.find("labels")}
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(SettingsError, match=r"Read-only file system.*Hint: set root"):
            run_convergence_study(campaign, maker, settings)
        subprocess.run(["mount", "-o", "remount,rw,size=8m", str(disk)], check=True)
        run_convergence_study(campaign, maker, settings)
        with open_workspace(settings, "unit", read_only=True) as workspace:
            after = {label["key"]: label["created_at"] for label in workspace.ledger.find("labels")}
    assert before.items() <= after.items()
    assert before
