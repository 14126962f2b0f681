"""Build the configuration of NequIP's trainer (Hydra ``_target_`` form)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interphase_flows.exceptions import InputError
from interphase_flows.potentials.spec import NequIPSpec, TrainingSpec
from interphase_flows.schemas.dataset import Baseline

NequIPConfig = dict[str, Any]
"""Hydra configuration, whose schema is that of the classes named by ``_target_``."""

_SCHEDULERS = "torch.optim.lr_scheduler"
MONITOR = "val0_epoch/weighted_sum"


@dataclass(frozen=True)
class TrainingCourse:
    """Epochs, first learning rate and initial weights of a training: a checkpoint, a file of weights, or random.

    ``n_batches`` is the number of steps of the optimiser in an epoch.
    """

    n_epochs: int
    learning_rate: float
    initial_weights: Path | None = None
    n_frozen_layers: int = 0
    n_batches: int = 1


def model_config(spec: NequIPSpec, baseline: Baseline, seed: int) -> NequIPConfig:
    """Return the model section.

    Statistics are those of the campaign's baseline and never those of a later training set, so that weights can be
    passed from iteration to iteration. A ZBL repulsion (Ziegler, Biersack, Littmark 1985) covers short distances
    without data.
    """
    return {
        "_target_": "nequip.model.NequIPGNNModel",
        "seed": seed,
        "model_dtype": "float32",
        "type_names": baseline.elements,
        "r_max": spec.cutoff_angstrom,
        "num_bessels": spec.n_radial_basis,
        "bessel_trainable": False,
        "polynomial_cutoff_p": 6,
        "num_layers": spec.n_layers,
        "l_max": spec.l_max,
        "parity": spec.parity,
        "num_features": spec.n_features,
        "radial_mlp_depth": spec.radial_mlp_depth,
        "radial_mlp_width": spec.radial_mlp_width,
        "avg_num_neighbors": baseline.mean_n_neighbours,
        "per_type_energy_scales": baseline.forces_rms_eV_per_angstrom,
        "per_type_energy_shifts": baseline.energy_shifts_eV,
        "per_type_energy_scales_trainable": False,
        "per_type_energy_shifts_trainable": False,
        "pair_potential": {
            "_target_": "nequip.nn.pair_potential.ZBL",
            "units": "metal",
            "chemical_species": baseline.elements,
        },
    }


def training_config(
    model: NequIPConfig,
    training: TrainingSpec,
    train_file: Path,
    validation_file: Path,
    folder: Path,
    course: TrainingCourse,
    data_seed: int,
    device: str,
    label: str,
) -> NequIPConfig:
    """Return the complete configuration for ``nequip.scripts.train``.

    Raises
    ------
    InputError
        An element with a weight is not one of the model.
    """
    transforms = [
        {
            "_target_": "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper",
            "model_type_names": model["type_names"],
        },
        {"_target_": "nequip.data.transforms.NeighborListTransform", "r_max": model["r_max"]},
    ]

    def loader(batch_size: int, shuffle: bool) -> NequIPConfig:
        return {
            "_target_": "torch.utils.data.DataLoader",
            "batch_size": batch_size,
            "shuffle": shuffle,
            "num_workers": 0,
        }

    terms = {"total_energy": training.energy_weight, "forces": training.forces_weight}
    # the best epoch is that of the smallest sum of errors, each with the weight that it has in the loss
    weights = {
        "per_atom_energy_rmse": math.sqrt(training.energy_weight),
        "forces_rmse": math.sqrt(training.forces_weight),
    }
    target = "EnergyForce"
    if training.stress_weight:
        target = "EnergyForceStress"
        terms |= {"stress": training.stress_weight}
        weights |= {"stress_rmse": math.sqrt(training.stress_weight)}
    coefficients: dict[str, float | None] = {**_normalised(weights)}
    if training.stress_weight:
        coefficients |= {"stress_mae": None}
    metrics = {"_target_": f"nequip.train.{target}Metrics", "coeffs": coefficients}
    callbacks: list[NequIPConfig] = [
        {
            "_target_": "interphase_flows.potentials.callbacks.EpochCheckpoint",
            "folder": str(folder),
            "monitor": MONITOR,
            "label": label,
            "from_all_epochs": training.early_stopping_epochs is not None,
        }
    ]
    if training.early_stopping_epochs is not None:
        callbacks.append(
            {
                "_target_": "lightning.pytorch.callbacks.EarlyStopping",
                "monitor": MONITOR,
                "patience": training.early_stopping_epochs,
                "check_finite": False,
            }
        )
    if course.initial_weights is not None:
        callbacks.append(
            {
                "_target_": "interphase_flows.potentials.callbacks.InitialWeights",
                "file": str(course.initial_weights),
                "n_frozen_layers": course.n_frozen_layers,
            }
        )
    return {
        "run": ["train"],
        "data": {
            "_target_": "interphase_flows.potentials.datamodule.ResumableASEDataModule",
            "seed": data_seed,
            "train_file_path": str(train_file),
            "val_file_path": str(validation_file),
            "transforms": transforms,
            "ase_args": {"format": "extxyz"},
            "train_dataloader": loader(training.batch_size, shuffle=True),
            "val_dataloader": loader(16, shuffle=False),
        },
        "trainer": {
            "_target_": "lightning.Trainer",
            "accelerator": "cpu" if device == "cpu" else "gpu",
            "devices": 1,
            # one process, also under Slurm: Lightning would check the tasks of the allocation and requeue it on SIGUSR1
            "plugins": [{"_target_": "lightning.pytorch.plugins.environments.LightningEnvironment"}],
            "max_epochs": course.n_epochs,
            "num_sanity_val_steps": 0,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "logger": False,
            "callbacks": callbacks,
        },
        "training_module": {
            "_target_": "nequip.train.EMALightningModule",
            "ema_decay": training.ema_decay,
            "loss": {
                "_target_": f"nequip.train.{target}Loss",
                "per_atom_energy": True,
                "coeffs": _normalised(terms),
                "per_type_forces_coeffs": _weights_of_elements(training, model["type_names"]),
            },
            "train_metrics": metrics,
            "val_metrics": metrics,
            "test_metrics": metrics,
            "optimizer": {
                "_target_": "torch.optim.Adam",
                "lr": course.learning_rate,
                "amsgrad": True,
            },
            "lr_scheduler": _schedule(training, course),
            "model": model,
        },
        "global_options": {"allow_tf32": False},
    }


def _weights_of_elements(training: TrainingSpec, elements: Sequence[str]) -> dict[str, float] | None:
    """Return the weight of the forces on each element, None if all atoms have the same."""
    weights = training.forces_weight_of_element
    if not weights:
        return None
    if unknown := sorted(set(weights) - set(elements)):
        raise InputError(
            f"forces_weight_of_element: {', '.join(unknown)} not among the elements {', '.join(elements)} of the "
            "potential. Hint: remove it"
        )
    return {element: weights.get(element, 1.0) for element in elements}


def _schedule(training: TrainingSpec, course: TrainingCourse) -> NequIPConfig:
    """Return the schedule of the learning rate."""
    # a first learning rate below the last one is constant
    last = min(training.final_learning_rate, course.learning_rate)
    if training.learning_rate_schedule == "cosine":
        scheduler = {"_target_": f"{_SCHEDULERS}.CosineAnnealingLR", "T_max": course.n_epochs, "eta_min": last}
        return {"scheduler": scheduler, "interval": "epoch", "frequency": 1}
    scheduler = {
        "_target_": f"{_SCHEDULERS}.ReduceLROnPlateau",
        "factor": 0.5,
        # it counts the epochs after which it does nothing
        "patience": training.plateau_epochs - 1,
        "min_lr": last,
    }
    # once an epoch as well, but before the checkpoint of the epoch is written: at "epoch" Lightning changes the rate
    # after it, and a resumed training would miss the change
    return {"scheduler": scheduler, "monitor": MONITOR, "interval": "step", "frequency": course.n_batches}


def _normalised(weights: dict[str, float]) -> dict[str, float]:
    """Return weights whose sum is 1 to the last bit.

    NequIP divides them by their sum again when a training resumes, which must not change them.
    """
    total = sum(weights.values())
    *others, last = weights
    shares = {name: weights[name] / total for name in others}
    return shares | {last: 1.0 - sum(shares.values())}
