"""Lightning callbacks for training: atomic checkpoints with checksums, and initial weights."""

import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

from interphase_flows.potentials.checkpoint_file import read_checkpoint_file
from interphase_flows.runtime.atomic_files import atomic_path, write_bytes_atomic
from interphase_flows.runtime.fencing import before_write
from interphase_flows.runtime.progress import emit

KEPT_EPOCHS = 2
_RECORDED = re.compile(
    r"(val0|train_metric)_epoch/(weighted_sum|(per_atom_energy|forces|stress)_(rmse|mae))|train_loss_epoch/.*"
)
"""Metrics in a history: of the validation set, of the training set, and the terms of the loss that is minimised."""
WEIGHTS_SUFFIX = ".pt"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _save_atomically(trainer: Trainer, path: Path) -> None:
    """Write a checkpoint atomically, and record its hash.

    The record keeps the hash of the file that is replaced: after a kill between the two renames, the checkpoint still
    matches the record.
    """
    before_write()
    with atomic_path(path) as temporary:
        trainer.save_checkpoint(temporary)
        known = [sha256_of(temporary), *_recorded(path)[:1]]
        write_bytes_atomic(path.with_suffix(".sha256"), "\n".join(known).encode())


def _recorded(path: Path) -> list[str]:
    """Return the recorded hashes of a checkpoint, newest first."""
    record = path.with_suffix(".sha256")
    return record.read_text(errors="replace").split() if record.exists() else []


def is_intact(path: Path) -> bool:
    """Return whether a checkpoint exists and its hash is recorded."""
    return path.exists() and sha256_of(path) in _recorded(path)


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint and its record."""
    path.unlink(missing_ok=True)
    path.with_suffix(".sha256").unlink(missing_ok=True)


def newest_intact_checkpoint(folder: Path) -> tuple[Path | None, list[str]]:
    """Return the newest checkpoint from which training can resume, and a note on each damaged one.

    Damaged checkpoints are removed. Without an intact ``best.ckpt`` the training restarts, because the other
    checkpoints record the loss of the best epoch but not its weights.
    """
    notes = []
    epochs = sorted(folder.glob("epoch-*.ckpt"), reverse=True)
    for path in epochs:
        if not is_intact(path):
            notes.append(f"{path.name} is damaged (wrong checksum): resumed from the previous checkpoint")
            remove_checkpoint(path)
    intact = [path for path in epochs if path.exists()]
    best = folder / "best.ckpt"
    if intact and not (is_intact(best) and _is_best_of(best, intact[0])):
        notes.append("best.ckpt is damaged or missing: restarted the training")
        for path in (best, *intact):
            remove_checkpoint(path)
        intact = []
    return (intact[0] if intact else None), notes


def callback_state(checkpoint: Path) -> dict[str, Any]:
    """Return the state of `EpochCheckpoint` in a checkpoint."""
    state = read_checkpoint_file(checkpoint)["callbacks"]["EpochCheckpoint"]
    return dict(state)


def has_stopped_early(checkpoint: Path) -> bool:
    """Return whether a checkpoint is the last one of a training that Lightning's `EarlyStopping` has ended."""
    states = read_checkpoint_file(checkpoint)["callbacks"]
    reasons = [state["stopping_reason"] for name, state in states.items() if name.startswith("EarlyStopping")]
    return EarlyStoppingReason.PATIENCE_EXHAUSTED.value in reasons


def _is_best_of(best: Path, last: Path) -> bool:
    """Return whether ``best.ckpt`` is of the best epoch before ``last``, or of a later one, which is repeated.

    An earlier ``best.ckpt`` has a recorded hash too, see :func:`_save_atomically`.
    """
    found, expected = callback_state(best)["best_epoch"], callback_state(last)
    return bool(found == expected["best_epoch"] or found > expected["history"][-1]["epoch"])


class EpochCheckpoint(Checkpoint):
    """Write checkpoints of the last two epochs and of the best one by a validation metric, with checksums.

    The best is chosen among the last quarter of the epochs, in which the learning rate is small: earlier, the metric
    of a small validation set is the smallest by chance, and a warm start would end before it has learned its new labels.
    Earlier epochs count only while the metric of none of the last quarter is finite, or with ``from_all_epochs``, as for
    a training that stops early.

    Lightning calls a `Checkpoint` after all other callbacks of an epoch, so the state of early stopping is that of the
    epoch, and the metrics of the training set are complete.

    Lightning's callback renames a second ``best.ckpt`` to ``best-v1.ckpt`` in a folder that is used again, as by a
    resumed training; here a repeated epoch replaces its file.
    """

    def __init__(self, folder: str, monitor: str, label: str = "train", from_all_epochs: bool = False) -> None:
        self.folder = Path(folder)
        self.monitor = monitor
        self.label = label
        self.from_all_epochs = from_all_epochs
        self.best_value = float("inf")
        self.best_epoch = -1
        self.history: list[dict[str, float]] = []
        self.learning_rate = math.nan

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a resumed training: best epoch and history."""
        return {"best_value": self.best_value, "best_epoch": self.best_epoch, "history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of the interrupted training."""
        self.best_value = state_dict["best_value"]
        self.best_epoch = state_dict["best_epoch"]
        self.history = list(state_dict["history"])

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Store the learning rate of the epoch, since its schedule advances before the end."""
        self.learning_rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the best checkpoint, then that of the epoch, so that a repeated epoch replaces both."""
        value = float(trainer.callback_metrics[self.monitor])
        epoch = trainer.current_epoch
        metrics = {k: float(v) for k, v in trainer.callback_metrics.items() if _RECORDED.fullmatch(k)}
        self.history.append({"epoch": epoch, "learning_rate": self.learning_rate, **metrics})
        n_epochs = trainer.max_epochs or 1
        last_quarter = 0 if self.from_all_epochs else n_epochs - 1 - n_epochs // 4
        is_first = self.best_epoch < last_quarter <= epoch and math.isfinite(value)
        if is_first or value < self.best_value:
            self.best_value, self.best_epoch = value, epoch
            _save_atomically(trainer, self.folder / "best.ckpt")
        _save_atomically(trainer, self.folder / f"epoch-{epoch:05d}.ckpt")
        for old in sorted(self.folder.glob("epoch-*.ckpt"))[:-KEPT_EPOCHS]:
            remove_checkpoint(old)
        n_planned = epoch + 1 if trainer.should_stop else n_epochs
        emit(self.label, epoch + 1, n_planned, f"validation loss {value:.4g}")


class InitialWeights(Callback):
    """Start from given weights: the exponential moving average of another checkpoint, or a file of `write_weights`.

    NequIP's ``ModelFromCheckpoint`` stores the absolute path of the parent in every descendant, which then cannot be
    loaded elsewhere; here only the weights are copied. Training that resumes from its own checkpoint is past epoch
    0 and does not change. The first ``n_frozen_layers`` convolutions and the embedding of the types are not trained.
    """

    def __init__(self, file: str, n_frozen_layers: int = 0) -> None:
        self.file = file
        self.n_frozen_layers = n_frozen_layers

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Freeze weights."""
        frozen = [f".layer{index}_convnet." for index in range(self.n_frozen_layers)]
        if frozen:
            frozen.append(".type_embed.")
        for name, parameter in pl_module.model.named_parameters():
            parameter.requires_grad_(not any(part in name for part in frozen))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the weights into the model and its moving average."""
        if trainer.current_epoch > 0 or trainer.global_step > 0:
            return
        path = Path(self.file)
        content = _read_tensors(path) if path.suffix == WEIGHTS_SUFFIX else read_checkpoint_file(path)["state_dict"]
        ema = pl_module.ema
        with torch.no_grad():
            for index, parameter in enumerate(pl_module.model.parameters()):
                weight = content[f"ema.ema_weight_{index}"]
                parameter.copy_(weight)
                ema.ema_weights[index].copy_(weight)


def write_weights(path: Path, weights: Sequence[torch.Tensor]) -> None:
    """Write initial weights, in the order of the parameters of a model, atomically."""
    with atomic_path(path) as temporary:
        torch.save({f"ema.ema_weight_{index}": weight for index, weight in enumerate(weights)}, temporary)


def _read_tensors(path: Path) -> dict[str, torch.Tensor]:
    return dict(torch.load(path, map_location="cpu", weights_only=True))
