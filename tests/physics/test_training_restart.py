"""Training: an interrupted training is the training that was not interrupted, and damage is survived."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.calculator import all_changes
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from interphase_flows.datasets.baseline import fit_baseline
from interphase_flows.datasets.frames import extxyz_bytes
from interphase_flows.md.checkpoint import read_checkpoint
from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.segment import run_segment
from interphase_flows.md.watch import CommitteeWatch
from interphase_flows.potentials.committee import NequIPCommittee, load_calculator
from interphase_flows.potentials.spec import NequIPSpec, TrainingSpec
from interphase_flows.potentials.training import TrainedMember, train_member
from interphase_flows.progress import listening
from interphase_flows.structures.library import load_phase
from interphase_flows.structures.perturb import strained_and_rattled

CUTOFF_ANGSTROM = 4.0
N_EPOCHS = 5
LOSS = "val0_epoch/weighted_sum"
SAME_FORCE_EV_PER_ANGSTROM = 1e-5
"""Single precision: a neighbour list built apart orders its sums in another way."""
SAME_WEIGHT = 1e-8
SAME_LOSS = 1e-5

SPEC = NequIPSpec(cutoff_angstrom=CUTOFF_ANGSTROM, n_layers=1, n_features=4, radial_mlp_width=8)
TRAINING = TrainingSpec(max_epochs=N_EPOCHS, warm_start_epochs=2, batch_size=3, ema_decay=0.5)


class Spheres(LennardJones):
    """Lennard-Jones spheres of the size of the bonds in Li2S and Li3P; stateless, hence repeatable."""

    def __init__(self) -> None:
        super().__init__(sigma=2.15, epsilon=0.3, rc=CUTOFF_ANGSTROM, smooth=True)

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        self.nl = None
        super().calculate(atoms, properties, all_changes)


def labelled(phase: str, seed: int) -> list[Atoms]:
    frames = strained_and_rattled(load_phase(phase), 5, 0.02, 0.08, seed, min_atoms=6)
    for frame in frames:
        frame.calc = Spheres()
        energy, forces, stress = frame.get_potential_energy(), frame.get_forces(), frame.get_stress()
        frame.calc = SinglePointCalculator(frame, energy=energy, forces=forces, stress=stress)
    return frames


def all_frames() -> list[Atoms]:
    """Ten rattled crystals of 6 to 8 atoms."""
    return [*labelled("Li2S", 1), *labelled("Li3P", 2)]


def train(
    folder: Path, seed: int = 1, parent: Path | None = None, training: TrainingSpec = TRAINING
) -> TrainedMember:
    """Train on eight frames, validate on two; data files are written beside the work folder, once."""
    frames = all_frames()
    baseline = fit_baseline(frames[:8], CUTOFF_ANGSTROM)
    folder.mkdir(parents=True, exist_ok=True)
    files = {"train": frames[:8], "validation": frames[8:]}
    for name, part in files.items():
        (folder / f"{name}.extxyz").write_bytes(extxyz_bytes(part))
    return train_member(
        SPEC,
        training,
        baseline.elements,
        baseline.energy_shifts_ev,
        baseline.forces_rms_ev_per_angstrom,
        baseline.mean_n_neighbours,
        folder / "train.extxyz",
        folder / "validation.extxyz",
        folder,
        model_seed=seed,
        data_seed=0,
        parent_checkpoint=parent,
    )


class Interrupted(Exception):
    """Raised from inside the trainer, as a signal would be."""


def interrupt_after(n_epochs: int):
    """A listener to progress that ends the process's training once so many epochs are done."""

    def stop(stage: str, done: int, total: int, detail: str) -> None:
        if done == n_epochs:
            raise Interrupted

    return listening(stop)


def newest(folder: Path) -> Path:
    return max(folder.glob("epoch-*.ckpt"))


def tensors(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Weights, their moving average, and the optimizer's moments."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)
    found = {k: v for k, v in state["state_dict"].items() if isinstance(v, torch.Tensor)}
    for index, moments in state["optimizer_states"][0]["state"].items():
        found |= {f"{index}/{k}": v for k, v in moments.items() if isinstance(v, torch.Tensor)}
    return found


def assert_same_training(folder: Path, result: TrainedMember, whole: TrainedMember) -> None:
    """To the last bit: weights, moving average and optimizer at the last and the best epoch, and the history."""
    assert result.history == whole.history
    assert (result.best_epoch, result.best_validation_loss) == (whole.best_epoch, whole.best_validation_loss)
    pairs = [(newest(folder), newest(whole.checkpoint.parent)), (result.checkpoint, whole.checkpoint)]
    for mine, reference in pairs:
        one, two = tensors(mine), tensors(reference)
        assert one.keys() == two.keys()
        assert len(one) > 10
        for name, value in one.items():
            assert torch.equal(value, two[name]), f"{mine.name}: {name} differs"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> TrainedMember:
    """Five epochs in one go."""
    return train(tmp_path_factory.mktemp("whole") / "model")


@pytest.fixture(scope="module")
def sibling(tmp_path_factory) -> TrainedMember:
    """Another seed."""
    return train(tmp_path_factory.mktemp("sibling") / "model", seed=2)


def test_two_and_three_epochs_are_five(tmp_path, whole):
    """Interrupted after two epochs and resumed, a training ends with the same bits."""
    with pytest.raises(Interrupted), interrupt_after(2):
        train(tmp_path / "model")
    result = train(tmp_path / "model")
    assert result.resumed_from_epoch == 2
    assert result.n_epochs == N_EPOCHS
    assert_same_training(tmp_path / "model", result, whole)


def test_killed_without_warning_it_is_the_same_training(tmp_path, whole):
    """kill -9 after a random epoch, in a process of its own."""
    folder = tmp_path / "model"
    n_done = int(np.random.default_rng().integers(1, N_EPOCHS))
    process = subprocess.run(
        [sys.executable, __file__, str(folder), str(n_done)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    result = train(folder)
    assert result.resumed_from_epoch == n_done
    assert_same_training(folder, result, whole)


def test_a_damaged_checkpoint_is_passed_over_and_said_so(tmp_path, whole):
    """The one before is taken, the note names the damaged one, and the end is the same."""
    folder = tmp_path / "model"
    with pytest.raises(Interrupted), interrupt_after(3):
        train(folder)
    damaged = newest(folder)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)
    result = train(folder)
    assert result.resumed_from_epoch == 2
    assert [damaged.name in note for note in result.notes] == [True]
    assert_same_training(folder, result, whole)


def test_two_damaged_checkpoints_start_the_training_over(tmp_path, whole):
    """With nothing intact the training begins again, keeps its new checkpoints, and ends the same."""
    folder = tmp_path / "model"
    with pytest.raises(Interrupted), interrupt_after(4):
        train(folder)
    for path in folder.glob("epoch-*.ckpt"):
        path.write_bytes(b"")
    with pytest.raises(Interrupted), interrupt_after(1):
        train(folder)
    result = train(folder)
    assert result.resumed_from_epoch == 1
    assert_same_training(folder, result, whole)


def test_a_damaged_best_checkpoint_is_never_released(tmp_path, whole):
    """The epoch with the smallest loss is trained again, not handed on broken."""
    folder = tmp_path / "model"
    train(folder)
    best = folder / "best.ckpt"
    best.write_bytes(best.read_bytes()[:-100])
    result = train(folder)
    assert any("best.ckpt" in note for note in result.notes)
    assert_same_training(folder, result, whole)


def test_a_finished_training_is_not_trained_again(tmp_path):
    """Killed between its last epoch and the ledger, a training returns what it has."""
    first = train(tmp_path / "model")
    weights = first.checkpoint.read_bytes()
    again = train(tmp_path / "model")
    assert again.resumed_from_epoch == N_EPOCHS
    assert again.history == first.history
    assert again.checkpoint.read_bytes() == weights


def test_warm_start_begins_with_the_moving_average_of_the_parent(tmp_path, whole):
    """A child that takes steps of nearly nothing is its parent's moving average, in loss and in weights."""
    standing = TRAINING.model_copy(update={"warm_start_epochs": 1, "warm_start_learning_rate": 1e-12})
    child = train(tmp_path / "model", seed=7, parent=whole.checkpoint, training=standing)
    assert child.n_epochs == 1
    assert child.history[0][LOSS] == pytest.approx(whole.best_validation_loss, rel=SAME_LOSS)
    parent, heir = tensors(whole.checkpoint), tensors(child.checkpoint)
    averages = [name for name in parent if name.startswith("ema.ema_weight")]
    assert len(averages) > 3
    for name in averages:
        torch.testing.assert_close(heir[name], parent[name], rtol=0, atol=SAME_WEIGHT)
    raw = [name for name in parent if name.startswith("model.") and parent[name].is_floating_point()]
    moved = [n for n in raw if n in heir and not torch.allclose(heir[n], parent[n], rtol=0, atol=SAME_WEIGHT)]
    assert moved, "the child has the parent's raw weights: the average was not what it began with"


def test_a_resumed_child_does_not_fall_back_to_its_parent(tmp_path, whole):
    """The warm start is done once: an interrupted child goes on from its own weights, to the same bits."""
    at_once = train(tmp_path / "at once", seed=7, parent=whole.checkpoint)
    with pytest.raises(Interrupted), interrupt_after(1):
        train(tmp_path / "model", seed=7, parent=whole.checkpoint)
    result = train(tmp_path / "model", seed=7, parent=whole.checkpoint)
    assert result.resumed_from_epoch == 1
    assert_same_training(tmp_path / "model", result, at_once)


def test_members_differ_by_seed_and_agree_with_the_file_they_are_loaded_from(whole, sibling):
    """Another seed gives other forces; the same file the same; the committee says what each member says."""
    atoms = all_frames()[0].copy()
    committee = NequIPCommittee([whole.checkpoint, sibling.checkpoint, whole.checkpoint])
    forces = committee.forces_all(atoms)
    assert forces.shape == (3, len(atoms), 3)
    for index, path in enumerate((whole.checkpoint, sibling.checkpoint, whole.checkpoint)):
        calculator = load_calculator(path)
        alone = calculator.get_forces(atoms)
        np.testing.assert_allclose(forces[index], alone, rtol=0, atol=SAME_FORCE_EV_PER_ANGSTROM)
    assert np.abs(forces[0] - forces[1]).max() > 100 * SAME_FORCE_EV_PER_ANGSTROM
    energies, all_forces, stresses = committee.predict_all(atoms)
    np.testing.assert_allclose(all_forces, forces, rtol=0, atol=SAME_FORCE_EV_PER_ANGSTROM)
    assert energies.shape == (3,)
    assert stresses.shape == (3, 6)


def test_dynamics_with_a_committee_of_networks_restarts_to_the_last_bit(tmp_path, whole, sibling):
    """17 steps, an interruption, and the 23 that remain are the 40 steps done at once."""
    start = strained_and_rattled(load_phase("Li2S"), 1, 0.0, 0.05, 3, min_atoms=12)[0]
    watch = CommitteeWatch(
        interval_steps=1,
        select_force_std_ev_per_angstrom=0.0,
        stop_force_std_ev_per_angstrom=None,
        close_contact_fraction=0.2,
        max_temperature_factor=50.0,
        grace_factor=50.0,
        max_candidates=3,
        candidate_window_steps=10,
    )

    def segment(folder: Path, last_step: int | None = None):
        asked = 0

        def stop_requested() -> bool:
            nonlocal asked
            asked += 1
            return asked == last_step

        return run_segment(
            start,
            NequIPCommittee([whole.checkpoint, sibling.checkpoint]),
            LangevinNVT(temperature_K=200.0, timestep_fs=1.0),
            n_steps=40,
            seed=5,
            folder=folder,
            watch=watch,
            frame_interval_steps=4,
            checkpoint_interval_steps=100,
            stop_requested=stop_requested if last_step else None,
        )

    at_once = segment(tmp_path / "at once")
    stopped = segment(tmp_path / "in two", last_step=17)
    assert (stopped.stop_reason, stopped.stop_step) == ("walltime", 17)
    resumed = segment(tmp_path / "in two")
    assert (at_once.stop_reason, at_once.stop_step) == ("finished", 40)
    one, two = read_checkpoint(at_once.last_good_checkpoint), read_checkpoint(resumed.last_good_checkpoint)
    assert one.state_sha256() == two.state_sha256()
    assert one.generator_state == two.generator_state
    assert at_once.trajectory.read_bytes() == resumed.trajectory.read_bytes()
    np.testing.assert_array_equal(at_once.uncertainty_ev_per_angstrom, resumed.uncertainty_ev_per_angstrom)
    assert [c.step for c in at_once.candidates] == [c.step for c in resumed.candidates]


if __name__ == "__main__":

    def kill(stage: str, done: int, total: int, detail: str) -> None:
        if done == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

    with listening(kill):
        train(Path(sys.argv[1]))
