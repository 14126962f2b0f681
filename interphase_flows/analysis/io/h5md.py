"""Reader of H5MD (molecular data in HDF5).

Reads ``position``, ``box``, ``species`` and, if present, ``image`` and ``id`` of ``/particles/<group>``. Steps and times
are lists or, as in H5MD 1.1, one number with an offset. Lengths are in the unit of the attribute ``unit``, by default
Å; times without a unit must be proportional to those that follow from the options.
https://www.nongnu.org/h5md/h5md.html
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.io.reader import READ_ERRORS, Reader
from interphase_flows.analysis.io.species import (
    check_same_atoms,
    number_of,
    numbers_of_types,
    require_unique_ids,
)
from interphase_flows.exceptions import AnalysisError

ANGSTROM_PER_UNIT = {
    "": 1.0, "angstrom": 1.0, "angstroms": 1.0, "å": 1.0, "a": 1.0, "nm": 10.0, "pm": 0.01, "m": 1e10,
}  # fmt: skip
FS_PER_UNIT = {"fs": 1.0, "ps": 1e3, "ns": 1e6, "us": 1e9, "s": 1e15}
MOST_ATOMS = 20_000_000
"""A damaged shape must not exhaust the memory."""


class H5md(Reader):
    """Frames of an H5MD file with one group of particles.

    A time is required unless the file has times with a unit; ``elements`` unless species are an enumeration of
    symbols.
    """

    @staticmethod
    def recognises(path: Path, head: bytes) -> bool:
        """Return whether a file is HDF5."""
        return head.startswith(b"\x89HDF\r\n\x1a\n")

    def open(self) -> None:
        """Index the frames."""
        try:
            self._file = self.resources.enter_context(h5py.File(self.source, "r"))
        except OSError as error:
            raise AnalysisError(
                f"{self.path}: cannot be opened as HDF5 ({error}): the file is truncated or still being written. "
                "Hint: copy it again."
            ) from error
        try:
            self._index_frames()
        except READ_ERRORS as error:
            raise AnalysisError(
                f"{self.path} is damaged or not H5MD ({error}). Hint: copy the file again, or convert it."
            ) from error

    def _index_frames(self) -> None:
        particles = self._file.get("particles")
        groups = [] if particles is None else [name for name in particles if "position" in particles[name]]
        if len(groups) != 1:
            raise AnalysisError(
                f"{self.path}: {len(groups)} groups of particles have positions ({', '.join(groups)}). Hint: write one "
                "group with all atoms."
            )
        group = particles[groups[0]]
        position = group["position"]
        self._positions = position["value"]
        self._angstrom = _unit(self._positions, ANGSTROM_PER_UNIT, self.path)
        shape = self._positions.shape
        if len(shape) != 3 or shape[2] != 3 or not 0 < shape[1] <= MOST_ATOMS:
            raise AnalysisError(
                f"{self.path}: positions have the shape {shape}, not (frames, atoms, 3). Hint: write position/value "
                "with one row per atom."
            )
        n_stored, n_atoms = shape[:2]
        self._ids = group.get("id")
        self._images = group.get("image")
        self.unwrapped_by = None if self._images is None else "the dataset image"
        if "box" not in group or "edges" not in group["box"]:
            raise AnalysisError(f"{self.path}: no box/edges; profiles and unwrapping require a cell")
        self._edges: Any = group["box"]["edges"]
        boundary = [_text(kind) for kind in np.atleast_1d(group["box"].attrs.get("boundary", ["periodic"] * 3))]
        self.periodic = np.array([kind == "periodic" for kind in boundary])
        n_frames = self._scan(self._count_complete(n_stored))
        self.require_frames(n_frames)
        if "species" not in group:
            raise AnalysisError(f"{self.path}: no species, so the elements are unknown. Hint: write species.")
        self._species = group["species"]
        self._kinds = self._kinds_of(0)
        self.numbers = self._elements(self._kinds, self.options.elements)
        if len(self.numbers) != n_atoms:
            raise AnalysisError(f"{self.path}: {n_atoms} positions but {len(self.numbers)} species per frame")
        self._add_labels(position, n_frames)

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å, (n_atoms, 3)."""
        order = self._order(frame)
        try:
            positions = np.asarray(self._positions[frame], dtype=float)[order] * self._angstrom
            images = None if self._images is None else np.asarray(_value(self._images, frame))[order]
        except READ_ERRORS as error:
            raise AnalysisError(f"{self.path}: frame {frame} is damaged ({error})") from error
        if isinstance(self._species, h5py.Group):
            check_same_atoms(
                self._kinds_of(frame),
                self._kinds,
                path=self.path,
                frame=frame,
                hint="write atoms in one order, or with id",
            )
        return positions if images is None else positions + images @ self.cell(frame)

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return self._cell(frame)

    def _cell(self, stored: int) -> FloatArray:
        edges = np.asarray(_value(self._edges, stored), dtype=float)
        source = self._edges["value"] if isinstance(self._edges, h5py.Group) else self._edges
        vectors = np.diag(edges) if edges.ndim == 1 else edges
        unit = ANGSTROM_PER_UNIT if "unit" in source.attrs else {"": self._angstrom}
        return np.asarray(vectors * _unit(source, unit, self.path))

    def _count_complete(self, n_stored: int) -> int:
        """Return the number of frames that all datasets have, without empty ones at the end."""
        series = [e for e in (self._edges, self._images, self._ids) if isinstance(e, h5py.Group)]
        lengths = [len(element["value"]) for element in series]
        n_complete = min([n_stored, _n_allocated(self._positions), *lengths])
        while n_complete > 0:
            last = np.asarray(self._positions[n_complete - 1])
            # HDF5 extends a dataset before it writes the data
            if np.isfinite(last).any() and np.any(last != 0):
                break
            n_complete -= 1
        if n_complete < n_stored:
            self.repairs.append(f"frames {n_complete} to {n_stored - 1} are incomplete and were left out")
        return n_complete

    def _scan(self, n_complete: int) -> int:
        """Read the cell of every frame and return the number of frames."""
        for frame in range(n_complete):
            self.cells.add(frame, self._cell(frame))
        return n_complete

    def _add_labels(self, position: Any, n_frames: int) -> None:
        """Read the steps and times of the frames."""
        none: list[float | None] = [None] * n_frames
        steps, times = (_series(position, name, n_frames) for name in ("step", "time"))
        for name, series in (("step", steps), ("time", times)):
            if series is not None and (series.shape != (n_frames,) or not np.isfinite(series).all()):
                raise AnalysisError(
                    f"{self.path}: position/{name} has the shape {series.shape} for {n_frames} frames, or values that "
                    "are not finite. Hint: write one number per frame."
                )
        has_unit = times is not None and "unit" in position["time"].attrs
        factor = _unit(position["time"], FS_PER_UNIT, self.path) if has_unit else 1.0
        self.labels.time_name = "time"
        self.labels.steps = none if steps is None else steps.tolist()
        self.labels.times_fs = none if times is None or not has_unit else (factor * times).tolist()
        self.labels.unitless_times = none if times is None or has_unit else times.tolist()

    def _order(self, frame: int) -> IntArray | slice:
        if self._ids is None:
            return slice(None)
        ids = np.asarray(_value(self._ids, frame))
        first = np.asarray(_value(self._ids, 0))
        require_unique_ids(np.sort(first), self.path, 0)
        if not np.array_equal(np.sort(ids), np.sort(first)):
            raise AnalysisError(
                f"{self.path}: frame {frame} has other ids than frame 0. Hint: split the trajectory there."
            )
        return np.argsort(ids, kind="stable")

    def _kinds_of(self, frame: int) -> IntArray:
        kinds = np.asarray(_value(self._species, frame))
        return kinds[self._order(frame)]

    def _elements(self, kinds: IntArray, elements: Mapping[int, str] | None) -> IntArray:
        data = self._species["value"] if isinstance(self._species, h5py.Group) else self._species
        names = h5py.check_enum_dtype(data.dtype)
        if names is None:
            return numbers_of_types(kinds.astype(np.int64), elements, self.path)
        numbers = {code: number_of(symbol, self.path) for symbol, code in names.items()}
        return np.array([numbers[int(kind)] for kind in kinds], dtype=np.int64)


def _n_allocated(positions: Any) -> int:
    """Return the largest number of frames that the stored bytes can hold; a damaged shape may state millions."""
    if positions.is_virtual:
        return int(positions.shape[0])
    if positions.chunks is not None:
        return int(positions.id.get_num_chunks() * positions.chunks[0])
    return int(positions.id.get_storage_size() // (positions.dtype.itemsize * positions.shape[1] * 3))


def _value(element: Any, stored: int) -> Any:
    """Return the value of an H5MD element at a stored frame, or its constant value."""
    return element["value"][stored] if isinstance(element, h5py.Group) else element[()]


def _series(element: Any, name: str, n_frames: int) -> FloatArray | None:
    """Return steps or times of the stored frames, (n_frames,), or None if there are none."""
    if name not in element:
        return None
    data = element[name]
    if data.shape == ():
        return float(data.attrs.get("offset", 0)) + float(data[()]) * np.arange(n_frames, dtype=np.float64)
    return np.asarray(data[:n_frames], dtype=float)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _unit(data: Any, factors: Mapping[str, float], path: Path) -> float:
    unit = _text(data.attrs.get("unit", "")).strip()
    factor = factors.get(unit.lower())
    if factor is None:
        raise AnalysisError(
            f"{path}: {data.name} has the unit {unit!r}; supported are {', '.join(name for name in factors if name)}"
        )
    return factor
