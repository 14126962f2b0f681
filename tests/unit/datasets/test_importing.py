"""Import of labelled frames: every missing label is reported, and the split keeps origins together."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from interphase_flows.datasets.importing import labelled_frames, split_frames
from interphase_flows.exceptions import InputError
from interphase_flows.reference.labelling import method_identity

METHOD = method_identity("other code", "other code", "", {})


def frame(seed: int, leave_out: str = "", symbols: str = "LiS", **info) -> Atoms:
    atoms = Atoms(symbols, [[0, 0, 0], [2.4, 0, 0]], cell=[5, 5, 5], pbc=True, info=info)
    atoms.rattle(0.1, seed=seed)
    rng = np.random.default_rng(seed)
    labels = {"energy": rng.normal(), "forces": rng.normal(size=(2, 3)), "stress": rng.normal(size=6)}
    atoms.calc = SinglePointCalculator(atoms, **{name: v for name, v in labels.items() if name != leave_out})
    return atoms


def imported(frames, seed=0):
    found, notes = labelled_frames(frames, METHOD)
    return found, split_frames(found, seed, 0.2, 0.2), notes


def test_file_and_list_give_the_same_labels(tmp_path):
    frames = [frame(seed) for seed in range(3)]
    write(tmp_path / "data.extxyz", frames)
    from_file, notes = labelled_frames([tmp_path / "data.extxyz"], METHOD)
    from_list, _ = labelled_frames(frames, METHOD)
    assert [f.get_potential_energy() for f in from_file] == pytest.approx([f.get_potential_energy() for f in from_list])
    assert notes == []


def test_random_split_depends_on_the_seed_only():
    frames = [frame(seed) for seed in range(20)]
    splits = [[f.info["split"] for f in imported(frames, seed)[0]] for seed in (1, 1, 2)]
    assert splits[0] == splits[1] != splits[2]
    assert [splits[0].count(side) for side in ("train", "validation", "test")] == [12, 4, 4]


def test_frames_of_one_origin_are_on_one_side():
    frames = [frame(seed, origin=f"run-{seed % 5}") for seed in range(20)]
    found, split_of_origin, _ = imported(frames)
    assert set(split_of_origin.values()) == {"train", "validation", "test"}
    assert all(f.info["split"] == split_of_origin[f.info["origin"]] for f in found)
    assert set(split_of_origin) == {f"imported/run-{index}" for index in range(5)}


def test_given_split_is_kept():
    sides = ["train", "train", "validation", "test"]
    found, _, _ = imported([frame(seed, split=side, origin="md/" + side) for seed, side in enumerate(sides)])
    assert [f.info["split"] for f in found] == sides
    assert found[2].info["origin"] == "md/validation"


def test_repeated_structures_are_left_out_with_a_note():
    found, _, notes = imported([*(frame(seed) for seed in range(5)), frame(0)])
    assert len(found) == 5
    assert notes == ["1 of 6 frames repeat an earlier structure and are left out"]


def test_frames_without_stress_are_noted():
    found, _, notes = imported([frame(seed, leave_out="stress") for seed in range(5)])
    assert "stress" not in found[0].calc.results
    assert notes == ["the frames have no stress"]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([frame(0), frame(1, leave_out="energy")], r"frame 1: has no energy\. Hint: name labels"),
        ([frame(0, leave_out="forces")], r"frame 0: has no forces"),
        ([frame(0, leave_out="energy", REF_energy=1.0)], r"has no energy\. It has REF_energy\."),
        ([frame(0), frame(1, leave_out="stress")], r"frame 1: has no stress"),
        ([], r"no labelled frames"),
        ([frame(0), frame(1)], r"2 frames give 0 train, 1 validation, 1 test. Hint: give more frames"),
        ([frame(s, split="val") for s in range(5)], r"frame 0: split='val' is not one of train, validation, test"),
        ([frame(s, origin="one") for s in range(5)], r"5 train, 0 validation, 0 test.*three origins"),
        (
            [frame(s, split=side, origin="one") for s, side in enumerate(["train", "train", "validation", "test"])],
            r"origin 'imported/one' is in two splits",
        ),
        (
            [
                frame(s, split=side, symbols=symbols)
                for s, (side, symbols) in enumerate(
                    [("train", "LiS"), ("train", "LiS"), ("validation", "LiP"), ("test", "LiS")]
                )
            ],
            r"no training frame has P",
        ),
    ],
)
def test_unusable_frames_raise_with_a_hint(frames, message):
    with pytest.raises(InputError, match=message):
        imported(frames)


def test_numbers_that_are_not_finite_raise():
    bad = frame(0)
    bad.calc.results["forces"][1, 2] = np.nan
    with pytest.raises(InputError, match="frame 0: positions, energy, forces or stress are not finite"):
        imported([bad])


def test_unreadable_files_raise_with_their_name(tmp_path):
    with pytest.raises(InputError, match=r"none.extxyz: no such file"):
        labelled_frames([tmp_path / "none.extxyz"], METHOD)
    (tmp_path / "bad.extxyz").write_text("not a frame")
    with pytest.raises(InputError, match=r"bad.extxyz, frame 0: cannot be read"):
        labelled_frames([tmp_path / "bad.extxyz"], METHOD)
    write(tmp_path / "plain.xyz", [frame(0), Atoms("H")], format="extxyz")
    with pytest.raises(InputError, match=r"plain.xyz, frame 1: has no energy"):
        labelled_frames([tmp_path / "plain.xyz"], METHOD)


@pytest.mark.parametrize("entry", [{"split": "test"}, {"origin": "md/1"}])
def test_split_or_origin_of_some_frames_only_is_an_error(entry):
    """A random split would train with frames that the user holds out."""
    frames = [frame(seed) for seed in range(10)] + [frame(10, **entry)]
    (name,) = entry
    with pytest.raises(InputError, match=rf"frame 0: has no info\['{name}'\], which other frames have\. Hint"):
        imported(frames)


def test_forces_of_another_number_of_atoms_are_an_error():
    wrong = frame(0)
    wrong.calc.results["forces"] = np.zeros((1, 3))
    with pytest.raises(InputError, match=r"frame 1: forces have the shape \(1, 3\) for 2 atoms"):
        imported([frame(1), wrong])
