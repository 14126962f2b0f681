"""The configuration of a training, from our specs."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from interphase_flows.potentials.config import MONITOR, model_config, training_config
from interphase_flows.potentials.spec import CommitteeSpec, NequIPSpec, TrainingSpec

SHIFTS, SCALES = {"Li": -1.9, "S": -4.0}, {"Li": 0.5, "S": 0.7}
TRAINING = TrainingSpec(
    max_epochs=30, warm_start_epochs=7, learning_rate=0.02, warm_start_learning_rate=0.005
)


def config(parent: Path | None = None, device: str = "cpu") -> dict:
    model = model_config(NequIPSpec(), ["Li", "S"], SHIFTS, SCALES, 11.5, seed=3)
    files = (Path("/w/train.extxyz"), Path("/w/validation.extxyz"))
    return training_config(
        model, TRAINING, ["Li", "S"], *files, Path("/w"), parent, 0, device, "train member 0"
    )


def test_statistics_are_numbers_of_the_campaign_and_never_trained():
    """They are the same in every iteration, so that weights can be handed on."""
    model = config()["training_module"]["model"]
    assert model["per_type_energy_shifts"] == SHIFTS
    assert model["per_type_energy_scales"] == SCALES
    assert model["avg_num_neighbors"] == 11.5
    assert not model["per_type_energy_shifts_trainable"]
    assert not model["per_type_energy_scales_trainable"]
    assert model["seed"] == 3


def test_a_model_holds_atoms_apart_where_there_are_no_data():
    """ZBL, for the same elements in the same order."""
    model = config()["training_module"]["model"]
    assert model["pair_potential"]["_target_"].endswith("ZBL")
    assert model["pair_potential"]["chemical_species"] == model["type_names"] == ["Li", "S"]


def test_a_cold_start_takes_all_epochs_and_no_parent():
    """With the schedule as long as the training."""
    cold = config()
    assert cold["trainer"]["max_epochs"] == 30
    assert cold["training_module"]["optimizer"]["lr"] == 0.02
    assert cold["training_module"]["lr_scheduler"]["scheduler"]["T_max"] == 30
    assert [c["_target_"].rsplit(".", 1)[1] for c in cold["trainer"]["callbacks"]] == ["EpochCheckpoint"]


def test_a_warm_start_is_shorter_and_gentler():
    """And begins with the parent's weights."""
    warm = config(Path("/m/best.ckpt"))
    assert warm["trainer"]["max_epochs"] == 7
    assert warm["training_module"]["optimizer"]["lr"] == 0.005
    assert warm["training_module"]["lr_scheduler"]["scheduler"]["T_max"] == 7
    assert warm["trainer"]["callbacks"][1]["parent_checkpoint"] == "/m/best.ckpt"


def test_what_is_watched_is_what_is_kept():
    """The best epoch is that of the validation loss; NequIP's own checkpoints are off."""
    cold = config()
    assert cold["trainer"]["callbacks"][0]["monitor"] == MONITOR
    assert not cold["trainer"]["enable_checkpointing"]
    assert cold["training_module"]["loss"]["coeffs"]["forces"] == TRAINING.forces_weight


def test_batches_come_in_an_order_that_can_be_resumed():
    """Our data module, one worker, a seed."""
    data = config()["data"]
    assert data["_target_"].endswith("ResumableASEDataModule")
    assert data["train_dataloader"]["shuffle"]
    assert not data["val_dataloader"]["shuffle"]
    assert data["train_dataloader"]["num_workers"] == 0
    assert data["seed"] == 0


@pytest.mark.parametrize(("device", "accelerator"), [("cpu", "cpu"), ("cuda", "gpu")])
def test_the_device_of_the_machine_is_the_trainers(device, accelerator):
    """One device per member."""
    trainer = config(device=device)["trainer"]
    assert (trainer["accelerator"], trainer["devices"]) == (accelerator, 1)


def test_a_committee_of_one_cannot_disagree():
    """Two at least."""
    with pytest.raises(ValidationError):
        CommitteeSpec(n_members=1)


@pytest.mark.parametrize("field", [{"cutoff_angstrom": 1.0}, {"n_layers": 0}, {"l_max": -1}, {"depth": 3}])
def test_an_architecture_out_of_range_is_refused(field):
    """Before anything is trained."""
    with pytest.raises(ValidationError):
        NequIPSpec(**field)
