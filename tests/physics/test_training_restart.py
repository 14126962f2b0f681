"""Training: resumed training is bitwise identical, also after damage to checkpoints."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from interphase_flows.potentials.training import TrainedMember
from interphase_flows.runtime.progress import ProgressEvent, listening
from tiny_training import N_EPOCHS, TRAINING, train

LOSS = "val0_epoch/weighted_sum"
SAME_WEIGHT = 1e-8
SAME_LOSS = 1e-5


class Interrupted(Exception):
    """Raised inside the trainer, as by a signal."""


def interrupt_after(n_epochs: int):
    """Listen to progress and interrupt the training after some epochs."""

    def stop(event: ProgressEvent) -> None:
        if event.done == n_epochs:
            raise Interrupted

    return listening(stop)


def newest(folder: Path) -> Path:
    return max(folder.glob("epoch-*.ckpt"))


def tensors(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Return weights, tchild_weights moving average, and moments of the optimizer."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)
    found = {k: v for k, v in state["state_dict"].items() if isinstance(v, torch.Tensor)}
    for index, moments in state["optimizer_states"][0]["state"].items():
        found |= {f"{index}/{k}": v for k, v in moments.items() if isinstance(v, torch.Tensor)}
    return found


def assert_same_training(folder: Path, result: TrainedMember, uninterrupted: TrainedMember) -> None:
    """Assert bitwise equality of weights, moving average and optimizer at the last and best epoch, and history."""
    assert result.history == uninterrupted.history
    assert (result.best_epoch, result.best_validation_loss) == (
        uninterrupted.best_epoch,
        uninterrupted.best_validation_loss,
    )
    pairs = [
        (newest(folder), newest(uninterrupted.checkpoint.parent)),
        (result.checkpoint, uninterrupted.checkpoint),
    ]
    for mine, reference in pairs:
        one, two = tensors(mine), tensors(reference)
        assert one.keys() == two.keys()
        assert len(one) > 10
        for name, value in one.items():
            assert torch.equal(value, two[name]), f"{mine.name}: {name} differs"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> TrainedMember:
    """Five epochs without interruption."""
    return train(tmp_path_factory.mktemp("uninterrupted") / "model")


def test_resume_after_interruption_gives_identical_training(tmp_path, uninterrupted):
    """2 + 3 epochs equal 5."""
    with pytest.raises(Interrupted), interrupt_after(2):
        train(tmp_path / "model")
    result = train(tmp_path / "model")
    assert result.resumed_from_epoch == 2
    assert result.n_epochs == N_EPOCHS
    assert_same_training(tmp_path / "model", result, uninterrupted)


STOPPING = TRAINING.model_copy(
    update={
        "max_epochs": 20,
        "learning_rate": 0.1,
        "learning_rate_schedule": "plateau",
        "plateau_epochs": 1,
        "early_stopping_epochs": 3,
        "forces_weight_of_element": {"P": 5.0},
        "energy_weight": 3.0,
    }
)
"""Settings whose state must be restored: learning rate on a plateau, early stopping, weights that do not add up to 1."""


def test_resume_on_a_plateau_and_before_an_early_stop_gives_identical_training(tmp_path):
    at_once = train(tmp_path / "at once", training=STOPPING)
    rates = [epoch["learning_rate"] for epoch in at_once.history]
    assert 4 < at_once.n_epochs < STOPPING.max_epochs
    assert rates[0] == 0.1
    assert rates[-1] < 0.1
    reduced = next(index for index, rate in enumerate(rates) if rate < 0.1)
    for n_done in (reduced, at_once.n_epochs - 1):
        folder = tmp_path / str(n_done)
        with pytest.raises(Interrupted), interrupt_after(n_done):
            train(folder, training=STOPPING)
        result = train(folder, training=STOPPING)
        assert result.resumed_from_epoch == n_done
        assert_same_training(folder, result, at_once)
    weights = at_once.checkpoint.read_bytes()
    again = train(tmp_path / "at once", training=STOPPING)
    assert again.history == at_once.history
    assert again.checkpoint.read_bytes() == weights


def test_resume_after_kill_gives_identical_training(tmp_path, uninterrupted):
    """SIGKILL after a random epoch, in a separate process."""
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
    assert_same_training(folder, result, uninterrupted)


def test_damaged_checkpoint_is_skipped_with_a_note(tmp_path, uninterrupted):
    """The training resumes from the previous checkpoint, with an identical result."""
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
    assert_same_training(folder, result, uninterrupted)


def test_training_restarts_if_all_checkpoints_are_damaged(tmp_path, uninterrupted):
    folder = tmp_path / "model"
    with pytest.raises(Interrupted), interrupt_after(4):
        train(folder)
    for path in folder.glob("epoch-*.ckpt"):
        path.write_bytes(b"")
    with pytest.raises(Interrupted), interrupt_after(1):
        train(folder)
    result = train(folder)
    assert result.resumed_from_epoch == 1
    assert_same_training(folder, result, uninterrupted)


def test_damaged_best_checkpoint_restarts_the_training(tmp_path, uninterrupted):
    folder = tmp_path / "model"
    train(folder)
    best = folder / "best.ckpt"
    best.write_bytes(best.read_bytes()[:-100])
    result = train(folder)
    assert any("best.ckpt" in note for note in result.notes)
    assert_same_training(folder, result, uninterrupted)


def test_outdated_best_checkpoint_restarts_the_training(tmp_path, uninterrupted):
    """Its hash is in the record too, which has that of the file that was replaced."""
    folder, best = tmp_path / "model", tmp_path / "model" / "best.ckpt"
    outdated: list[bytes] = []

    def keep(event: ProgressEvent) -> None:
        outdated.append(best.read_bytes())

    with listening(keep):
        train(folder)
    earlier = [content for content in outdated if content != best.read_bytes()]
    assert earlier, "the loss did not decrease after the first epoch"
    best.write_bytes(earlier[-1])
    result = train(folder)
    assert any("best.ckpt" in note for note in result.notes)
    assert_same_training(folder, result, uninterrupted)


def test_record_that_is_not_text_damages_its_checkpoint(tmp_path, uninterrupted):
    folder = tmp_path / "model"
    with pytest.raises(Interrupted), interrupt_after(3):
        train(folder)
    newest(folder).with_suffix(".sha256").write_bytes(b"\xff" * 64)
    result = train(folder)
    assert result.resumed_from_epoch == 2
    assert_same_training(folder, result, uninterrupted)


def test_finished_training_is_not_repeated(tmp_path):
    """As after a kill between the last epoch and the record in the ledger."""
    first = train(tmp_path / "model")
    weights = first.checkpoint.read_bytes()
    again = train(tmp_path / "model")
    assert again.resumed_from_epoch == N_EPOCHS
    assert again.history == first.history
    assert again.checkpoint.read_bytes() == weights


def test_warm_start_uses_the_moving_average_of_the_parent(tmp_path, uninterrupted):
    """With a learning rate near zero, loss and weights are those of the moving average of the parent."""
    frozen = TRAINING.model_copy(update={"warm_start_epochs": 1, "warm_start_learning_rate": 1e-12})
    child = train(tmp_path / "model", seed=7, parent=uninterrupted.checkpoint, training=frozen)
    assert child.n_epochs == 1
    assert child.history[0][LOSS] == pytest.approx(uninterrupted.best_validation_loss, rel=SAME_LOSS)
    parent, child_weights = tensors(uninterrupted.checkpoint), tensors(child.checkpoint)
    averages = [name for name in parent if name.startswith("ema.ema_weight")]
    assert len(averages) > 3
    for name in averages:
        torch.testing.assert_close(child_weights[name], parent[name], rtol=0, atol=SAME_WEIGHT)
    raw = [name for name in parent if name.startswith("model.") and parent[name].is_floating_point()]
    moved = [
        n
        for n in raw
        if n in child_weights and not torch.allclose(child_weights[n], parent[n], rtol=0, atol=SAME_WEIGHT)
    ]
    assert moved, "the child started from the raw weights of the parent instead of their average"


def test_resumed_warm_start_continues_from_its_own_weights(tmp_path, uninterrupted):
    at_once = train(tmp_path / "at once", seed=7, parent=uninterrupted.checkpoint)
    with pytest.raises(Interrupted), interrupt_after(1):
        train(tmp_path / "model", seed=7, parent=uninterrupted.checkpoint)
    result = train(tmp_path / "model", seed=7, parent=uninterrupted.checkpoint)
    assert result.resumed_from_epoch == 1
    assert_same_training(tmp_path / "model", result, at_once)


def test_keyboard_interrupt_propagates_from_a_training(tmp_path):
    """Lightning would exit as after a failure and ignore the next Ctrl-C."""

    def press(event: ProgressEvent) -> None:
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), listening(press):
        train(tmp_path / "model")
    assert signal.getsignal(signal.SIGINT) is before


if __name__ == "__main__":

    def kill(event: ProgressEvent) -> None:
        if event.done == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

    with listening(kill):
        train(Path(sys.argv[1]))


def test_training_prints_nothing(tmp_path):
    """In a separate process, since Lightning configures its loggers at import."""
    code = "import sys; from pathlib import Path; from tiny_training import train; train(Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
