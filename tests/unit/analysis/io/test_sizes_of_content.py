"""Limits on the content of small files that unpack to large arrays."""

import io
import json
import zipfile

import numpy as np
import pytest

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


@pytest.mark.parametrize("field", ["shape", "chunks"])
@pytest.mark.parametrize("name", ["displacement", "time_fs", "atoms/numbers"])
def test_packed_trajectory_with_huge_arrays_is_not_read(name, field, tmp_path):
    path = campaign_run(tmp_path / "t.zarr.zip", planted(n_frames=3)).path
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    array = json.loads(members[f"{name}/zarr.json"])
    sizes = array["shape"] if field == "shape" else array["chunk_grid"]["configuration"]["chunk_shape"]
    sizes[0] = 1 << 40
    members[f"{name}/zarr.json"] = json.dumps(array).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    with pytest.raises(CorruptArtifactError, match=r"GB in a file of .*Hint: "):
        first_frame_and_times(path)


def first_frame_and_times(path) -> tuple[np.ndarray, np.ndarray]:
    with Trajectory(path) as trajectory:
        return trajectory.positions(0), trajectory.time_fs
