"""Training that starts from a potential of another method: exact copies, energy shifts, frozen layers, packages."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from interphase_flows.datasets.baseline import fit_baseline
from interphase_flows.datasets.frames import extxyz_bytes
from interphase_flows.exceptions import TrainingError
from interphase_flows.jobs.train import TrainMaker
from interphase_flows.potentials.committee import load_calculator
from interphase_flows.potentials.compiled.architecture import loaded_tensors
from interphase_flows.potentials.spec import CommitteeSpec, FineTuningSpec, NequIPSpec
from interphase_flows.potentials.training import TrainedMember, train_member
from interphase_flows.potentials.transfer import checkpoint_statistics, transfer
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import open_workspace, use_workspace
from tiny_training import CUTOFF_ANGSTROM, SPEC, TRAINING, all_frames, labelled, train

pytestmark = pytest.mark.slow
ELEMENTS = ["Li", "P", "S"]
SHIFTS_EV = {"Li": 1.5, "P": -3.0, "S": 0.25}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    training = TRAINING.model_copy(update={"max_epochs": 3})
    return train(tmp_path_factory.mktemp("trained"), training=training).checkpoint


@pytest.fixture(scope="module")
def other_method(trained) -> list[Atoms]:
    """Frames whose labels are those of a potential, plus an energy of each atom."""
    calculator, frames = load_calculator(trained), all_frames()
    for frame in frames:
        energy, forces, stress = (calculator.get_property(key, frame.copy()) for key in ("energy", "forces", "stress"))
        energy += sum(SHIFTS_EV[symbol] for symbol in frame.symbols)
        frame.calc = SinglePointCalculator(frame, energy=energy, forces=forces, stress=stress)
    return frames


def fine_tune(folder: Path, start: Path, frames: list[Atoms], tuning: FineTuningSpec, seed: int = 1) -> TrainedMember:
    folder.mkdir(exist_ok=True)
    files = {"train": frames[:8], "validation": frames[8:]}
    for name, part in files.items():
        (folder / f"{name}.extxyz").write_bytes(extxyz_bytes(part))
    paths = (folder / f"{name}.extxyz" for name in files)
    baseline = fit_baseline(frames[:8], CUTOFF_ANGSTROM)
    return train_member(SPEC, TRAINING, baseline, *paths, folder, 1, seed, start=start, fine_tuning=tuning)


def test_energy_shifts_of_the_new_method_are_found(trained, other_method):
    found, before = transfer(trained, SPEC, ELEMENTS, other_method).statistics, checkpoint_statistics(trained)
    for frame in other_method:
        change = sum(found.energy_shifts_eV[s] - before.energy_shifts_eV[s] for s in frame.symbols)
        assert change == pytest.approx(sum(SHIFTS_EV[s] for s in frame.symbols), abs=1e-3)
    assert found.forces_rms_eV_per_angstrom == pytest.approx(before.forces_rms_eV_per_angstrom)
    assert found.mean_n_neighbours == pytest.approx(before.mean_n_neighbours)


@pytest.mark.parametrize("family", ["atom", "dimer"])
def test_energies_of_isolated_atoms_do_not_change_the_shifts(trained, other_method, family):
    expected = transfer(trained, SPEC, ELEMENTS, other_method).statistics
    far = Atoms("LiS", [[0, 0, 0], [0, 0, 2.4]], cell=[12.0] * 3, pbc=True)
    far.calc = SinglePointCalculator(far, energy=500.0, forces=np.zeros((2, 3)), stress=np.zeros(6))
    far.info["origin"] = f"{family}/Li-S"
    assert transfer(trained, SPEC, ELEMENTS, [*other_method, far]).statistics == expected


def test_elements_of_the_campaign_are_taken_from_a_potential_of_more_elements(trained):
    """`transfer` itself compares forces of the copy with those of the file."""
    frames = labelled("Li2S", 3)
    found = transfer(trained, SPEC, ["Li", "S"], frames)
    assert found.statistics.elements == ["Li", "S"]
    assert found.weights[0].shape[0] == 2
    with pytest.raises(TrainingError, match=r"has no Na, only Li, P, S\. Hint"):
        transfer(trained, SPEC, ["Li", "Na"], frames)


def test_compiled_model_is_rejected(tmp_path):
    with pytest.raises(TrainingError, match=r"compiled model.*Hint: give its checkpoint"):
        transfer(tmp_path / "mine.nequip.pt2", SPEC, ELEMENTS, [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"n_features": 8}, "of shape"),
        ({"n_layers": 2}, "of shape"),
        ({"cutoff_angstrom": 4.5}, "forces differ"),
    ],
)
def test_other_architecture_is_rejected_with_that_of_the_file(trained, changes, reason):
    spec = NequIPSpec(**(SPEC.model_dump() | changes))
    with pytest.raises(TrainingError, match=reason) as raised:
        transfer(trained, spec, ELEMENTS, all_frames())
    assert "set committee.model: {cutoff_angstrom: 4.0, n_layers: 1, l_max: 1" in str(raised.value)


def test_package_gives_the_weights_of_its_checkpoint(trained, tmp_path):
    from nequip.scripts.package import main

    packaged = tmp_path / "potential.nequip.zip"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main(["build", str(trained), str(packaged)])
        found = transfer(packaged, SPEC, ELEMENTS, all_frames())
    expected = transfer(trained, SPEC, ELEMENTS, all_frames())
    assert found.statistics.energy_shifts_eV == pytest.approx(expected.statistics.energy_shifts_eV, abs=1e-5)
    for a, b in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_each_member_starts_from_its_own_file(trained, other_method, tmp_path):
    other = train(tmp_path / "other", seed=2).checkpoint
    spec = CommitteeSpec(
        n_members=2,
        model=SPEC,
        training=TRAINING,
        start_from=[str(trained), str(other)],
        fine_tuning=FineTuningSpec(max_epochs=1, learning_rate=1e-9),
    )
    with open_workspace(Settings(root=tmp_path / "runs"), "c") as workspace, use_workspace(workspace):
        models = [TrainMaker.make.original(TrainMaker(spec=spec), other_method, member) for member in range(2)]
        tuned = [workspace.artifacts.get(model.checkpoint) for model in models]
    for file, own, other_member in zip([trained, other], tuned, reversed(tuned), strict=True):
        assert difference(file, own) < 1e-6
        assert difference(file, other_member) > 1e-2


def difference(one: Path, other: Path) -> float:
    """Return the largest difference between the weights of two potentials."""
    a, b = (loaded_tensors(load_calculator(path).model) for path in (one, other))
    return max(float((a[name] - b[name]).detach().abs().max()) for name in a if "weight" in name)


def test_fine_tuning_begins_at_the_potential_and_keeps_frozen_layers(trained, other_method, tmp_path):
    """The labels are those of the potential itself, so its loss is almost zero from the start."""
    tuned = fine_tune(
        tmp_path / "tuned", trained, other_method, FineTuningSpec(max_epochs=2, learning_rate=1e-4, n_frozen_layers=1)
    )
    assert tuned.best_validation_loss < 0.02
    before, after = (loaded_tensors(load_calculator(path).model) for path in (trained, tuned.checkpoint))
    for name in before:
        if "layer0" in name or "type_embed" in name:
            np.testing.assert_array_equal(before[name].detach(), after[name].detach())
    readout = next(name for name in before if "readout" in name)
    assert not np.array_equal(before[readout].detach(), after[readout].detach())
    # the next iteration has other labels, whose statistics must not replace those of the weights
    child = train(tmp_path / "child", parent=tuned.checkpoint)
    assert checkpoint_statistics(child.checkpoint) == checkpoint_statistics(tuned.checkpoint)
    random = train(tmp_path / "random", training=TRAINING.model_copy(update={"max_epochs": 2}))
    assert random.best_validation_loss > 10 * tuned.best_validation_loss


def test_resumed_fine_tuning_has_the_statistics_of_its_checkpoint(trained, tmp_path, monkeypatch):
    """Energies that another machine computes with the potential differ by rounding."""
    tuning = FineTuningSpec(max_epochs=2)
    first = fine_tune(tmp_path, trained, all_frames(), tuning)
    expected = checkpoint_statistics(first.checkpoint)
    for name in ("epoch-00001.ckpt", "epoch-00001.sha256"):
        (tmp_path / name).unlink()

    def no_transfer(*_: object) -> None:
        raise AssertionError("the potential is evaluated again")

    monkeypatch.setattr("interphase_flows.potentials.training.transfer", no_transfer)
    again = fine_tune(tmp_path, trained, all_frames(), tuning)
    assert again.resumed_from_epoch == 1
    assert again.history == first.history
    assert checkpoint_statistics(again.checkpoint) == expected


def test_members_from_one_file_differ_by_the_order_of_their_batches(trained, tmp_path):
    tuning = FineTuningSpec(max_epochs=2, learning_rate=0.01)
    members = [fine_tune(tmp_path / str(seed), trained, all_frames(), tuning, seed).checkpoint for seed in (1, 2)]
    one, other = (load_calculator(path).get_property("forces", all_frames()[9].copy()) for path in members)
    assert np.abs(one - other).max() > 1e-4
