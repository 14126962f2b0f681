"""Trajectories: round trip, truncation, damage."""

import numpy as np
import pytest
import zarr
from ase import Atoms
from zarr.storage import ZipStore

from interphase_flows.analysis.io.zarr_trajectory import Trajectory
from interphase_flows.exceptions import CorruptArtifactError, StorageError
from interphase_flows.md.trajectory_writer import TrajectoryWriter, pack

PRECISION_ANGSTROM = 2e-6  # far below the 2e-4 Å that transport needs
N_FRAMES = 25


def frame(start: Atoms, i: int) -> Atoms:
    """Return atoms displaced by up to 30 Å from a start far from the origin."""
    atoms = start.copy()
    generator = np.random.default_rng(i)
    atoms.positions += generator.uniform(-30, 30, (len(atoms), 3))
    atoms.cell[2, 2] += 0.01 * i
    return atoms


def write(writer: TrajectoryWriter, start: Atoms, frames: range) -> None:
    for i in frames:
        std = None if i % 2 else np.linspace(0, 0.1 * i, len(start))
        writer.append(
            frame(start, i),
            step=10 * i,
            time_fs=20.0 * i,
            temperature_K=300.0 + i,
            potential_energy_eV=-1.0 / (i + 1),
            force_std_eV_per_angstrom=std,
        )


@pytest.fixture
def start(argon: Atoms) -> Atoms:
    argon.positions += 500.0
    argon.new_array("group", np.arange(32))
    return argon


@pytest.fixture
def packed(start: Atoms, tmp_path):
    writer = TrajectoryWriter(tmp_path / "open", start)
    write(writer, start, range(N_FRAMES))
    writer.flush()
    return pack(tmp_path / "open", tmp_path / "t.zarr.zip")


@pytest.mark.parametrize("form", ["folder", "file"])
def test_round_trip(start, packed, tmp_path, form):
    """Positions to single precision of displacements, all else exactly."""
    with Trajectory(packed if form == "file" else tmp_path / "open") as trajectory:
        assert (len(trajectory), trajectory.n_atoms) == (N_FRAMES, 32)
        for i in (0, 7, -1):
            expected = frame(start, i % N_FRAMES)
            np.testing.assert_allclose(trajectory.positions(i), expected.positions, atol=PRECISION_ANGSTROM, rtol=0)
            np.testing.assert_array_equal(trajectory.cell[i], expected.cell.array)
        assert trajectory.positions(slice(3, 9, 2)).shape == (3, 32, 3)
        assert trajectory.step.tolist() == list(range(0, 250, 10))
        assert trajectory.time_fs[3] == 60.0
        assert trajectory.temperature_K[3] == 303.0
        assert trajectory.potential_energy_eV[3] == -0.25
        assert trajectory.uncertainty_eV_per_angstrom[4] == pytest.approx(0.4)
        assert np.isnan(trajectory.uncertainty_eV_per_angstrom[3])
        assert trajectory.force_std_eV_per_angstrom is None
        np.testing.assert_array_equal(trajectory.side, start.arrays["side"])
        np.testing.assert_array_equal(trajectory.per_atom["group"], np.arange(32))
        atoms = trajectory.atoms(4)
        assert atoms.info["step"] == 40
        assert atoms.arrays["side"][0] == "electrode"
        assert atoms.pbc.all()
        np.testing.assert_array_equal(atoms.get_masses(), start.get_masses())
        with pytest.raises(IndexError):
            trajectory.atoms(N_FRAMES)


def test_per_atom_uncertainty_is_optional(start, tmp_path):
    writer = TrajectoryWriter(tmp_path / "open", start, keep_force_std=True)
    write(writer, start, range(3))
    writer.flush()
    with Trajectory(tmp_path / "open") as trajectory:
        std = trajectory.force_std_eV_per_angstrom
        assert std is not None
        np.testing.assert_allclose(std[2], np.linspace(0, 0.2, 32), atol=1e-7)
        assert np.isnan(std[1]).all()


@pytest.mark.parametrize("kept", [0, 8, 13, 20])
def test_reopened_trajectory_gives_identical_file(start, packed, tmp_path, kept):
    """Frames after the checkpoint and partial files are discarded."""
    writer = TrajectoryWriter(tmp_path / "cut", start)
    write(writer, start, range(20))
    writer.flush()
    (tmp_path / "cut" / "step" / "c" / "0.abc.partial").write_bytes(b"half")
    writer = TrajectoryWriter.reopen(tmp_path / "cut", kept)
    assert writer.n_frames == kept
    write(writer, start, range(kept, N_FRAMES))
    writer.flush()
    again = pack(tmp_path / "cut", tmp_path / "again.zarr.zip")
    assert again.read_bytes() == packed.read_bytes()


def test_discarded_frames_do_not_change_the_bytes(start, tmp_path):
    """20 frames truncated to 13 equal 13 frames, for any sequence of flushes."""
    for name, until in (("long", 20), ("short", 13)):
        writer = TrajectoryWriter(tmp_path / name, start)
        for i in range(until):
            write(writer, start, range(i, i + 1))
            if i % 3 == 0:
                writer.flush()
        writer.flush()
        writer.truncate(13)
        pack(tmp_path / name, tmp_path / f"{name}.zarr.zip")
    assert (tmp_path / "long.zarr.zip").read_bytes() == (tmp_path / "short.zarr.zip").read_bytes()


def test_packed_file_is_plain_zarr(packed):
    root = zarr.open_group(ZipStore(packed, mode="r"), mode="r")
    assert root["displacement"].shape == (N_FRAMES, 32, 3)


def test_missing_frames_or_trajectory_raise(start, tmp_path):
    writer = TrajectoryWriter(tmp_path / "open", start)
    write(writer, start, range(3))
    writer.flush()
    with pytest.raises(StorageError, match="has 3 frames, its checkpoint counts 5"):
        TrajectoryWriter.reopen(tmp_path / "open", 5)
    with pytest.raises(StorageError, match="is not a trajectory"):
        TrajectoryWriter.reopen(tmp_path / "missing", 0)
    with pytest.raises(StorageError, match="there is no trajectory"):
        pack(tmp_path / "missing", tmp_path / "x.zarr.zip")


def test_truncated_file_raises(packed):
    packed.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(CorruptArtifactError, match="fetch it again"):
        Trajectory(packed)
    with pytest.raises(StorageError, match="no such trajectory"):
        Trajectory(packed.with_name("missing.zarr.zip"))


def test_flipped_bit_raises(packed):
    content = bytearray(packed.read_bytes())
    content[content.index(b"displacement/c/0/0/0") + 400] ^= 1
    packed.write_bytes(content)
    with Trajectory(packed) as trajectory, pytest.raises(CorruptArtifactError, match="fetch it again"):
        trajectory.positions()


def test_missing_block_raises(packed, tmp_path):
    (tmp_path / "open" / "displacement" / "c" / "0" / "0" / "0").unlink()
    with (
        Trajectory(tmp_path / "open") as trajectory,
        pytest.raises(CorruptArtifactError, match="are missing"),
    ):
        trajectory.positions(0)


def test_other_zarr_file_raises(tmp_path):
    zarr.create_group(tmp_path / "other")
    with pytest.raises(CorruptArtifactError, match="not a trajectory"):
        Trajectory(tmp_path / "other")
