"""Write trajectories: append blocks of frames to a zarr v3 folder, and pack it into one file.

Positions are stored as float32 displacements from float64 positions at the start of the segment. Displacements are
small, so that rounding errors are near 1e-7 Å.
"""

import hashlib
import json
import shutil
import time
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from ase import Atoms
from zarr.codecs import BloscCodec
from zarr.storage import ZipStore

from interphase_flows.analysis.io.zarr_trajectory import FORMAT, PER_FRAME, PER_FRAME_AND_ATOM
from interphase_flows.exceptions import StorageError
from interphase_flows.md.checkpoint import sync_path
from interphase_flows.runtime.atomic_files import atomic_path
from interphase_flows.runtime.fencing import before_write

_BLOCK_BYTES = 2_000_000
_SCALAR_BLOCK = 4096


class TrajectoryWriter:
    """Append frames to a new trajectory folder; an existing one is deleted.

    Frames are buffered in memory until :meth:`flush` writes them. The checkpoint that counts them is written
    afterwards, so that it never counts frames that are not on disk. Displacements are from `start`, whose per-atom
    arrays are stored; `keep_force_std` stores the standard deviation of the committee for each atom.
    """

    def __init__(self, folder: Path, start: Atoms, *, keep_force_std: bool = False) -> None:
        if folder.exists():
            shutil.rmtree(folder)
        root = zarr.create_group(folder, zarr_format=3, attributes={"format": FORMAT, "pbc": start.pbc.tolist()})
        per_atom = {"numbers": start.numbers, "masses": start.get_masses()}
        per_atom |= {k: v for k, v in start.arrays.items() if k not in ("positions", "momenta", "masses", "numbers")}
        root.create_array("reference_positions", data=start.positions, chunks=start.positions.shape)
        atoms_group = root.create_group("atoms")
        for name in sorted(per_atom):
            _create_per_atom(atoms_group, name, np.asarray(per_atom[name]))
        n_atoms = len(start)
        _create(root, PER_FRAME, (), _SCALAR_BLOCK)
        kept = {k: v for k, v in PER_FRAME_AND_ATOM.items() if keep_force_std or k == "displacement"}
        # blocks of about 2 MB compress well and can be read in part
        _create(root, kept, (n_atoms,), int(np.clip(_BLOCK_BYTES // (12 * n_atoms), 8, 1024)))
        self._open(folder, root)

    @classmethod
    def reopen(cls, folder: Path, n_frames: int) -> "TrajectoryWriter":
        """Continue a trajectory after the first ``n_frames`` frames, the number in a checkpoint.

        Raises StorageError if the folder is not a trajectory, or has fewer frames.
        """
        for partial in folder.rglob("*.partial"):
            partial.unlink()
        writer = cls.__new__(cls)
        try:
            writer._open(folder, zarr.open_group(folder, mode="r+"))
            on_disk = min(array.shape[0] for array in writer._arrays.values())
            if on_disk >= n_frames:
                writer.truncate(n_frames)
        except Exception as error:  # its type depends on the damage: of json, zarr, numcodecs
            raise StorageError(
                f"{folder} is not a trajectory ({error}). Hint: empty the folder of the segment"
            ) from error
        if on_disk < n_frames:
            raise StorageError(
                f"trajectory {folder} has {on_disk} frames, its checkpoint counts {n_frames}. "
                "Hint: empty the folder of the segment to start it again"
            )
        return writer

    def _open(self, folder: Path, root: zarr.Group) -> None:
        self.folder = folder
        self._root = root
        named = [name for name in (*PER_FRAME, *PER_FRAME_AND_ATOM) if name in root]
        self._arrays: dict[str, Any] = {name: root[name] for name in named}
        self._reference = np.asarray(root["reference_positions"][:])
        self._pending: dict[str, list[Any]] = {name: [] for name in named}
        self._flushed = int(self._arrays["step"].shape[0])
        self._hashes = _FrameHashes(root)

    @property
    def n_frames(self) -> int:
        """Number of frames, on disk or buffered."""
        return self._flushed + len(self._pending["step"])

    def append(
        self,
        atoms: Atoms,
        *,
        step: int,
        time_fs: float,
        temperature_K: float,
        potential_energy_eV: float,
        force_std_eV_per_angstrom: np.ndarray | None = None,
    ) -> None:
        """Append a frame; its uncertainty is the largest standard deviation of its atoms."""
        std = np.full(len(atoms), np.nan) if force_std_eV_per_angstrom is None else force_std_eV_per_angstrom
        frame = {
            "cell": atoms.cell.array.copy(),
            "time_fs": time_fs,
            "step": step,
            "temperature_K": temperature_K,
            "potential_energy_eV": potential_energy_eV,
            "uncertainty_eV_per_angstrom": float(std.max()),
            "displacement": (atoms.positions - self._reference).astype(np.float32),
            "force_std_eV_per_angstrom": std.astype(np.float32),
        }
        for name, buffered in self._pending.items():
            buffered.append(frame[name])

    def flush(self) -> None:
        """Write the buffered frames to disk, synced."""
        if not self._pending["step"]:
            return
        before_write()
        total = self.n_frames
        began_s = time.time()
        for name, array in self._arrays.items():
            # a kill in this loop leaves arrays of different lengths, which reopen() truncates
            array.resize((total, *array.shape[1:]))
            array[self._flushed : total] = new = np.stack(self._pending[name]).astype(array.dtype)
            self._hashes.add(name, new)
            self._pending[name] = []
        self._flushed = total
        for path in self.folder.rglob("*"):
            # one second of margin for file systems with coarse timestamps
            if path.is_dir() or path.stat().st_mtime >= began_s - 1.0:
                sync_path(path)

    def truncate(self, n_frames: int) -> None:
        """Discard all frames after the first ``n_frames``, and the buffered ones."""
        for name, array in self._arrays.items():
            self._pending[name] = []
            if array.shape[0] == n_frames:
                continue
            block = array.chunks[0]
            n_full = n_frames - n_frames % block
            tail = array[n_full:n_frames]
            # rewrite the last block, so that the bytes do not depend on the discarded frames
            array.resize((n_full, *array.shape[1:]))
            array.resize((n_frames, *array.shape[1:]))
            if n_frames > n_full:
                array[n_full:n_frames] = tail
        self._flushed = n_frames
        self._hashes = _FrameHashes(self._root, n_frames)

    def sha256(self) -> str:
        """Return the hash of the frames that are on disk, as they were written; see :func:`check_frames`."""
        return self._hashes.hexdigest()


class _FrameHashes:
    """Hash of a trajectory that grows frame by frame: of its attributes, its start, and each array over the frames."""

    def __init__(self, root: zarr.Group, n_frames: int = 0) -> None:
        self._start = hashlib.sha256(json.dumps(dict(root.attrs), sort_keys=True).encode())
        per_atom = sorted(cast(zarr.Group, root["atoms"]).arrays())
        for name, array in [("reference_positions", root["reference_positions"]), *per_atom]:
            self._start.update(f"{name} {dict(array.attrs)}".encode() + np.asarray(array[:]).tobytes())
        self._by_array = {n: hashlib.sha256() for n in (*PER_FRAME, *PER_FRAME_AND_ATOM) if n in root}
        for name in self._by_array:
            array = cast(zarr.Array, root[name])
            for first in range(0, n_frames, array.chunks[0]):
                self.add(name, np.asarray(array[first : min(first + array.chunks[0], n_frames)]))

    def add(self, name: str, frames: np.ndarray) -> None:
        self._by_array[name].update(np.ascontiguousarray(frames).tobytes())

    def hexdigest(self) -> str:
        parts = [self._start, *self._by_array.values()]
        return hashlib.sha256("".join(part.hexdigest() for part in parts).encode()).hexdigest()


def check_frames(packed: Path, n_frames: int, sha256: str | None) -> None:
    """Compare the frames of a packed trajectory with :meth:`TrajectoryWriter.sha256`.

    A damaged or outdated block of a trajectory can be a valid one: Zarr stores no checksums, and reads a missing block
    as NaN.

    Raises
    ------
    StorageError
        The file is damaged, or has other frames.
    """
    try:
        with closing(ZipStore(packed, mode="r")) as store:
            is_same = _FrameHashes(zarr.open_group(store, mode="r"), n_frames).hexdigest() == sha256
    except Exception as error:  # its type depends on the damage: of zipfile, json, zarr, numcodecs
        raise StorageError(f"{damaged_frames(packed)} ({error})") from error
    if not is_same:
        raise StorageError(damaged_frames(packed))


def damaged_frames(path: Path) -> str:
    """Return the message on a trajectory that is not as it was written."""
    return f"the frames of {path} are not those that the checkpoint records. Hint: resume, and the segment starts again"


def pack(folder: Path, path: Path) -> Path:
    """Pack a flushed trajectory folder into one file, by convention ``.zarr.zip``, atomically.

    Zarr can read the file; equal frames give equal bytes.
    """
    members = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".partial")
    if not members:
        raise StorageError(f"there is no trajectory in {folder}. Hint: write and flush one first")
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            # ZipInfo without a date: the bytes depend on the content alone
            archive.writestr(zipfile.ZipInfo(member.relative_to(folder).as_posix()), member.read_bytes())
    return path


def _create(
    root: zarr.Group,
    fields: dict[str, tuple[str, tuple[int, ...], float]],
    atoms: tuple[int, ...],
    block: int,
) -> None:
    for name, (dtype, shape, fill) in fields.items():
        frame = (*atoms, *shape)
        root.create_array(
            name,
            shape=(0, *frame),
            chunks=(block, *frame),
            dtype=dtype,
            fill_value=fill,
            compressors=BloscCodec(cname="zstd", clevel=5, shuffle="shuffle", typesize=np.dtype(dtype).itemsize),
        )


def _create_per_atom(group: zarr.Group, name: str, values: np.ndarray) -> None:
    """Store a per-atom array; strings are stored as codes with the attribute ``labels``."""
    if values.dtype.kind in "US":
        labels, codes = np.unique(values.astype(str), return_inverse=True)
        array = group.create_array(name, data=codes.astype(np.int32), chunks=codes.shape)
        array.attrs["labels"] = json.dumps(labels.tolist())
    else:
        group.create_array(name, data=values, chunks=values.shape)
