"""H5MD, molecular data in HDF5, read by h5py.

Read are ``/particles/<group>`` with ``position``, ``box``, ``species`` and, where they are there, ``image`` and
``id``. Steps and times may be lists or, as in H5MD 1.1, one number with an offset. Lengths are in the unit that the
attribute ``unit`` names, else in Å; times without a unit are not believed.
https://www.nongnu.org/h5md/h5md.html
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.io.cells import CellTrack
from interphase_flows.analysis.io.species import number_of, numbers_of_kinds, same_atoms
from interphase_flows.analysis.io.timestamps import (
    agrees_with_file,
    increasing,
    times_of_frames,
    times_of_steps,
)
from interphase_flows.exceptions import AnalysisError

ANGSTROM_PER_UNIT = {
    "": 1.0, "angstrom": 1.0, "angstroms": 1.0, "å": 1.0, "a": 1.0, "nm": 10.0, "pm": 0.01, "m": 1e10,
}  # fmt: skip
FS_PER_UNIT = {"fs": 1.0, "ps": 1e3, "ns": 1e6, "s": 1e15}


class H5md:
    """Frames of an H5MD file with one group of particles.

    Parameters
    ----------
    path
        The file.
    time_step_fs, frame_interval_fs
        Time of one step, or between two frames, in fs; not needed where the file has times with a unit.
    elements
        Chemical symbol of each species; not needed where species are an enumeration of symbols.

    Raises
    ------
    AnalysisError
        What is missing or wrong, with the frame and the mend.
    """

    def __init__(
        self,
        path: Path,
        *,
        time_step_fs: float | None,
        frame_interval_fs: float | None,
        elements: Mapping[int, str] | None,
    ) -> None:
        self.path = path
        self.repairs: list[str] = []
        self.cells = CellTrack(path, self.repairs)
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise AnalysisError(
                f"{path} cannot be opened as HDF5 ({error}): it is cut short, or still being written; copy it again"
            ) from error
        try:
            self._open(time_step_fs, frame_interval_fs, elements)
        except (KeyError, OSError, RuntimeError) as error:
            self.close()
            raise AnalysisError(f"{path} is damaged or no H5MD ({error})") from error
        except AnalysisError:
            self.close()
            raise

    def _open(
        self, time_step_fs: float | None, frame_interval_fs: float | None, elements: Mapping[int, str] | None
    ) -> None:
        particles = self._file.get("particles")
        groups = [] if particles is None else [name for name in particles if "position" in particles[name]]
        if len(groups) != 1:
            raise AnalysisError(
                f"{self.path} has {len(groups)} groups of particles with positions ({', '.join(groups)}); keep one, with "
                "all atoms, in the file"
            )
        group = particles[groups[0]]
        position = group["position"]
        self._positions = position["value"]
        self._angstrom = _unit(self._positions, ANGSTROM_PER_UNIT, self.path)
        n_stored, n_atoms = self._positions.shape[:2]
        self._ids = group.get("id")
        self._images = group.get("image")
        self.unwrapped_by = None if self._images is None else "the dataset image"
        if "box" not in group or "edges" not in group["box"]:
            raise AnalysisError(f"{self.path} has no box/edges; profiles and unwrapping need a cell")
        self._edges: Any = group["box"]["edges"]
        boundary = [
            _text(word) for word in np.atleast_1d(group["box"].attrs.get("boundary", ["periodic"] * 3))
        ]
        self.periodic = np.array([word == "periodic" for word in boundary])
        self._frames = self._follow(self._whole_frames(n_stored), _listed(position, "step", n_stored))
        if not self._frames:
            raise AnalysisError(f"{self.path} holds no whole frame: the run stopped before it wrote one")
        if "species" not in group:
            raise AnalysisError(f"{self.path} has no species, so atoms have no element; write them")
        self._species = group["species"]
        self._kinds = self._kinds_of(0)
        self.numbers = self._elements(self._kinds, elements)
        if len(self.numbers) != n_atoms:
            raise AnalysisError(
                f"{self.path} has {n_atoms} positions and {len(self.numbers)} species per frame"
            )
        self.time_fs = self._times(position, n_stored, time_step_fs, frame_interval_fs)

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å, (n_atoms, 3)."""
        stored, order = self._frames[frame], self._order(frame)
        try:
            places = np.asarray(self._positions[stored], dtype=float)[order] * self._angstrom
            images = None if self._images is None else np.asarray(_value(self._images, stored))[order]
        except OSError as error:
            raise AnalysisError(f"{self.path}: frame {frame} cannot be read ({error}): damaged") from error
        if isinstance(self._species, h5py.Group):
            same_atoms(
                self._kinds_of(frame),
                self._kinds,
                path=self.path,
                frame=frame,
                mend="write atoms in one order, or id",
            )
        return places if images is None else places + images @ self.cell(frame)

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return self._cell(self._frames[frame])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cell(self, stored: int) -> FloatArray:
        edges = np.asarray(_value(self._edges, stored), dtype=float)
        source = self._edges["value"] if isinstance(self._edges, h5py.Group) else self._edges
        vectors = np.diag(edges) if edges.ndim == 1 else edges
        unit = ANGSTROM_PER_UNIT if "unit" in source.attrs else {"": self._angstrom}
        return np.asarray(vectors * _unit(source, unit, self.path))

    def _whole_frames(self, n_stored: int) -> int:
        """Return how many frames every dataset has, the last of them not empty."""
        series = [e for e in (self._edges, self._images, self._ids) if isinstance(e, h5py.Group)]
        n_whole = min([n_stored, *(len(element["value"]) for element in series)])
        while n_whole > 0:
            last = np.asarray(self._positions[n_whole - 1])
            # a dataset grows before it is filled
            if np.isfinite(last).any() and np.any(last != 0):
                break
            n_whole -= 1
        if n_whole < n_stored:
            self.repairs.append(
                f"frame {n_whole} of {n_stored} and those after it are not whole and are left out"
            )
        return n_whole

    def _follow(self, n_whole: int, steps: FloatArray | None) -> list[int]:
        """Look at every frame's cell and step; leave out what is there twice."""
        kept: list[int] = []
        seen: list[float] = []
        for stored in range(n_whole):
            frame = len(kept)
            if steps is not None:
                if not increasing(seen, float(steps[stored]), path=self.path, frame=frame, word="the step"):
                    self.repairs.append(
                        f"a second frame of step {steps[stored]:g}, after frame {frame - 1}, is left out"
                    )
                    continue
                seen.append(float(steps[stored]))
            self.cells.follow(frame, self._cell(stored))
            kept.append(stored)
        return kept

    def _times(
        self, position: Any, n_stored: int, time_step_fs: float | None, frame_interval_fs: float | None
    ) -> FloatArray:
        steps = _listed(position, "step", n_stored)
        counted = None if steps is None else steps[self._frames].astype(np.int64)
        times = _listed(position, "time", n_stored)
        if times is not None and "unit" in position["time"].attrs:
            said = times[self._frames] * _unit(position["time"], FS_PER_UNIT, self.path)
            agrees_with_file(
                said, counted, time_step_fs=time_step_fs, frame_interval_fs=frame_interval_fs, path=self.path
            )
            return np.asarray(said)
        if counted is not None and frame_interval_fs is None:
            return times_of_steps(counted, time_step_fs, self.path)
        return times_of_frames(len(self._frames), frame_interval_fs, self.path)

    def _order(self, frame: int) -> IntArray | slice:
        if self._ids is None:
            return slice(None)
        ids = np.asarray(_value(self._ids, self._frames[frame]))
        first = np.asarray(_value(self._ids, self._frames[0]))
        if not np.array_equal(np.sort(ids), np.sort(first)):
            raise AnalysisError(
                f"{self.path}: frame {frame} has other ids than frame 0; cut the trajectory there"
            )
        return np.argsort(ids)

    def _kinds_of(self, frame: int) -> IntArray:
        kinds = np.asarray(_value(self._species, self._frames[frame]))
        return kinds[self._order(frame)]

    def _elements(self, kinds: IntArray, elements: Mapping[int, str] | None) -> IntArray:
        data = self._species["value"] if isinstance(self._species, h5py.Group) else self._species
        names = h5py.check_enum_dtype(data.dtype)
        if names is None:
            return numbers_of_kinds(kinds.astype(np.int64), elements, self.path)
        numbers = {code: number_of(symbol, self.path) for symbol, code in names.items()}
        return np.array([numbers[int(kind)] for kind in kinds], dtype=np.int64)


def _value(element: Any, stored: int) -> Any:
    """Return a frame of an element that depends on time, or the one value of one that does not."""
    return element["value"][stored] if isinstance(element, h5py.Group) else element[()]


def _listed(element: Any, name: str, n_frames: int) -> FloatArray | None:
    """Return steps or times of the stored frames, (n_frames,)."""
    if name not in element:
        return None
    data = element[name]
    if data.shape == ():
        return float(data.attrs.get("offset", 0)) + float(data[()]) * np.arange(n_frames, dtype=np.float64)
    return np.asarray(data[:n_frames], dtype=float)


def _text(word: Any) -> str:
    return word.decode() if isinstance(word, bytes) else str(word)


def _unit(data: Any, factors: Mapping[str, float], path: Path) -> float:
    unit = _text(data.attrs.get("unit", "")).strip()
    factor = factors.get(unit.lower())
    if factor is None:
        raise AnalysisError(
            f"{path}: {data.name} is in the unit {unit!r}; known are {', '.join(name for name in factors if name)}"
        )
    return factor
