"""Configuration of the trainer."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import InputError
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


OLD_SETTINGS = {
    *("max_epochs", "warm_start_epochs", "batch_size", "learning_rate", "warm_start_learning_rate", "ema_decay"),
    *("energy_weight", "forces_weight", "stress_weight"),
}
"""Settings of a training when the first models were stored."""
COLD = TrainingCourse(n_epochs=30, learning_rate=0.02)


def config(course: TrainingCourse = COLD, device: str = "cpu", training: TrainingSpec = TRAINING) -> dict:
    model = model_config(NequIPSpec(), BASELINE, seed=3)
    files = (Path("/w/train.extxyz"), Path("/w/validation.extxyz"))
    return training_config(model, training, *files, Path("/w"), course, 0, device, "train member 0")


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
    assert [c["_target_"].rsplit(".", 1)[1] for c in cold["trainer"]["callbacks"]] == ["EpochCheckpoint"]
    assert cold["training_module"]["train_metrics"] == cold["training_module"]["val_metrics"]


@pytest.mark.parametrize("weights", [(10.0, 1.0, 1000.0), (3.0, 1.0, 0.0), (0.1, 0.3, 7.7), (0.0, 1.0, 1.0)])
def test_weights_of_the_loss_add_up_to_one_to_the_last_bit(weights):
    """A resumed training divides them by their sum again."""
    names = ("energy_weight", "forces_weight", "stress_weight")
    loss = config(training=TrainingSpec(**dict(zip(names, weights, strict=True))))["training_module"]["loss"]
    assert sum(loss["coeffs"].values()) == 1.0
    shares = [w / sum(weights) for w in weights if w or weights.index(w) == 0]
    assert list(loss["coeffs"].values()) == pytest.approx(shares)


def test_elements_without_a_weight_have_one():
    loss = config(training=TrainingSpec(forces_weight_of_element={"S": 4.0}))["training_module"]["loss"]
    assert loss["per_type_forces_coeffs"] == {"Li": 1.0, "S": 4.0}
    assert config()["training_module"]["loss"]["per_type_forces_coeffs"] is None
    with pytest.raises(InputError, match="P not among the elements Li, S of the potential"):
        config(training=TrainingSpec(forces_weight_of_element={"P": 2.0}))


def test_early_stopping_is_a_callback_of_the_validation_loss():
    (_, stopping) = config(training=TrainingSpec(early_stopping_epochs=7))["trainer"]["callbacks"]
    assert (stopping["monitor"], stopping["patience"]) == (MONITOR, 7)


def test_plateau_is_evaluated_after_the_last_batch_of_an_epoch():
    training = TrainingSpec(learning_rate_schedule="plateau", plateau_epochs=4, final_learning_rate=1e-5)
    course = TrainingCourse(30, 0.02, n_batches=9)
    schedule = config(course, training=training)["training_module"]["lr_scheduler"]
    assert (schedule["interval"], schedule["frequency"], schedule["monitor"]) == ("step", 9, MONITOR)
    assert (schedule["scheduler"]["patience"], schedule["scheduler"]["min_lr"]) == (3, 1e-5)


def test_new_settings_do_not_change_the_keys_of_models_without_them():
    old = TRAINING.model_dump(include=OLD_SETTINGS)
    assert content_key("models", training=TRAINING) == content_key("models", training=old)
    for changes in ({"forces_weight_of_element": {"P": 2.0}}, {"early_stopping_epochs": 5}, {"plateau_epochs": 3}):
        changed = TrainingSpec(**changes)
        assert content_key("models", training=changed) != content_key("models", training=old)
        assert TrainingSpec(**changed.model_dump()) == changed


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
