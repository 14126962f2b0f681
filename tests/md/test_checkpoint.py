"""Checkpoints: round trip, history, damage, partial files."""

import numpy as np
import pytest

from interphase_flows.exceptions import CorruptArtifactError, StorageError
from interphase_flows.md.checkpoint import (
    Checkpoint,
    checkpoint_paths,
    read_checkpoint,
    read_latest_checkpoint,
    write_checkpoint,
)


@pytest.fixture
def checkpoint(argon) -> Checkpoint:
    generator = np.random.default_rng(5)
    generator.standard_normal(7, dtype=np.float32)
    return Checkpoint(
        positions=argon.positions,
        momenta=generator.standard_normal((32, 3)),
        cell=argon.cell.array,
        numbers=argon.numbers,
        masses=argon.get_masses(),
        pbc=argon.pbc,
        step=40,
        time_fs=80.0,
        n_frames=4,
        generator_state=dict(generator.bit_generator.state),
        per_atom={"side": argon.arrays["side"]},
        records={"step": np.arange(3)},
        metadata={"clock": {"step": 0}},
    )


def test_round_trip_is_exact(checkpoint, tmp_path):
    read = read_checkpoint(write_checkpoint(tmp_path, checkpoint))
    assert read.state_sha256() == checkpoint.state_sha256()
    assert (read.step, read.time_fs, read.n_frames, read.metadata) == (40, 80.0, 4, checkpoint.metadata)
    assert read.records["step"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(read.generator().random(4), checkpoint.generator().random(4))
    atoms = read.atoms()
    np.testing.assert_array_equal(atoms.get_momenta(), checkpoint.momenta)
    assert atoms.arrays["side"].tolist() == checkpoint.per_atom["side"].tolist()


def test_equal_checkpoints_give_equal_files(checkpoint, tmp_path):
    one, two = (write_checkpoint(tmp_path / name, checkpoint) for name in "ab")
    assert one.read_bytes() == two.read_bytes()


def test_state_hash_ignores_observations(checkpoint):
    before = checkpoint.state_sha256()
    checkpoint.metadata["wall_time_s"] = 3.0
    assert checkpoint.state_sha256() == before
    checkpoint.positions = checkpoint.positions + 1e-15 * np.arange(96).reshape(32, 3)
    assert checkpoint.state_sha256() != before


def test_two_checkpoints_are_kept_and_partial_files_deleted(checkpoint, tmp_path):
    for step in (10, 20, 30):
        checkpoint.step = step
        write_checkpoint(tmp_path, checkpoint)
    leftover = tmp_path / ".interphase-tmp-99-checkpoint-000000000040.npz"
    leftover.write_bytes(b"half")
    latest = read_latest_checkpoint(tmp_path)
    assert latest is not None
    assert latest[0].step == 30
    assert latest[2] == []
    assert len(checkpoint_paths(tmp_path)) == 2
    assert not leftover.exists()


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_changed_byte_is_detected(checkpoint, tmp_path, place):
    path = write_checkpoint(tmp_path, checkpoint)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(CorruptArtifactError, match="previous one"):
        read_checkpoint(path)
    with pytest.raises(CorruptArtifactError, match="empty the folder"):
        read_latest_checkpoint(tmp_path)


def test_missing_checkpoints(tmp_path):
    assert read_latest_checkpoint(tmp_path) is None
    assert read_latest_checkpoint(tmp_path / "missing") is None
    with pytest.raises(StorageError, match="no checkpoint"):
        read_checkpoint(tmp_path / "checkpoint-1.npz")
