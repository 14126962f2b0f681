"""Train one member of a committee with NequIP's own trainer; resume it where it was killed."""

import logging
import shutil
import signal
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from nequip.utils.global_dtype import _GLOBAL_DTYPE
from nequip.utils.global_state import set_global_state
from omegaconf import OmegaConf, open_dict

from interphase_flows.exceptions import DiskFullError, TrainingError
from interphase_flows.potentials.callbacks import take_up
from interphase_flows.potentials.config import model_config, training_config
from interphase_flows.potentials.spec import NequIPSpec, TrainingSpec

LEAST_FREE_BYTES = 10_000_000
"""With less, a checkpoint could not be written."""

LIGHTNING = ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric")
CHATTERERS = ("nequip", *LIGHTNING, *(f"{name}.utilities.rank_zero" for name in LIGHTNING))
"""Loggers that tell at every training which accelerators a machine lacks.

Whichever of Lightning's names is imported last speaks, and sets the level of its package, not of `rank_zero`.
"""


@dataclass
class TrainedMember:
    """A trained potential and how its training went.

    ``checkpoint`` holds the epoch with the smallest validation loss; ``history`` is one dictionary
    per epoch, as NequIP names its metrics (eV, eV/Å, eV/Å³).
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
    """Fix threads and default type, and keep Lightning's chatter out of the terminal.

    Sums depend on the number of threads in their last bits, so a training repeats exactly only
    with the same number.  NequIP sets torch's default type once in the life of a process; set
    here every time, a training does not depend on what ran before it.
    """
    threads_before, dtype_before = torch.get_num_threads(), torch.get_default_dtype()
    with warnings.catch_warnings():
        # torch deprecates the TorchScript options that NequIP sets; nothing a user could act on
        warnings.simplefilter("ignore", DeprecationWarning)
        set_global_state()
    torch.set_default_dtype(_GLOBAL_DTYPE)
    loggers = [logging.getLogger(name) for name in CHATTERERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    torch.set_num_threads(n_threads)
    try:
        with warnings.catch_warnings():
            # Lightning advises more loader workers and log steps: for data sets of this size neither helps
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            warnings.filterwarnings(
                "ignore", message=r".*(treespec|LeafSpec|isinstance).*", category=FutureWarning
            )
            yield
    finally:
        torch.set_num_threads(threads_before)
        torch.set_default_dtype(dtype_before)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def train_member(
    spec: NequIPSpec,
    training: TrainingSpec,
    elements: Sequence[str],
    energy_shifts_eV: dict[str, float],
    forces_rms_eV_per_angstrom: dict[str, float],
    mean_n_neighbours: float,
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
    """Train until ``max_epochs`` (``warm_start_epochs`` with a parent), from wherever ``folder`` stands.

    Parameters
    ----------
    elements
        Chemical symbols that the potential knows.
    energy_shifts_eV, forces_rms_eV_per_angstrom, mean_n_neighbours
        Fixed statistics of the campaign's first data set.
    train_file, validation_file
        extxyz files with energy (eV), forces (eV/Å), stress (eV/Å³, tension positive).
    folder
        Work folder; checkpoints in it are continued, damaged ones skipped and noted.
    parent_checkpoint
        Weights to start from.

    Raises
    ------
    TrainingError
        The training failed or its loss is not finite.
    DiskFullError
        The disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = model_config(
        spec, elements, energy_shifts_eV, forces_rms_eV_per_angstrom, mean_n_neighbours, model_seed
    )
    config = training_config(
        model,
        training,
        elements,
        train_file,
        validation_file,
        folder,
        parent_checkpoint,
        data_seed,
        device,
        label,
    )
    newest, notes = take_up(folder)
    resumed_from = None
    if newest is not None:
        config["ckpt_path"] = str(newest)
        resumed_from = int(newest.stem.removeprefix("epoch-")) + 1
    started = time.monotonic()
    with quiet_training(n_threads):
        try:
            _run_nequip(config, folder)
        except (RuntimeError, ValueError, KeyError, AssertionError) as error:
            # torch's own error of a full disk is a RuntimeError like any other
            if shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
                raise DiskFullError(f"{folder}: the disk is full; free some space, then resume") from error
            raise TrainingError(
                f"training {label} in {folder} failed: {error}. The data are in {train_file.name}; "
                "look for labels out of range, then resume the campaign."
            ) from error
    best, (last, _) = folder / "best.ckpt", take_up(folder)
    if last is None:
        raise TrainingError(
            f"training {label} in {folder} ended without a checkpoint: its validation loss was never finite; "
            "lower committee.training.learning_rate"
        )
    state = torch.load(last, map_location="cpu", weights_only=False)["callbacks"]["EpochCheckpoint"]
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


def _run_nequip(config: dict[str, Any], folder: Path) -> None:
    """Run ``nequip-train`` in this process: seven seconds of imports less per member."""
    from nequip.scripts.train import main

    hydra_config = OmegaConf.structured({"hydra": HydraConf()})
    with open_dict(hydra_config):
        hydra_config.hydra.runtime.output_dir = str(folder)
    HydraConfig.instance().set_config(hydra_config)
    # the resolver of an earlier training in this process would refuse to be registered again
    OmegaConf.clear_resolver("training_data_stats")
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    try:
        main.__wrapped__(OmegaConf.create(config))
    except SystemExit as ended:
        if isinstance(ended.__context__, KeyboardInterrupt):
            # Lightning takes Ctrl-C for itself: it ignores the next one and ends the process as if it had failed
            signal.signal(signal.SIGINT, on_ctrl_c)
            raise KeyboardInterrupt from ended
        raise
