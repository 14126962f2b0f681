"""Training: an interrupted training is the training that was not interrupted, and damage is survived."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from interphase_flows.potentials.training import TrainedMember
from interphase_flows.runtime.progress import listening
from tiny_training import N_EPOCHS, TRAINING, train

LOSS = "val0_epoch/weighted_sum"
SAME_WEIGHT = 1e-8
SAME_LOSS = 1e-5


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
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])},
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


def test_ctrl_c_in_a_training_is_ctrl_c(tmp_path):
    """Lightning would end the process as failed and ignore the next Ctrl-C; here it reaches whoever started it."""

    def press(stage: str, done: int, total: int, detail: str) -> None:
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), listening(press):
        train(tmp_path / "model")
    assert signal.getsignal(signal.SIGINT) is before


if __name__ == "__main__":

    def kill(stage: str, done: int, total: int, detail: str) -> None:
        if done == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

    with listening(kill):
        train(Path(sys.argv[1]))


def test_a_training_says_nothing_of_accelerators_and_loggers(tmp_path):
    """In a process of its own: Lightning decides when it is imported what it will say."""
    code = "import sys; from pathlib import Path; from tiny_training import train; train(Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
