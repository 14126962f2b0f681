"""Refinement of a committee with cells cut out of dynamics in a large cell."""

from dataclasses import dataclass

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore

from interphase_flows.campaign.production import CutoutSpec, ProductionSpec
from interphase_flows.datasets.frames import read_extxyz
from interphase_flows.exceptions import TrainingError
from interphase_flows.flows.production import ProductionMaker
from interphase_flows.flows.refinement import RefinementIterationMaker, RefinementMaker
from interphase_flows.jobs.cutouts import CutoutMaker
from interphase_flows.jobs.inputs import open_job
from interphase_flows.jobs.label_batches import load_labels
from interphase_flows.jobs.production_audit import DrawProductionMaker, ProductionAuditMaker
from interphase_flows.jobs.train import TrainMaker
from interphase_flows.schemas.model import ModelDoc
from interphase_flows.structures.cutouts import is_core
from own_steps import LEARNING, SHORT, labelled, loop, metals

pytestmark = [
    pytest.mark.usefixtures("empty_folder"),
    pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning"),  # jobflow 0.4 still calls it
]

CUTOUTS = CutoutSpec(edge_angstrom=8.5, core_angstrom=3.0, relaxation_steps=3)


def large_cell() -> Atoms:
    atoms = bulk("Cu", cubic=True, a=3.8).repeat((3, 3, 4))
    atoms.symbols[::3] = "Al"
    atoms.rattle(0.1, seed=5)
    return atoms


def test_cells_of_production_train_the_next_committee_and_measure_its_error():
    learner = loop()
    maker = RefinementMaker(
        production_maker=ProductionMaker(segment_maker=SHORT, n_replicas=2, n_segments=1),
        cutout_maker=CutoutMaker(select_maker=learner.select_maker, cutouts=CUTOUTS),
        learner=learner,
        iteration_maker=RefinementIterationMaker(learning=LEARNING),
    )
    learning = learner.make(labelled(metals()), metals(2))
    refinement = maker.make(large_cell(), learning.output)
    committee = refinement.output["committee"]
    production = maker.production_maker.make(large_cell(), committee)
    drawn = DrawProductionMaker(n_per_replica=1, cutouts=CUTOUTS).make(production.output, 1, committee)
    labels = learner.label_set_maker.make(drawn.output)
    audit = ProductionAuditMaker(core_angstrom=CUTOUTS.core_angstrom).make(committee, labels.output)
    flow = Flow([learning, refinement, production, drawn, labels, audit])
    store = JobStore(MemoryStore())
    done = run_locally(flow, store=store, create_folders=True, ensure_success=True, log=False)
    outputs = [responses[max(responses)].output for responses in done.values()]

    cells = next(each for each in outputs if getattr(each, "name", "") == "cutouts")
    assert {entry.origin.family for entry in cells.entries} == {"cutout"}
    assert all(20 < entry.n_atoms < len(large_cell()) for entry in cells.entries)
    assert any("standard deviation of the force on the central atom" in note for note in cells.notes)
    before, after = (
        {name: output[name].resolve(store) for name in ("committee", "dataset", "iterations")}
        for output in (learning.output, refinement.output)
    )
    *earlier, last = after["iterations"]
    assert earlier == before["iterations"]
    assert (last.index, last.decision) == (2, "budget_exhausted")
    assert last.reason.startswith("refined with cells cut out of production: 100% of its frames")
    assert last.n_labels_total == earlier[-1].n_labels_total + len(cells.entries)
    assert [m.parent_key for m in after["committee"].models] == [m.key for m in before["committee"].models]
    frames = read_extxyz(after["dataset"].artifact.path)
    assert {f.info["split"] for f in frames if f.info["origin"].startswith("cutout/")} == {"train"}

    batch, measured = labels.output.resolve(store), audit.output.resolve(store)
    assert set(measured.by_replica) == {"production/replica-0", "production/replica-1"}
    assert measured.n_frames == 2
    assert any("within 3 Å of these atoms" in note for note in measured.notes)
    complete = ProductionAuditMaker.make.original(ProductionAuditMaker(), after["committee"], batch)
    assert complete.key != measured.key
    for label in load_labels(batch, batch.accepted):
        atoms = Atoms(label.numbers, label.positions, cell=label.cell, pbc=True)
        assert 1 < is_core(atoms, CUTOUTS.core_angstrom).sum() < len(atoms)
    ratio = complete.forces_mae_meV_per_angstrom.value / measured.forces_mae_meV_per_angstrom.value
    assert not np.isclose(ratio, 1.0)


def test_nothing_is_trained_where_nothing_is_uncertain():
    learner = loop()
    segment_maker = ProductionMaker(segment_maker=SHORT).segment_maker
    segment_maker.select_force_std_eV_per_angstrom = 1e6
    maker = RefinementMaker(
        production_maker=ProductionMaker(segment_maker=segment_maker, n_replicas=1, n_segments=1),
        cutout_maker=CutoutMaker(select_maker=learner.select_maker, cutouts=CUTOUTS),
        learner=learner,
    )
    learning = learner.make(labelled(metals()), metals(2))
    refinement = maker.make(large_cell(), learning.output)
    store = JobStore(MemoryStore())
    run_locally(Flow([learning, refinement]), store=store, create_folders=True, ensure_success=True, log=False)
    assert refinement.output.resolve(store) == learning.output.resolve(store)


@dataclass
class FailingTrainMaker(TrainMaker):
    @open_job(output_schema=ModelDoc)
    def make(self, dataset, member=0, seed=0, parent=None) -> ModelDoc:
        raise TrainingError("the disk is full")


def test_failed_refinement_leaves_the_committee_to_production():
    learner, failing = loop(), loop()
    failing.train_maker = FailingTrainMaker(spec=learner.train_maker.spec)
    maker = RefinementMaker(
        production_maker=ProductionMaker(segment_maker=SHORT, n_replicas=1, n_segments=1),
        cutout_maker=CutoutMaker(select_maker=learner.select_maker, cutouts=CUTOUTS),
        learner=failing,
        iteration_maker=RefinementIterationMaker(learning=LEARNING),
    )
    learning = learner.make(labelled(metals()), metals(2))
    refinement = maker.make(large_cell(), learning.output)
    store = JobStore(MemoryStore())
    run_locally(Flow([learning, refinement]), store=store, create_folders=True, log=False)
    assert refinement.output.resolve(store) == learning.output.resolve(store)


def test_core_larger_than_the_cell_is_rejected():
    with pytest.raises(ValueError, match=r"core_angstrom \(7\) must be at most half of edge_angstrom \(12\)"):
        ProductionSpec(cutouts={"core_angstrom": 7})
