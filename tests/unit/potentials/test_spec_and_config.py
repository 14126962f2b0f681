"""Configuration of the trainer."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from interphase_flows.potentials.config import MONITOR, TrainingCourse, model_config, training_config
from interphase_flows.potentials.spec import CommitteeSpec, NequIPSpec, TrainingSpec
from interphase_flows.schemas.dataset import Baseline

SHIFTS, SCALES = {"Li": -1.9, "S": -4.0}, {"Li": 0.5, "S": 0.7}
BASELINE = Baseline(
    elements=["Li", "S"],
    energy_shifts_eV=SHIFTS,
    forces_rms_eV_per_angstrom=SCALES,
    mean_n_neighbours=11.5,
)
TRAINING = TrainingSpec()


COLD = TrainingCourse(n_epochs=30, learning_rate=0.02)


def config(course: TrainingCourse = COLD, device: str = "cpu") -> dict:
    model = model_config(NequIPSpec(), BASELINE, seed=3)
    files = (Path("/w/train.extxyz"), Path("/w/validation.extxyz"))
    return training_config(model, TRAINING, *files, Path("/w"), course, 0, device, "train member 0")


def test_statistics_are_those_of_the_baseline_and_not_trainable():
    model = config()["training_module"]["model"]
    assert model["per_type_energy_shifts"] == SHIFTS
    assert model["per_type_energy_scales"] == SCALES
    assert model["avg_num_neighbors"] == 11.5
    assert not model["per_type_energy_shifts_trainable"]
    assert not model["per_type_energy_scales_trainable"]
    assert model["seed"] == 3


def test_model_has_a_zbl_repulsion():
    model = config()["training_module"]["model"]
    assert model["pair_potential"]["_target_"].endswith("ZBL")
    assert model["pair_potential"]["chemical_species"] == model["type_names"] == ["Li", "S"]


def test_cold_start_has_all_epochs_and_no_parent():
    cold = config()
    assert cold["trainer"]["max_epochs"] == 30
    assert cold["training_module"]["optimizer"]["lr"] == 0.02
    assert cold["training_module"]["lr_scheduler"]["scheduler"]["T_max"] == 30
    assert [c["_target_"].rsplit(".", 1)[1] for c in cold["trainer"]["callbacks"]] == ["EpochCheckpoint"]


def test_course_sets_epochs_learning_rate_and_initial_weights():
    warm = config(TrainingCourse(7, 0.005, Path("/m/best.ckpt"), n_frozen_layers=1))
    assert warm["trainer"]["max_epochs"] == 7
    assert warm["training_module"]["optimizer"]["lr"] == 0.005
    assert warm["training_module"]["lr_scheduler"]["scheduler"]["T_max"] == 7
    weights = warm["trainer"]["callbacks"][1]
    assert (weights["file"], weights["n_frozen_layers"]) == ("/m/best.ckpt", 1)


@pytest.mark.parametrize("learning_rate", [0.01, 1e-3, 1e-4, 1e-8])
def test_learning_rate_never_rises(learning_rate):
    """Also one below the usual last learning rate."""
    course = TrainingCourse(n_epochs=30, learning_rate=learning_rate)
    model = model_config(NequIPSpec(), BASELINE, seed=3)
    found = training_config(model, TRAINING, Path("t"), Path("v"), Path("/w"), course, 0, "cpu", "")["training_module"]
    assert found["lr_scheduler"]["scheduler"]["eta_min"] <= found["optimizer"]["lr"] == learning_rate


def test_best_epoch_is_that_of_the_validation_loss():
    """Lightning's checkpoints are disabled."""
    cold = config()
    assert cold["trainer"]["callbacks"][0]["monitor"] == MONITOR
    assert not cold["trainer"]["enable_checkpointing"]
    assert cold["training_module"]["loss"]["coeffs"]["forces"] == TRAINING.forces_weight


def test_order_of_batches_is_resumable():
    data = config()["data"]
    assert data["_target_"].endswith("ResumableASEDataModule")
    assert data["train_dataloader"]["shuffle"]
    assert not data["val_dataloader"]["shuffle"]
    assert data["train_dataloader"]["num_workers"] == 0
    assert data["seed"] == 0


@pytest.mark.parametrize(("device", "accelerator"), [("cpu", "cpu"), ("cuda", "gpu")])
def test_trainer_uses_one_device(device, accelerator):
    trainer = config(device=device)["trainer"]
    assert (trainer["accelerator"], trainer["devices"]) == (accelerator, 1)


def test_committee_needs_two_members():
    with pytest.raises(ValidationError):
        CommitteeSpec(n_members=1)


@pytest.mark.parametrize("field", [{"cutoff_angstrom": 1.0}, {"n_layers": 0}, {"l_max": -1}, {"depth": 3}])
def test_architecture_out_of_range_raises(field):
    with pytest.raises(ValidationError):
        NequIPSpec(**field)
