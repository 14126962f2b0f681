"""Read trajectories of this package: Zarr folders that are still being written, or packed files.

`interphase_flows.md.trajectory_writer` writes them. :data:`PER_FRAME` and :data:`PER_FRAME_AND_ATOM` list the fields.
"""

import json
import math
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from ase import Atoms
from zarr.errors import BaseZarrError

from interphase_flows.analysis.io.npz import is_plausible
from interphase_flows.analysis.io.zarr_store import open_store
from interphase_flows.exceptions import CorruptArtifactError, StorageError

FORMAT = "interphase_flows trajectory 1"
PER_FRAME: dict[str, tuple[str, tuple[int, ...], float]] = {
    # name: (type, shape of one frame, fill value)
    "cell": ("float64", (3, 3), np.nan),  # Å, rows are vectors
    "time_fs": ("float64", (), np.nan),
    "step": ("int64", (), -1),
    "temperature_K": ("float64", (), np.nan),  # kinetic
    "potential_energy_eV": ("float64", (), np.nan),
    "uncertainty_eV_per_angstrom": ("float64", (), np.nan),  # NaN if not evaluated
}
PER_FRAME_AND_ATOM: dict[str, tuple[str, tuple[int, ...], float]] = {
    "displacement": ("float32", (3,), np.nan),  # Å, from reference_positions
    "force_std_eV_per_angstrom": ("float32", (), np.nan),  # optional
}
_READ_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    zipfile.BadZipFile,
    EOFError,
    BaseZarrError,
)


class _PerFrame:
    """Array over all frames, read from disk whenever it is used."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, trajectory: "Trajectory", owner: type) -> np.ndarray:
        return trajectory._frames(self._name)


class Trajectory(AbstractContextManager["Trajectory"]):
    """A trajectory on disk, folder or packed file, opened for reading; only the requested frames are in memory.

    Raises StorageError if ``path`` does not exist, CorruptArtifactError if it is not a trajectory, truncated or damaged,
    also later, when a damaged block is read.
    """

    cell = _PerFrame()
    """Å, (n_frames, 3, 3), rows are vectors."""
    time_fs = _PerFrame()
    """Since the start of the run, (n_frames,), as `step`."""
    step = _PerFrame()
    temperature_K = _PerFrame()
    """Kinetic, (n_frames,)."""
    potential_energy_eV = _PerFrame()
    """Of the first member, (n_frames,)."""
    uncertainty_eV_per_angstrom = _PerFrame()
    """Largest standard deviation of a force over the committee, (n_frames,); NaN if not evaluated."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise StorageError(f"{self.path}: no such trajectory. Hint: fetch it from the artifacts again.")
        try:
            self._store = open_store(self.path)
            self._root = zarr.open_group(self._store, mode="r", zarr_format=3)
        except _READ_ERRORS as error:
            raise self._corrupt(error) from error
        if self._root.attrs.get("format") != FORMAT:
            raise CorruptArtifactError(f"{self.path} is not a trajectory of format '{FORMAT}'. Hint: check the path.")
        self._arrays: dict[str, Any] = {}
        self._first_in_chunk = -1
        self._chunk: np.ndarray = np.empty(0)
        # In a folder that is being written, arrays may differ in length.
        self.n_frames = min(int(self._array(name).shape[0]) for name in (*PER_FRAME, "displacement"))
        self.reference_positions: np.ndarray = self._read("reference_positions", slice(None))
        self.pbc: np.ndarray = np.array(self._root.attrs["pbc"], dtype=bool)
        self.n_atoms = len(self.reference_positions)
        self.per_atom: dict[str, np.ndarray] = {}
        try:
            for name, array in sorted(cast(zarr.Group, self._root["atoms"]).arrays()):
                values, labels = np.asarray(self._checked(name, array)[:]), array.attrs.get("labels")
                self.per_atom[name] = values if labels is None else np.array(json.loads(str(labels)))[values]
            self.numbers, self.masses = self.per_atom["numbers"], self.per_atom["masses"]
        except _READ_ERRORS as error:
            raise self._corrupt(error) from error
        self.side = self.per_atom.get("side")
        """Side of each atom at the start: 0 electrode, 1 electrolyte, (n_atoms,); None if unknown."""

    @property
    def force_std_eV_per_angstrom(self) -> np.ndarray | None:
        """Standard deviations of the forces, (n_frames, n_atoms), in eV/Å; None if not stored."""
        return self._frames("force_std_eV_per_angstrom") if "force_std_eV_per_angstrom" in self._root else None

    def displacements(self, index: int | slice = slice(None)) -> np.ndarray:
        """Return displacements since the start of the segment in Å, float32, (n_atoms, 3) or (n, n_atoms, 3)."""
        if isinstance(index, slice):
            values = self._read("displacement", slice(*index.indices(self.n_frames)))
        else:
            values = self._cached_displacements(self._frame(index))
        if np.isnan(values).any():
            raise CorruptArtifactError(
                f"{self.path}: the positions of frame {index} are missing. Hint: fetch the trajectory again."
            )
        return values

    def _cached_displacements(self, frame: int) -> np.ndarray:
        """Return one frame; the chunk of the last one stays in memory, since a chunk is decompressed as a unit."""
        n_chunk = int(self._array("displacement").chunks[0])
        first = frame - frame % n_chunk
        if first != self._first_in_chunk:
            self._chunk = self._read("displacement", slice(first, min(first + n_chunk, self.n_frames)))
            self._first_in_chunk = first
        return np.asarray(self._chunk[frame - first])

    def positions(self, index: int | slice = slice(None)) -> np.ndarray:
        """Return unwrapped positions in Å, float64, (n_atoms, 3) or, for a slice, (n, n_atoms, 3)."""
        return self.reference_positions + self.displacements(index)

    def atoms(self, index: int) -> Atoms:
        """Return one frame as unwrapped Atoms with step, time, energy and uncertainty in ``info``."""
        frame = self._frame(index)
        atoms = Atoms(
            numbers=self.numbers,
            positions=self.positions(frame),
            cell=self._read("cell", frame),
            pbc=self.pbc,
            masses=self.masses,
        )
        for name, values in self.per_atom.items():
            if name not in ("numbers", "masses"):
                atoms.set_array(name, values)
        for name in ("step", "time_fs", "potential_energy_eV", "uncertainty_eV_per_angstrom"):
            atoms.info[name] = self._read(name, frame).item()
        return atoms

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self.n_frames

    def _frame(self, index: int) -> int:
        if not -self.n_frames <= index < self.n_frames:
            raise IndexError(f"{self.path}: frame {index} requested, but there are {self.n_frames} frames")
        return index % self.n_frames

    def _frames(self, name: str) -> np.ndarray:
        return self._read(name, slice(0, self.n_frames))

    def _array(self, name: str) -> Any:
        try:
            if name not in self._arrays:
                self._arrays[name] = self._checked(name, self._root[name])
            return self._arrays[name]
        except _READ_ERRORS as error:
            raise self._corrupt(error) from error

    def _checked(self, name: str, array: Any) -> Any:
        """Return an array; raise a ValueError if it is too large for its file, which can state any size."""
        largest_bytes = max(array.nbytes, math.prod(array.chunks) * array.dtype.itemsize)  # a chunk is read as a unit
        if self.path.is_file() and not is_plausible(largest_bytes, self.path.stat().st_size):
            raise ValueError(
                f"{name}: {largest_bytes / 1e9:.1f} GB in a file of {self.path.stat().st_size / 1e6:.1f} MB"
            )
        self._store.admit(array)
        return array

    def _read(self, name: str, index: int | slice) -> np.ndarray:
        array = self._array(name)
        try:
            return np.asarray(array[index])
        except _READ_ERRORS as error:
            raise self._corrupt(error) from error

    def _corrupt(self, error: BaseException) -> CorruptArtifactError:
        return CorruptArtifactError(
            f"{self.path} is truncated or damaged ({type(error).__name__}: {error}). Hint: fetch it again."
        )
