"""Train one member of a committee with NequIP's trainer; resume an interrupted training."""

import logging
import shutil
import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from nequip.utils.global_dtype import _GLOBAL_DTYPE
from nequip.utils.global_state import set_global_state
from omegaconf import OmegaConf, open_dict

from interphase_flows.exceptions import DiskFullError, TrainingError
from interphase_flows.potentials.callbacks import callback_state, newest_intact_checkpoint
from interphase_flows.potentials.checkpoint_file import read_checkpoint_file
from interphase_flows.potentials.config import NequIPConfig, model_config, training_config
from interphase_flows.potentials.spec import NequIPSpec, TrainingSpec
from interphase_flows.schemas.dataset import Baseline

MIN_FREE_BYTES = 10_000_000
"""Free disk space below which a failure is attributed to a full disk."""

LIGHTNING = ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric")
VERBOSE_LOGGERS = ("nequip", *LIGHTNING, *(f"{name}.utilities.rank_zero" for name in LIGHTNING))
"""Loggers that report missing accelerators in every training.

The last imported of Lightning's packages reports, and sets the level of its package but not of `rank_zero`.
"""


@dataclass
class TrainedMember:
    """A trained potential, with the history of its training.

    ``checkpoint`` is that of the epoch with the smallest validation loss among the last quarter of the epochs;
    ``history`` is one dictionary of metrics per epoch, with the names of NequIP (eV, eV/Å, eV/Å³).
    """

    checkpoint: Path
    n_epochs: int
    best_epoch: int
    best_validation_loss: float
    wall_time_s: float
    resumed_from_epoch: int | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@contextmanager
def quiet_training(n_threads: int) -> Iterator[None]:
    """Set the number of threads and the default type of torch, and silence Lightning's loggers.

    Training is reproducible only with the same number of threads, which changes the order of sums. NequIP sets
    the default type of torch once per process; here it is set for every training, which then does not depend on what
    ran before.
    """
    threads_before, dtype_before = torch.get_num_threads(), torch.get_default_dtype()
    with warnings.catch_warnings():
        # torch deprecates TorchScript options that NequIP sets
        warnings.simplefilter("ignore", DeprecationWarning)
        set_global_state()
    torch.set_default_dtype(_GLOBAL_DTYPE)
    loggers = [logging.getLogger(name) for name in VERBOSE_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    torch.set_num_threads(n_threads)
    try:
        with warnings.catch_warnings():
            # Lightning advises more loader workers and log steps, which do not help for small datasets
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            warnings.filterwarnings("ignore", message=r".*(treespec|LeafSpec|isinstance).*", category=FutureWarning)
            yield
    finally:
        torch.set_num_threads(threads_before)
        torch.set_default_dtype(dtype_before)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


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
) -> TrainedMember:
    """Train for ``max_epochs`` (``warm_start_epochs`` with a parent), from the checkpoint in ``folder`` if any.

    Parameters
    ----------
    baseline
        Elements and fixed statistics of the campaign's first dataset.
    train_file, validation_file
        extxyz files with energy (eV), forces (eV/Å), stress (eV/Å³, tension positive).
    folder
        Work folder. Training resumes from its checkpoints; damaged ones are skipped, with a note.
    parent_checkpoint
        Checkpoint with the initial weights; random weights if None.

    Raises
    ------
    TrainingError
        The training fails, or its loss is not finite.
    DiskFullError
        The disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = model_config(spec, baseline, model_seed)
    config = training_config(
        model,
        training,
        train_file,
        validation_file,
        folder,
        parent_checkpoint,
        data_seed,
        device,
        label,
    )
    newest, notes = newest_intact_checkpoint(folder)
    resumed_from = None
    if newest is not None:
        read_checkpoint_file(newest)  # NequIP reads it without restrictions
        config["ckpt_path"] = str(newest)
        resumed_from = int(newest.stem.removeprefix("epoch-")) + 1
    started = time.monotonic()
    with quiet_training(n_threads):
        try:
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
