"""Choice of the best epoch of a training."""

import math
from types import SimpleNamespace

import pytest

from interphase_flows.potentials import callbacks
from interphase_flows.potentials.callbacks import EpochCheckpoint
from interphase_flows.potentials.config import MONITOR


@pytest.fixture
def best_epoch(monkeypatch, tmp_path):
    """Return a function that runs through epochs with the given losses, interrupted before one, and returns the best."""
    monkeypatch.setattr(callbacks, "_save_atomically", lambda trainer, path: None)

    def run(
        losses: list[float], interrupted_at: int | None = None, state: dict | None = None, from_all: bool = False
    ) -> int:
        callback = EpochCheckpoint(str(tmp_path), MONITOR, from_all_epochs=from_all)
        if state is not None:
            callback.load_state_dict(state)
        for epoch in range(len(callback.history), len(losses)):
            if epoch == interrupted_at:
                return run(losses, None, callback.state_dict())
            trainer = SimpleNamespace(
                current_epoch=epoch,
                max_epochs=len(losses),
                callback_metrics={MONITOR: losses[epoch]},
                should_stop=False,
            )
            callback.on_train_epoch_end(trainer, None)
        return callback.best_epoch

    return run


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ([1.0], 0),
        ([1.0, 2.0], 1),
        ([1.0, 2.0, 3.0], 2),
        ([1.0, 2.0, 4.0, 3.0], 3),
        ([1.0, 2.0, 3.0, 4.0], 2),
        ([0.1, 9.0, 9.0, 9.0, 9.0, 5.0, 4.0, 6.0], 6),
        ([1.0, 2.0, 3.0, math.nan], 2),
        ([1.0, math.nan], 0),
        ([math.nan], -1),
    ],
)
def test_best_epoch_is_of_the_last_quarter_however_small_an_earlier_loss(losses, best, best_epoch):
    assert best_epoch(losses) == best


@pytest.mark.parametrize("interrupted_at", range(1, 8))
def test_resume_at_any_epoch_chooses_the_same(interrupted_at, best_epoch):
    losses = [0.1, 9.0, 9.0, 9.0, 9.0, 5.0, 4.0, 6.0]
    assert best_epoch(losses, interrupted_at) == best_epoch(losses)


def test_loss_that_is_not_finite_at_the_start_of_the_last_quarter_keeps_no_earlier_epoch(best_epoch):
    """The epochs after it count, though an earlier one had a smaller loss."""
    assert best_epoch([0.1, 9.0, 9.0, 9.0, 9.0, math.nan, 4.0, 6.0]) == 6


@pytest.mark.parametrize(("losses", "best"), [([0.1, 9.0, 8.0, 7.0, 6.0], 0), ([math.nan, 2.0, 1.0, 3.0, math.nan], 2)])
def test_best_epoch_of_all_with_early_stopping(losses, best, best_epoch):
    assert best_epoch(losses, from_all=True) == best
