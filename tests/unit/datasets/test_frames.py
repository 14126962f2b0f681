"""Labels as frames, and datasets as files."""

import numpy as np
import pytest
from ase import Atoms

from interphase_flows.datasets.frames import extxyz_bytes, frames_of_split, labelled_atoms, read_extxyz
from interphase_flows.exceptions import InputError
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.schemas.origin import Origin

FILE_DIGITS = 1e-7
"""extxyz keeps eight decimals."""


def label(key: str = "a" * 32, **changes) -> LabelDoc:
    atoms = Atoms("Li2S", positions=[[0, 0, 0], [2.4, 0.1, 0], [0, 2.4, 0]], cell=[5, 5, 5], pbc=True)
    fields = {
        "key": key,
        "structure_key": "b" * 32,
        "origin": "interface/1",
        "formula": "Li2S",
        "method_name": "chgnet",
        "method_key": "c" * 32,
        "is_surrogate": True,
        "status": "accepted",
        "numbers": atoms.numbers.tolist(),
        "cell": atoms.cell.tolist(),
        "positions": atoms.positions.tolist(),
        "energy_eV": -10.25,
        "forces_eV_per_angstrom": [[0.1, 0.2, 0.3], [0.0, -0.2, -0.3], [-0.1, 0.0, 0.0]],
        "stress_eV_per_angstrom3": [0.01, 0.02, 0.03, 0.04, 0.05, 0.06],
    }
    return LabelDoc(**fields | changes)


def test_label_round_trip(tmp_path):
    """Energy, forces, stress in Voigt order, origin, side and key."""
    frame = labelled_atoms(label(), Origin("amorphous x=0.53/101"), "test")
    (tmp_path / "one.extxyz").write_bytes(extxyz_bytes([frame]))
    (back,) = read_extxyz(tmp_path / "one.extxyz")
    assert back.get_potential_energy() == pytest.approx(-10.25)
    np.testing.assert_allclose(back.get_forces(), frame.get_forces(), rtol=0, atol=FILE_DIGITS)
    np.testing.assert_allclose(back.get_stress(), frame.get_stress(), rtol=0, atol=FILE_DIGITS)
    assert back.pbc.all()
    for name in ("label_key", "origin", "split", "method"):
        assert back.info[name] == frame.info[name]


@pytest.mark.parametrize("key", ["1" * 32, "0" * 32, "12e45678901234567890123456789012", "0" * 31 + "1"])
def test_numeric_keys_survive_two_round_trips(tmp_path, key):
    """Readers of extxyz convert digits to numbers, and 12e45... to infinity."""
    frames = [labelled_atoms(label(key), split="train")]
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(extxyz_bytes(frames))
        frames = read_extxyz(tmp_path / name)
    assert [frame.info["label_key"] for frame in frames] == [key]


def test_writing_is_deterministic_and_does_not_change_the_frames():
    frame = labelled_atoms(label(), split="train")
    assert extxyz_bytes([frame]) == extxyz_bytes([frame])
    assert frame.info["label_key"] == "a" * 32


def test_rejected_label_raises_with_its_reason():
    with pytest.raises(InputError, match="max_force"):
        labelled_atoms(label(status="rejected", reason="max_force", energy_eV=None))


def test_frames_of_one_side():
    frames = [labelled_atoms(label(), split=side) for side in ("train", "test", "train")]
    assert len(frames_of_split(frames, "train")) == 2
    assert frames_of_split(frames, "validation") == []
