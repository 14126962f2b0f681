"""Blocks of a campaign file on what the committee starts from."""

from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from pydantic import ValidationError

from interphase_flows.campaign.committee import CampaignCommitteeSpec
from interphase_flows.campaign.methods import missing_on_this_machine
from interphase_flows.campaign.schema import Campaign
from interphase_flows.campaign.validate import check_campaign
from interphase_flows.costs.campaign_plan import plan_campaign
from interphase_flows.exceptions import CampaignFileError, InputError, SettingsError
from interphase_flows.jobs.structures.perturbed import PerturbSetMaker
from interphase_flows.jobs.structures.structure_sets import load_set, store_set
from interphase_flows.jobs.train import TrainMaker
from interphase_flows.potentials.spec import FineTuningSpec
from interphase_flows.reference.labelling import ReferenceMethod
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.spec import MethodSpec
from interphase_flows.schemas.origin import Origin
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace
from loop_documents import committee

PRETRAINING = {"n_labels": 700}


def campaign(**committee: object) -> Campaign:
    return Campaign(name="c", reference="gpaw", committee=committee)


def test_a_committee_starts_from_one_potential():
    with pytest.raises(ValueError, match="exclude each other"):
        campaign(pretraining=PRETRAINING, start_from="x.ckpt")
    with pytest.raises(ValueError, match="name a cheaper one"):
        Campaign(name="c", reference="chgnet", committee={"pretraining": PRETRAINING})


def test_first_training_has_the_epochs_of_its_start():
    spec = {"training": {"max_epochs": 90}, "fine_tuning": {"max_epochs": 12}}
    assert CampaignCommitteeSpec(**spec).first_epochs == 90
    assert CampaignCommitteeSpec(**spec, start_from="x.ckpt").first_epochs == 12
    assert CampaignCommitteeSpec(**spec, pretraining=PRETRAINING).first_epochs == 12


def test_plan_counts_the_labels_and_epochs_of_a_pretraining():
    random, pretrained = (
        {stage.stage: stage for stage in plan_campaign(each)}
        for each in (campaign(), campaign(pretraining=PRETRAINING))
    )
    assert set(pretrained) - set(random) == {"pre-training"}
    assert pretrained["pre-training"].amount == "700 labels with chgnet, 3 members x 100 epochs"
    assert pretrained["training"].cost_s < random["training"].cost_s
    assert "members x up to 460 epochs" in pretrained["training"].amount


def test_plan_of_a_pretraining_has_the_cutoff_of_its_method():
    coarse, fine = (
        {stage.stage: stage for stage in plan_campaign(found)}["pre-training"]
        for found in (
            campaign(pretraining={"reference": {"method": "gpaw", "cutoff_eV": cutoff}, "n_labels": 20})
            for cutoff in (250, 500)
        )
    )
    assert fine.cost_s > 1.5 * coarse.cost_s


def test_a_member_starts_from_one_potential():
    with pytest.raises(InputError, match="parent and start exclude each other"):
        TrainMaker.make.original(TrainMaker(), "mine.extxyz", parent=committee().models[0], start="x.ckpt")


def test_relative_file_starts_from_the_folder_of_the_campaign(tmp_path):
    found = campaign(start_from="potentials/mine.ckpt").with_absolute_files(tmp_path)
    assert found.committee.start_from == str(tmp_path / "potentials" / "mine.ckpt")
    in_home = campaign(start_from="~/mine.ckpt").with_absolute_files(tmp_path)
    assert in_home.committee.start_from == str(Path.home().resolve() / "mine.ckpt")


def test_each_member_may_start_from_its_own_file(tmp_path):
    found = campaign(start_from=["a.ckpt", "b.ckpt", "c.ckpt"]).with_absolute_files(tmp_path).committee
    assert [found.of_training().start_of(member) for member in range(3)] == [str(tmp_path / f"{k}.ckpt") for k in "abc"]
    assert campaign(start_from="a.ckpt").committee.start_of(2) == "a.ckpt"
    assert campaign().committee.start_of(2) is None
    assert campaign(start_from=["a.ckpt", "b.ckpt"], n_members=2).committee.first_epochs == FineTuningSpec().max_epochs
    with pytest.raises(ValidationError, match="2 files for 3 members"):
        campaign(start_from=["a.ckpt", "b.ckpt"])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing.ckpt", None, "no such file"),
        ("mine.pth", b"", "not a checkpoint"),
        ("mine.ckpt", b"x", "is not a checkpoint"),
    ],
)
def test_unusable_file_is_a_mistake_of_the_campaign(tmp_path, name, content, reason):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CampaignFileError, match=rf"committee\.start_from: .*{reason}"):
        check_campaign(campaign(start_from=str(path)))


def test_weights_of_elements_that_no_phase_has_are_a_mistake():
    with pytest.raises(CampaignFileError, match=r"forces_weight_of_element: no Cl in the phases, only Li, P, S"):
        check_campaign(campaign(training={"forces_weight_of_element": {"P": 3, "Cl": 2}}))


def test_copies_keep_the_origin_and_composition_of_their_structure(tmp_path):
    frames = [bulk("Li", cubic=True) * 2, bulk("LiF", "rocksalt", a=4.0, cubic=True)]
    origins = [Origin("crystal/Li"), Origin("crystal/LiF")]
    with Workspace(Settings(root=tmp_path / "runs"), "unit") as workspace, use_workspace(workspace):
        given = store_set("set", "two", frames, origins)
        maker = PerturbSetMaker(n_structures=7, max_strain=0.02, rattle_angstrom=0.05)
        made = PerturbSetMaker.make.original(maker, given, 3)
        structures = load_set(made)
        again = PerturbSetMaker.make.original(maker, given, 3)
        fewer = PerturbSetMaker.make.original(PerturbSetMaker(n_structures=1), given, 3)
    assert again.key == made.key
    assert [entry.origin for entry in made.entries] == [*origins, *origins, *origins, origins[0]]
    assert [frame.get_chemical_formula() for frame in structures[:2]] * 3 == [
        frame.get_chemical_formula() for frame in structures[:6]
    ]
    assert len({entry.key for entry in made.entries}) == 7
    assert [entry.origin for entry in fewer.entries] == origins


def test_method_of_the_pretraining_is_checked_like_the_reference_method(monkeypatch):
    """Without it, all structures would be computed before the first label fails."""

    def without_chgnet(spec: MethodSpec, settings: Settings | None = None) -> ReferenceMethod:
        if spec.method == "chgnet":
            raise SettingsError("no CHGNet here")
        return reference_method(spec, settings)

    monkeypatch.setattr("interphase_flows.campaign.methods.reference_method", without_chgnet)
    found = Campaign(name="c", reference="vasp", committee={"pretraining": PRETRAINING})
    check_campaign(found)
    missing = missing_on_this_machine(found, Settings(vasp_command="true"))
    assert missing[-1] == "chgnet (committee.pretraining.reference): no CHGNet here"


def test_a_small_pretraining_has_every_origin_and_no_isolated_atom(tmp_path):
    """With fewer origins, the structures that the dataset holds out would train, and elements would be missing."""
    origins = [Origin(f"interface/{run}") for run in (1, 1, 1, 2, 3)] + [Origin("atom/F")]
    frames = [bulk("Li", cubic=True, a=3.4 + 0.01 * n) for n in range(4)]
    frames += [bulk("LiF", "rocksalt", a=4.0, cubic=True), Atoms("F", cell=[9.0] * 3, pbc=True)]
    with Workspace(Settings(root=tmp_path / "runs"), "unit") as workspace, use_workspace(workspace):
        given = store_set("set", "three runs", frames, origins)
        made = PerturbSetMaker.make.original(PerturbSetMaker(n_structures=3), given, 3)
        copied = PerturbSetMaker.make.original(PerturbSetMaker(n_structures=9), given, 3)
    assert [entry.origin for entry in made.entries] == [origins[0], origins[3], origins[4]]
    assert len(copied.entries) == 9
    assert not any(entry.origin == origins[-1] for entry in copied.entries)
