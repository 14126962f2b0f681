"""Labels in a flow without a campaign: own structures, own methods, and the dataset of them."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from jobflow import Flow, run_locally

from interphase_flows.datasets.frames import read_extxyz
from interphase_flows.exceptions import InputError
from interphase_flows.jobs.datasets import DatasetMaker
from interphase_flows.jobs.label_batches import load_labels
from interphase_flows.jobs.labels import LabelMaker, LabelSetMaker, gather_labels
from interphase_flows.reference.ase_calculator import CalculatorMethod
from interphase_flows.reference.labelling import ReferenceMethod
from interphase_flows.reference.spec import CalculatorSpec
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace

pytestmark = [
    pytest.mark.usefixtures("empty_folder"),
    pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning"),  # jobflow 0.4 still calls it
]

EMT = CalculatorSpec(name="ase.calculators.emt.EMT")


@dataclass
class OwnLabelMaker(LabelMaker):
    """EMT by a method that the user defines."""

    def reference_method(self) -> ReferenceMethod:
        return CalculatorMethod(CalculatorSpec(name="ase.calculators.emt.EMT", arguments={"asap_cutoff": True}))


@pytest.fixture
def metals() -> list[Atoms]:
    """Six rattled cells, the last one of an element that EMT lacks."""
    frames = []
    for seed, symbol in enumerate(["Cu", "Cu", "Cu", "Al", "Al", "Li"]):
        frames.append(bulk(symbol, cubic=True))
        frames[-1].rattle(0.05, seed=seed)
    return frames


def run(flow: Flow, *jobs) -> list:
    done = run_locally(flow, create_folders=True, ensure_success=True, log=False)
    return [done[job.uuid][max(done[job.uuid])].output for job in jobs]


def test_labels_of_own_structures_become_a_dataset(metals):
    """The rejected one is left out; the method of the dataset is that of the labels."""
    labels = LabelMaker(reference=EMT).make(metals)
    dataset = DatasetMaker().make(labels.output)
    batch, document = run(Flow([labels, dataset]), labels, dataset)
    assert (len(batch.accepted), len(batch.rejected)) == (5, 1)
    (rejected,) = load_labels(batch, batch.rejected)
    assert "EMT failed on Li2: NotImplementedError: No EMT-potential for Li" in rejected.explanation
    assert document.method == batch.method
    assert document.method.settings["calculator"] == "ase.calculators.emt.EMT"
    assert sum(document.n_frames.values()) == 5
    frames = read_extxyz(Path(document.artifact.path))
    assert {frame.info["method"] for frame in frames} == {"EMT"}


def test_label_set_makes_jobs_that_find_its_structures(metals):
    """A set is replaced by several jobs and their merge."""
    maker = LabelSetMaker(label_maker=LabelMaker(reference=EMT), labels_per_job=2)
    labels = maker.make([*metals, metals[0][[1, 0, 2, 3]]])
    gathered = gather_labels([labels.output])
    (batch,) = run(Flow([labels, gathered]), gathered)
    assert (len(batch.accepted), len(batch.rejected)) == (5, 2)
    assert len(load_labels(batch, [*batch.accepted, *batch.rejected])) == 7
    assert batch.method.name == "EMT"


def test_own_label_maker_replaces_the_method(metals):
    own, given = (type(m).make.original(m, metals[0]) for m in (OwnLabelMaker(), LabelMaker(reference=EMT)))
    assert own.method.settings["arguments"] == '{"asap_cutoff": true}'
    assert own.accepted != given.accepted
    both = gather_labels.original([own, given])
    assert both.method is None
    with pytest.raises(InputError, match=r"labels are by several methods.*Hint"):
        DatasetMaker.make.original(DatasetMaker(), both)


def test_campaign_takes_labels_from_elsewhere(metals, empty_folder):
    batch = LabelMaker.make.original(LabelMaker(reference=EMT), metals)
    with Workspace(Settings(root=empty_folder / "runs"), "c") as workspace, use_workspace(workspace):
        assert len(load_labels(batch, batch.accepted)) == 5
        inside = LabelMaker.make.original(LabelMaker(reference=EMT), metals)
        assert inside.accepted == batch.accepted
        assert inside.documents == []


def test_origin_of_a_structure_is_kept(metals):
    metals[0].info["origin"] = "md/run 1"
    batch = LabelMaker.make.original(LabelMaker(reference=EMT), metals[:2])
    given, other = batch.origins.values()
    assert given == "md/run 1"
    assert other.startswith("given/")


def test_structure_that_is_not_periodic_raises():
    with pytest.raises(InputError, match=r"structure 0 \(Cu\) is not periodic"):
        LabelMaker.make.original(LabelMaker(reference=EMT), Atoms("Cu"))
