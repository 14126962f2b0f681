"""Train one member of a committee with NequIP's trainer; resume an interrupted training."""

import csv
import io
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ase.io import read
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict

from interphase_flows.exceptions import DiskFullError, TrainingError
from interphase_flows.potentials.callbacks import (
    WEIGHTS_SUFFIX,
    callback_state,
    has_stopped_early,
    newest_intact_checkpoint,
    write_weights,
)
from interphase_flows.potentials.checkpoint_file import read_checkpoint_file
from interphase_flows.potentials.config import NequIPConfig, TrainingCourse, model_config, training_config
from interphase_flows.potentials.quiet import quiet_training
from interphase_flows.potentials.spec import FineTuningSpec, NequIPSpec, TrainingSpec
from interphase_flows.potentials.transfer import checkpoint_statistics, transfer
from interphase_flows.schemas.dataset import Baseline

_COLUMNS = {"val0_epoch/": "validation_", "train_metric_epoch/": "training_", "train_loss_epoch/": "loss_"}
MIN_FREE_BYTES = 10_000_000
"""Free disk space below which a failure is attributed to a full disk."""


@dataclass
class TrainedMember:
    """A trained potential, with the history of its training.

    ``checkpoint`` is that of the epoch with the smallest validation loss among the last quarter of the epochs, or among
    all epochs of a training with early stopping; ``history`` is one dictionary of metrics per epoch, with the names of
    NequIP (eV, eV/Å, eV/Å³).
    """

    checkpoint: Path
    n_epochs: int
    best_epoch: int
    best_validation_loss: float
    wall_time_s: float
    resumed_from_epoch: int | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def train_member(
    spec: NequIPSpec,
    training: TrainingSpec,
    baseline: Baseline,
    train_file: Path,
    validation_file: Path,
    folder: Path,
    model_seed: int,
    data_seed: int,
    parent_checkpoint: Path | None = None,
    n_threads: int = 1,
    device: str = "cpu",
    label: str = "train",
    start: Path | None = None,
    fine_tuning: FineTuningSpec | None = None,
) -> TrainedMember:
    """Train for ``max_epochs`` (``warm_start_epochs`` with a parent), from the checkpoint in ``folder`` if any.

    Training ends before if the validation loss does not improve for ``early_stopping_epochs``.

    Parameters
    ----------
    baseline
        Elements and fixed statistics of the campaign's first dataset.
    train_file, validation_file
        extxyz files with energy (eV), forces (eV/Å), stress (eV/Å³, tension positive).
    folder
        Work folder. Training resumes from its checkpoints; damaged ones are skipped, with a note.
    parent_checkpoint
        Checkpoint with the initial weights, of an earlier dataset; random weights if None. The statistics are its own.
    start
        Checkpoint or package of NequIP of another method, see `transfer`; then the settings are ``fine_tuning``.

    Raises
    ------
    TrainingError
        The training fails, or its loss is not finite; or ``start`` has another architecture or lacks an element.
    DiskFullError
        The disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    newest, notes = newest_intact_checkpoint(folder)
    with quiet_training(n_threads):
        baseline, course = _course(
            spec, training, baseline, train_file, folder, parent_checkpoint, start, fine_tuning, newest
        )
    model = model_config(spec, baseline, model_seed)
    config = training_config(model, training, train_file, validation_file, folder, course, data_seed, device, label)
    resumed_from = None
    if newest is not None:
        read_checkpoint_file(newest)  # NequIP reads it without restrictions
        config["ckpt_path"] = str(newest)
        resumed_from = int(newest.stem.removeprefix("epoch-")) + 1
    started = time.monotonic()
    with quiet_training(n_threads):
        try:
            if newest is None or not has_stopped_early(newest):
                _run_nequip(config, folder)
        except (RuntimeError, ValueError, KeyError, AssertionError) as error:
            # torch reports a full disk as a RuntimeError
            if shutil.disk_usage(folder).free < MIN_FREE_BYTES:
                raise DiskFullError(f"{folder}: the disk is full. Hint: free some space, then resume") from error
            raise TrainingError(
                f"training {label} in {folder} failed: {error}. Hint: check {train_file.name} for labels out of range, "
                "then resume the campaign"
            ) from error
    best, (last, _) = folder / "best.ckpt", newest_intact_checkpoint(folder)
    if last is None:
        raise TrainingError(
            f"training {label} in {folder} ended without a checkpoint: its validation loss was never finite. "
            "Hint: lower committee.training.learning_rate"
        )
    state = callback_state(last)
    return TrainedMember(
        checkpoint=best,
        n_epochs=len(state["history"]),
        best_epoch=state["best_epoch"],
        best_validation_loss=state["best_value"],
        wall_time_s=time.monotonic() - started,
        resumed_from_epoch=resumed_from,
        history=state["history"],
        notes=notes,
    )


def log_csv(history: Sequence[Mapping[str, float]]) -> bytes:
    """Return the metrics of every epoch as CSV: ``validation_*``, ``training_*``, and ``loss*``, which is minimised."""
    names = {name: _column(name) for epoch in history for name in epoch}
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(names.values())
    writer.writerows([epoch.get(name, "") for name in names] for epoch in history)
    return table.getvalue().encode()


def _column(metric: str) -> str:
    """Return the name of a column from NequIP's name of a metric."""
    for beginning, column in _COLUMNS.items():
        metric = metric.replace(beginning, column)
    return metric.replace("loss_weighted_sum", "loss")


def _course(
    spec: NequIPSpec,
    training: TrainingSpec,
    baseline: Baseline,
    train_file: Path,
    folder: Path,
    parent_checkpoint: Path | None,
    start: Path | None,
    fine_tuning: FineTuningSpec | None,
    resumed: Path | None,
) -> tuple[Baseline, TrainingCourse]:
    """Return the statistics of the model, and the course of its training.

    A resumed training has those of its checkpoint: energy shifts of another machine would differ by rounding.
    """
    frames = read(train_file, ":", format="extxyz")
    n_batches = -(-len(frames) // training.batch_size)
    if parent_checkpoint is not None:
        learning_rate = training.warm_start_learning_rate
        course = TrainingCourse(training.warm_start_epochs, learning_rate, parent_checkpoint, n_batches=n_batches)
        return checkpoint_statistics(parent_checkpoint), course
    if start is None:
        return baseline, TrainingCourse(training.max_epochs, training.learning_rate, n_batches=n_batches)
    tuning = fine_tuning or FineTuningSpec()
    weights = folder / f"initial_weights{WEIGHTS_SUFFIX}"
    course = TrainingCourse(tuning.max_epochs, tuning.learning_rate, weights, tuning.n_frozen_layers, n_batches)
    if resumed is not None:
        return checkpoint_statistics(resumed), course
    found = transfer(start, spec, baseline.elements, frames)
    write_weights(weights, found.weights)
    return found.statistics, course


def _run_nequip(config: NequIPConfig, folder: Path) -> None:
    """Run ``nequip-train`` in this process, which saves seven seconds of imports per member."""
    from nequip.scripts.train import main

    hydra_config = OmegaConf.structured({"hydra": HydraConf()})
    with open_dict(hydra_config):
        hydra_config.hydra.runtime.output_dir = str(folder)
    HydraConfig.instance().set_config(hydra_config)
    # registering the resolver of an earlier training again would fail
    OmegaConf.clear_resolver("training_data_stats")
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    try:
        main.__wrapped__(OmegaConf.create(config))
    except SystemExit as ended:
        if isinstance(ended.__context__, KeyboardInterrupt):
            # Lightning handles Ctrl-C itself: it ignores the next one and exits as after a failure
            signal.signal(signal.SIGINT, on_ctrl_c)
            raise KeyboardInterrupt from ended
        raise
