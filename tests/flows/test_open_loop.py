"""The active-learning loop in a flow without a campaign: own labels, own selection, own structures."""

from dataclasses import replace
from pathlib import Path

import pytest
from ase.io import write
from jobflow import Flow, run_locally

from interphase_flows import (
    CalculatorSpec,
    CrystalsMaker,
    DatasetMaker,
    ImportDatasetMaker,
    InitialDataMaker,
    LabelMaker,
    LabelSetMaker,
    ProductionMaker,
)
from interphase_flows.campaign.structures import CrystalSpec, InterfaceSnapshotSpec
from interphase_flows.datasets.frames import read_extxyz
from interphase_flows.exceptions import InputError
from interphase_flows.flows.pretraining import PretrainingMaker
from interphase_flows.jobs.structures.interfaces import SnapshotsMaker
from interphase_flows.jobs.structures.perturbed import PerturbSetMaker
from interphase_flows.jobs.structures.structure_sets import as_set
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.model import ModelDoc
from interphase_flows.schemas.segment import Walker
from interphase_flows.structures.crystals.library import load_crystal
from own_steps import SHORT, OwnLabelMaker, labelled, loop, metals
from tiny_training import CUTOFF_ANGSTROM

pytestmark = [
    pytest.mark.usefixtures("empty_folder"),
    pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning"),  # jobflow 0.4 still calls it
]


def run(flow: Flow) -> list:
    """Return the last output of every job."""
    done = run_locally(flow, create_folders=True, ensure_success=True, log=False)
    return [outputs[max(outputs)].output for outputs in done.values()]


def result_of(outputs: list) -> dict:
    (result,) = (each for each in outputs if isinstance(each, dict) and "iterations" in each)
    return result


def test_loop_from_own_frames_and_structures_runs_in_an_empty_folder():
    """One iteration after the first: its labels are by the user's method, and its frames by the user's rule."""
    write("mine.extxyz", labelled(metals()))
    learning = loop().make(Path("mine.extxyz"), metals(2))
    production = ProductionMaker(segment_maker=SHORT, n_replicas=1, n_segments=1).make(
        metals(1)[0], learning.output["committee"]
    )
    outputs = run(Flow([learning, production]))
    result = result_of(outputs)
    first, last = result["iterations"]
    assert (first.decision, last.decision) == ("continue", "budget_exhausted")
    assert (first.n_labels_new, last.n_labels_new) == (0, 3)
    assert last.stop_reasons == {"explore-0": "finished", "explore-1": "finished", "audit-0": "finished"}
    assert last.fresh_audit_errors.n_frames == 1
    assert len(result["committee"].models) == 2
    dataset = result["dataset"]
    assert dataset.method.settings["arguments"] == '{"asap_cutoff": true}'
    origins = {frame.info["origin"] for frame in read_extxyz(Path(dataset.artifact.path))}
    assert origins >= {"imported/train", "audit/audit-0"}
    assert any("most uncertain" in each.notes for each in outputs if getattr(each, "name", "") == "selection")
    (produced,) = (each for each in outputs if getattr(each, "run_id", "") == "replica-0")
    assert produced.committee_key == result["committee"].key


def test_loop_takes_outputs_of_other_jobs_and_own_walkers():
    """A dataset of another flow, and structures that another job labels."""
    dataset = ImportDatasetMaker(method=OwnLabelMaker().reference_method().identity).make(labelled(metals()))
    walkers = [Walker(run_id="mine", role="explore", seed=1, index=0)]
    learning = loop().make(dataset.output, metals(1), walkers)
    last = result_of(run(Flow([dataset, learning])))["iterations"][-1]
    assert last.stop_reasons == {"mine": "finished"}
    assert last.n_labels_new == 2


def test_loop_starts_from_initial_data_of_another_pair():
    """Generated and labelled in the same flow; amorphous cells are left out."""
    spheres = CalculatorSpec(name="tiny_training.Spheres")
    learner = loop()
    learner.label_set_maker = LabelSetMaker(label_maker=LabelMaker(reference=spheres))
    initial = InitialDataMaker(
        snapshots_maker=SnapshotsMaker(
            spec=InterfaceSnapshotSpec(n_steps=2, snapshot_interval_steps=1), driver=spheres
        ),
        amorphous_maker=None,
        crystals_maker=CrystalsMaker(spec=CrystalSpec(n_per_phase=1)),
        label_set_maker=learner.label_set_maker,
        n_interface_walkers=1,
    ).make("Li", load_crystal("Li2S", {}))
    learning = learner.make(*(initial.output[name] for name in ("batch", "starts", "walkers")))
    result = result_of(run(Flow([initial, learning])))
    assert result["dataset"].method.name == "Spheres"
    assert result["iterations"][-1].stop_reasons.keys() == {"interface-0", "audit-1", "crystal-0"}
    assert {origin.family for origin in result["dataset"].split_of_origin} >= {"crystal", "interface", "explore"}


def test_loop_takes_a_batch_of_labels_and_a_pretraining():
    """Pre-training is by another method; its labels are in no dataset of the loop."""
    cheap = CalculatorSpec(name="ase.calculators.emt.EMT")
    pretraining = PretrainingMaker(
        perturb_maker=PerturbSetMaker(n_structures=14, max_strain=0.02, rattle_angstrom=0.05),
        label_set_maker=LabelSetMaker(label_maker=LabelMaker(reference=cheap)),
        dataset_maker=DatasetMaker(cutoff_angstrom=CUTOFF_ANGSTROM),
        train_maker=loop().train_maker,
        n_members=2,
    )
    labels = OwnLabelMaker().make(metals())
    structures = as_set(metals())
    learning = replace(loop(), pretraining_maker=pretraining).make(labels.output, metals(2), structures=structures)
    outputs = run(Flow([labels, learning]))
    result = result_of(outputs)
    assert result["iterations"][0].n_labels_new == 10
    assert {origin.family for origin in result["dataset"].split_of_origin} == {"given", "explore", "audit"}
    (cheap_set,) = (
        each for each in outputs if isinstance(each, DatasetDoc) and each.method != result["dataset"].method
    )
    assert sum(cheap_set.n_frames.values()) == 14
    models = {each.key: each for each in outputs if isinstance(each, ModelDoc)}
    for model in result["committee"].models:
        first = models[model.parent_key]
        assert models[first.parent_key].dataset_key == cheap_set.key
    assert len(models) == 6


def test_labels_of_another_method_are_rejected_with_a_hint():
    dataset = ImportDatasetMaker.make.original(ImportDatasetMaker(), labelled(metals()))
    batch = OwnLabelMaker.make.original(OwnLabelMaker(), metals(1))
    with pytest.raises(InputError, match=r"has labels by imported .* by EMT .*Hint"):
        DatasetMaker.make.original(DatasetMaker(), batch, dataset)
    assert DatasetMaker.make.original(DatasetMaker(), dataset) is dataset
