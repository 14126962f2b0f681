"""Checkpoints of potentials run no code when they are read."""

import copy
import os
import pickle
from pathlib import Path

import pytest
import torch

from interphase_flows.exceptions import InputError, TrainingError
from interphase_flows.jobs.potentials import load_committee
from interphase_flows.potentials.callbacks import InitialWeights
from interphase_flows.potentials.checkpoint_file import read_checkpoint_file
from interphase_flows.potentials.committee import load_calculator
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.storage.workspace import use_workspace

METRICS = {"_target_": "nequip.train.EnergyForceStressMetrics", "coeffs": {"forces_rmse": 1.0}}
PLAIN = {
    "state_dict": {"ema.ema_weight_0": torch.zeros(3)},
    "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
    "callbacks": {"EpochCheckpoint": {"best_value": 1.0, "best_epoch": 0, "history": []}},
    "hyper_parameters": {
        "model": {"_target_": "nequip.model.NequIPGNNModel", "type_names": ["Li"]},
        "val_metrics": METRICS,
        "optimizer": {"_target_": "torch.optim.Adam"},
        "info_dict": {
            "training_module": {"_target_": "nequip.train.EMALightningModule", "val_metrics": METRICS},
            "data": {"_target_": "not.built.on.loading"},
        },
    },
}


class Command:
    """Create a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def written(path: Path, change=lambda checkpoint: None) -> Path:
    checkpoint = copy.deepcopy(PLAIN)
    change(checkpoint)
    torch.save(checkpoint, path)
    return path


def test_plain_checkpoint_is_read(tmp_path):
    assert read_checkpoint_file(written(tmp_path / "plain.ckpt"))["callbacks"] == PLAIN["callbacks"]


def hostile(tmp_path, ran):
    """Yield files that would create the folder `ran` if they were loaded without restrictions."""
    places = {
        "top": lambda c: c.update(x=Command(ran)),
        "weights": lambda c: c["state_dict"].update(x=Command(ran)),
        "callback": lambda c: c["callbacks"].update(EpochCheckpoint=Command(ran)),
        "parameters": lambda c: c["hyper_parameters"].update(model=Command(ran)),
        "model": lambda c: c["hyper_parameters"].update(model={"_target_": "os.mkdir", "path": str(ran)}),
        "nested": lambda c: c["hyper_parameters"]["val_metrics"].update(
            metrics=[{"metric": {"_target_": "os.mkdir", "_args_": [str(ran)]}}]
        ),
        "module": lambda c: c["hyper_parameters"]["info_dict"]["training_module"].update(_target_="os.mkdir"),
    }
    for name, change in places.items():
        yield written(tmp_path / f"{name}.ckpt", change)
    path = tmp_path / "pickle.ckpt"
    path.write_bytes(pickle.dumps(Command(ran)))
    yield path


def test_code_in_a_checkpoint_is_not_run_by_any_reader(tmp_path):
    ran = tmp_path / "ran"
    for path in hostile(tmp_path, ran):
        with pytest.raises(TrainingError):
            read_checkpoint_file(path)
        with pytest.raises(TrainingError):
            load_calculator(path)
        trainer = type("Trainer", (), {"current_epoch": 0, "global_step": 0})
        with pytest.raises(TrainingError):
            InitialWeights(str(path)).on_train_start(trainer, None)
    assert not ran.exists()


@pytest.mark.parametrize(
    "target",
    [
        "nequip.model.ModelFromPackage",
        "nequip.model.ModelFromCheckpoint",
        "nequip.train.lightning.torch.load",
        "nequip.data.dataset.NequIPLMDBDataset",
        "torch.hub.load",
        "subprocess.run",
        "${oc.env:HOME}",
        "nequip.model.NequIPGNNModel\n",
        "",
        None,
        ["os.system"],
    ],
)
def test_function_that_loads_files_or_is_not_of_nequip_is_rejected(target, tmp_path):
    path = written(tmp_path / "x.ckpt", lambda c: c["hyper_parameters"]["model"].update(_target_=target))
    with pytest.raises(TrainingError, match="would call"):
        read_checkpoint_file(path)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04" + bytes(500), pickle.dumps({"a": 1})])
def test_damaged_file_is_an_error_with_a_hint(content, tmp_path):
    path = tmp_path / "damaged.ckpt"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"damaged\.ckpt is not a checkpoint .* Hint: "):
        read_checkpoint_file(path)


def test_checkpoint_that_is_cut_off_anywhere_is_an_error_with_a_hint(tmp_path):
    """torch reports most cuts of a file of some kilobytes as an invalid argument of the system."""
    intact = written(tmp_path / "intact.ckpt", lambda c: c["state_dict"].update(x=torch.zeros(10_000)))
    content, path = intact.read_bytes(), tmp_path / "damaged.ckpt"
    for size in {*range(100, len(content), 997), len(content) - 1}:
        path.write_bytes(content[:size])
        with pytest.raises(TrainingError, match=r"damaged\.ckpt is not a checkpoint"):
            read_checkpoint_file(path)


def test_missing_checkpoint_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_checkpoint_file(tmp_path / "missing.ckpt")


@pytest.mark.parametrize("suffix", [".nequip.zip", ".nequip.pth", ".nequip.pt2", ""])
def test_document_may_not_refer_to_a_potential_that_contains_code(suffix, started):
    potential = ArtifactRef(kind="models", sha256="0" * 64, size_bytes=1, suffix=suffix)
    with use_workspace(started), pytest.raises(InputError, match="contain code"):
        load_committee([potential])
