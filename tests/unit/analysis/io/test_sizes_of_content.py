"""Limits on the content of small files that unpack to large arrays."""

import gzip
import io
import json
import zipfile

import numpy as np
import pytest
import zstandard
from numcodecs import Zstd

from interphase_flows.analysis.io import npz
from interphase_flows.analysis.io.npz import open_npz
from interphase_flows.analysis.io.zarr_trajectory import Trajectory
from interphase_flows.analysis.phases.phase_references import unpacked_references
from interphase_flows.exceptions import CorruptArtifactError, StorageError
from interphase_flows.md.candidates import unpack_candidates
from interphase_flows.structures.npz import unpack_structures
from trajectory_files import campaign_run, planted


def packed(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("read", [unpack_structures, unpack_candidates])
def test_small_archive_of_large_content_is_not_read(read, monkeypatch, tmp_path):
    monkeypatch.setattr(npz, "MAX_UNPACKED_BYTES", 1_000_000)
    data = packed(step=np.zeros(200_000), n_atoms=np.zeros(200_000))
    with pytest.raises(StorageError, match=r"too large and is not read: 0.0 GB in a file of 0.0 MB. Hint: "):
        read(data)
    path = tmp_path / "references.npz"
    path.write_bytes(data)
    with pytest.raises(StorageError, match=r"references.npz: its content is too large"):
        unpacked_references(path)


def test_large_archive_of_incompressible_content_is_read(monkeypatch):
    monkeypatch.setattr(npz, "MAX_UNPACKED_BYTES", 1_000)
    values = np.random.default_rng(1).random(10_000)
    with open_npz(packed(values=values)) as archive:
        np.testing.assert_array_equal(archive["values"], values)


def test_array_of_a_shape_beyond_the_memory_is_an_error():
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 48,)})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("values.npy", header.getvalue())
    with pytest.raises(StorageError, match=r"too large.*Hint: "), open_npz(buffer.getvalue()) as archive:
        archive["values"].sum()


@pytest.fixture
def members(tmp_path) -> dict[str, bytes]:
    """Return the files of a packed trajectory of three frames."""
    with zipfile.ZipFile(campaign_run(tmp_path / "t.zarr.zip", planted(n_frames=3)).path) as archive:
        return {member: archive.read(member) for member in archive.namelist()}


@pytest.fixture
def read_packed(tmp_path):
    def read(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> tuple[np.ndarray, np.ndarray]:
        with zipfile.ZipFile(tmp_path / "t.zarr.zip", "w", compression) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
        with Trajectory(tmp_path / "t.zarr.zip") as trajectory:
            return trajectory.positions(0), trajectory.time_fs

    return read


@pytest.mark.parametrize("field", ["shape", "chunks"])
@pytest.mark.parametrize("name", ["displacement", "time_fs", "atoms/numbers"])
def test_packed_trajectory_with_huge_arrays_is_not_read(name, field, members, read_packed):
    array = json.loads(members[f"{name}/zarr.json"])
    sizes = array["shape"] if field == "shape" else array["chunk_grid"]["configuration"]["chunk_shape"]
    sizes[0] = 1 << 40
    with pytest.raises(CorruptArtifactError, match=r"GB in a file of .*Hint: "):
        read_packed(members | {f"{name}/zarr.json": json.dumps(array).encode()})


def blosc_chunk(chunk: bytes) -> bytes:
    """Return a chunk whose header states the largest size."""
    return chunk[:4] + (0x7FFFFFFF).to_bytes(4, "little") + chunk[8:]


def zstd_chunk(_: bytes) -> bytes:
    return bytes(Zstd().encode(bytes(10_000_000)))


def zstd_chunk_of_unknown_size(_: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(bytes(10_000_000))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("displacement/c/0/0/0", blosc_chunk),
        ("time_fs/c/0", blosc_chunk),
        ("atoms/numbers/c/0", zstd_chunk),
        ("atoms/numbers/c/0", zstd_chunk_of_unknown_size),
    ],
)
def test_chunk_of_another_size_is_not_unpacked(name, damage, members, read_packed):
    read_packed(members)
    with pytest.raises(CorruptArtifactError, match=rf"{name}: states .* bytes of content instead of .*Hint: "):
        read_packed(members | {name: damage(members[name])})


@pytest.mark.parametrize("name", ["time_fs", "atoms/numbers"])
def test_chunk_of_an_encoding_that_states_no_size_is_not_unpacked(name, members, read_packed):
    array = json.loads(members[f"{name}/zarr.json"])
    array["codecs"][-1] = {"name": "gzip", "configuration": {"level": 1}}
    bomb = members | {f"{name}/zarr.json": json.dumps(array).encode(), f"{name}/c/0": gzip.compress(bytes(10_000_000))}
    with pytest.raises(CorruptArtifactError, match=rf"{name}: unsupported encoding BytesCodec, GzipCodec.*Hint: "):
        read_packed(bomb)


def test_packed_trajectory_of_compressed_members_is_limited(members, read_packed, monkeypatch):
    positions, _ = read_packed(members)
    np.testing.assert_array_equal(read_packed(members, zipfile.ZIP_DEFLATED)[0], positions)
    monkeypatch.setattr(npz, "MAX_UNPACKED_BYTES", 1_000_000)
    with pytest.raises(CorruptArtifactError, match=r"GB in a file of .*Hint: "):
        read_packed(members | {"zarr.json": members["zarr.json"] + b" " * 3_000_000}, zipfile.ZIP_DEFLATED)
