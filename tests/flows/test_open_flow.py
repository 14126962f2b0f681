"""Makers in a flow without a campaign: import, training, committee, dynamics, selection."""

from pathlib import Path

import numpy as np
import pytest
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from jobflow import Flow, run_locally

import tiny_training
from interphase_flows import CommitteeMaker, ImportDatasetMaker, SegmentMaker, SelectMaker, TrainMaker
from interphase_flows.campaign.exploration import DynamicsSpec
from interphase_flows.exceptions import InputError
from interphase_flows.potentials.spec import CommitteeSpec
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace

# jobflow 0.4 still calls it
pytestmark = pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning")

SPEC = CommitteeSpec(model=tiny_training.SPEC, training=tiny_training.TRAINING)
SHORT = SegmentMaker(
    dynamics=DynamicsSpec(temperature_K=300),
    n_steps=10,
    frame_interval_steps=5,
    uncertainty_interval_steps=5,
    checkpoint_interval_steps=5,
    runaway_temperature_factor=20,
    select_force_std_eV_per_angstrom=0.0,
    stops_when_uncertain=False,
)


def committee_flow(data: Path) -> dict:
    """Return the jobs of a flow, by name."""
    dataset = ImportDatasetMaker(cutoff_angstrom=tiny_training.CUTOFF_ANGSTROM).make(data)
    members = [TrainMaker(spec=SPEC).make(dataset.output, member) for member in range(3)]
    committee = CommitteeMaker().make(dataset.output, [training.output for training in members])
    segment = SHORT.make(tiny_training.all_frames()[0], committee.output)
    selection = SelectMaker().make([segment.output], dataset.output, seed=1)
    jobs = [dataset, *members, committee, segment, selection]
    names = ["dataset", "member 0", "member 1", "member 2", "committee", "segment", "selection"]
    return dict(zip(names, jobs, strict=True))


def test_flow_with_a_user_dataset_runs_in_an_empty_folder(empty_folder):
    """Outputs resolve from the folders of other jobs; a campaign can take them."""
    write("mine.extxyz", tiny_training.all_frames())
    jobs = committee_flow(Path("mine.extxyz"))
    done = run_locally(Flow([*jobs.values()]), create_folders=True, ensure_success=True, log=False)
    output = {name: done[job.uuid][1].output for name, job in jobs.items()}
    assert output["dataset"].n_frames == {"train": 6, "validation": 2, "test": 2}
    assert {output[f"member {member}"].seed for member in range(3)} == {0, 1, 2}
    assert output["segment"].stop_reason == "finished"
    assert output["segment"].committee_key == output["committee"].key
    assert len(output["segment"].uncertainty_eV_per_angstrom) == 3
    assert output["segment"].n_candidates == 3
    assert {entry.origin for entry in output["selection"].entries} == {"explore/run"}

    checkpoints = [Path(model.checkpoint.path) for model in output["committee"].models]
    job = SHORT.make(tiny_training.all_frames()[0], checkpoints)
    from_files = run_locally(job, create_folders=True, log=False)[job.uuid][1].output
    assert from_files.continue_state == output["segment"].continue_state

    with Workspace(Settings(root=empty_folder / "runs"), "c") as workspace, use_workspace(workspace):
        again = SegmentMaker.make.original(SHORT, tiny_training.all_frames()[0], output["committee"])
        assert again.continue_state == output["segment"].continue_state
        assert again.trajectory.path is None
        assert workspace.artifacts.local_path(output["committee"].models[0].checkpoint).exists()


def test_training_without_stress_needs_no_weight_of_it(empty_folder):
    frames = tiny_training.all_frames()
    for frame in frames:
        frame.calc = SinglePointCalculator(frame, energy=frame.get_potential_energy(), forces=frame.get_forces())
    make, maker = TrainMaker.make.original, TrainMaker(spec=SPEC)
    with pytest.raises(InputError, match=r"has no stress. Hint: train with TrainingSpec\(stress_weight=0\)"):
        make(maker, frames)
    training = tiny_training.TRAINING.model_copy(update={"stress_weight": 0.0})
    maker = TrainMaker(spec=SPEC.model_copy(update={"training": training}))
    models = [make(maker, frames, member) for member in range(2)]
    assert all(np.isfinite(model.best_validation_loss) for model in models)
    committee = CommitteeMaker.make.original(CommitteeMaker(), frames, models)
    assert committee.errors["test"].stress_mae_meV_per_angstrom3 is None
    with pytest.raises(PropertyNotImplementedError):
        frames[0].get_stress()
