"""Extended XYZ: a count, a line of key=value, a line per atom.

Needed are ``Lattice`` and a column ``pos``; a column ``unwrapped_position`` (GPUMD) is taken instead. The time is
``time_fs`` of every frame, as our own export writes it. With a column ``id`` atoms are sorted by it.
https://github.com/libAtoms/extxyz
"""

from array import array
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from ase.io.extxyz import key_val_str_to_dict
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.io.cells import CellTrack
from interphase_flows.analysis.io.species import numbers_of_symbols, same_atoms
from interphase_flows.analysis.io.text import LineReader, Place, read_block, table, words
from interphase_flows.analysis.io.timestamps import agrees_with_file, increasing, times_of_frames
from interphase_flows.exceptions import AnalysisError

PLAIN = "species:S:1:pos:R:3"
RUNNING = "unwrapped_position"


class Extxyz:
    """Frames of an extended XYZ file.

    Parameters
    ----------
    path
        The file.
    frame_interval_fs
        Time between two frames in fs; not needed where frames say ``time_fs``.

    Raises
    ------
    AnalysisError
        What is missing or wrong, with the frame and the mend.
    """

    def __init__(self, path: Path, *, frame_interval_fs: float | None) -> None:
        self.path = path
        self.repairs: list[str] = []
        self.cells = CellTrack(path, self.repairs)
        self._n_atoms = -1
        self._columns: dict[str, int] = {}
        self._properties = ""
        self.periodic = np.ones(3, dtype=bool)
        self._places = tuple(array("q") for _ in Place._fields)
        times = self._scan()
        n_frames = len(self._places[0])
        if n_frames == 0:
            raise AnalysisError(f"{path} holds no whole frame: the run stopped before it wrote one")
        if len(times) == n_frames:
            self.time_fs = np.array(times)
            agrees_with_file(
                self.time_fs, None, time_step_fs=None, frame_interval_fs=frame_interval_fs, path=path
            )
        else:
            self.time_fs = times_of_frames(n_frames, frame_interval_fs, path)
        self.unwrapped_by = f"the column {RUNNING}" if RUNNING in self._columns else None
        self._ids: IntArray | None = None
        self.numbers = self._numbers(0)[self._order(0)]

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å, (n_atoms, 3)."""
        order = self._order(frame)
        same_atoms(
            self._numbers(frame)[order],
            self.numbers,
            path=self.path,
            frame=frame,
            mend="write atoms in one order, or with a column id",
        )
        first = self._columns[RUNNING if RUNNING in self._columns else "pos"]
        return self._table(frame, [first, first + 1, first + 2])[order]

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        block = read_block(self.path, self._places[0][frame], self._places[1][frame])
        return self._lattice(self._keys(block.decode("utf-8", "replace").splitlines()[1], frame), frame)

    def close(self) -> None:
        """Nothing stays open."""

    def _scan(self) -> list[float]:
        """Find every frame; return the times that frames say."""
        times: list[float] = []
        with self.path.open("rb") as file:
            lines = LineReader(file)
            while not lines.at_end():
                frame, start = len(self._places[0]), lines.position
                count, comment = lines.line(), lines.line()
                place = Place(start, lines.position, 0)
                n_atoms = None if count is None else self._count(count, frame)
                if n_atoms is None or comment is None or not lines.skip(n_atoms):
                    self.repairs.append(f"frame {frame}, the last one, is cut short and left out")
                    break
                keys = self._keys(comment, frame)
                if "time_fs" in keys and len(times) == frame:
                    time_fs = self._time(keys["time_fs"], frame)
                    if not increasing(times, time_fs, path=self.path, frame=frame, word="time_fs"):
                        self.repairs.append(
                            f"a second frame at {time_fs:g} fs, after frame {frame - 1}, is left out"
                        )
                        continue
                    times.append(time_fs)
                self._compare(n_atoms, keys, frame)
                self.cells.follow(frame, self._lattice(keys, frame))
                for kept, value in zip(self._places, place._replace(end=lines.position), strict=True):
                    kept.append(value)
        return times

    def _count(self, line: str, frame: int) -> int:
        try:
            return int(line)
        except ValueError as error:
            raise AnalysisError(
                f"{self.path}: frame {frame} begins with {line[:40]!r} where a number of atoms belongs: the frame "
                f"before it has lines missing or too many; leave frame {max(frame - 1, 0)} out of the file"
            ) from error

    def _keys(self, comment: str, frame: int) -> dict[str, Any]:
        try:
            return dict(key_val_str_to_dict(comment))
        except (ValueError, IndexError) as error:
            raise AnalysisError(
                f"{self.path}: the second line of frame {frame} cannot be read ({error})"
            ) from error

    def _time(self, value: Any, frame: int) -> float:
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise AnalysisError(
                f"{self.path}: frame {frame} has time_fs={value}, which is no number"
            ) from error

    def _compare(self, n_atoms: int, keys: dict[str, Any], frame: int) -> None:
        properties = str(keys.get("Properties", PLAIN))
        if frame == 0:
            self._n_atoms, self._properties = n_atoms, properties
            self._columns = _columns(properties, self.path)
            self.periodic = np.broadcast_to(np.asarray(keys.get("pbc", True), dtype=bool), 3).copy()
        if n_atoms != self._n_atoms:
            raise AnalysisError(
                f"{self.path}: frame {frame} holds {n_atoms} atoms and frame 0 {self._n_atoms}; atoms may not come or "
                "go: cut the trajectory there"
            )
        if properties != self._properties:
            raise AnalysisError(
                f"{self.path}: frame {frame} has other columns than frame 0; split the file there"
            )

    def _lattice(self, keys: dict[str, Any], frame: int) -> FloatArray:
        lattice = np.asarray(keys.get("Lattice", ()))
        if lattice.shape != (3, 3):
            raise AnalysisError(
                f"{self.path}: frame {frame} has no Lattice of nine numbers; profiles and unwrapping need a cell: write "
                "extended XYZ with one"
            )
        return lattice.T.astype(float)

    def _table(self, frame: int, columns: list[int]) -> FloatArray:
        return table(self._block(frame), self._n_atoms, columns, path=self.path, frame=frame)

    def _block(self, frame: int) -> bytes:
        return read_block(self.path, self._places[1][frame], self._places[2][frame])

    def _numbers(self, frame: int) -> IntArray:
        if "species" in self._columns:
            column = self._columns["species"]
            found = words(self._block(frame), self._n_atoms, column, path=self.path, frame=frame)
            return numbers_of_symbols(found, self.path)
        return self._table(frame, [self._columns["Z"]])[:, 0].astype(np.int64)

    def _order(self, frame: int) -> NDArray[np.int64]:
        """Return the order of a frame's lines by id, or as they are."""
        if "id" not in self._columns:
            return np.arange(self._n_atoms)
        ids = self._table(frame, [self._columns["id"]])[:, 0]
        order = np.argsort(ids)
        if self._ids is None:
            self._ids = ids[order].astype(np.int64)
        if not np.array_equal(ids[order], self._ids):
            raise AnalysisError(
                f"{self.path}: frame {frame} has other ids than frame 0; cut the trajectory there"
            )
        return order


def _columns(properties: str, path: Path) -> dict[str, int]:
    """Return the first column of each property."""
    parts = properties.split(":")
    try:
        widths = [int(width) for width in parts[2::3]]
    except ValueError as error:
        raise AnalysisError(f"{path}: Properties={properties} is not name:type:columns") from error
    starts = np.cumsum([0, *widths])
    found = {name: int(start) for name, start in zip(parts[::3], starts, strict=False)}
    if not {"pos", RUNNING} & set(found) or not {"species", "Z"} & set(found):
        raise AnalysisError(
            f"{path}: Properties={properties} names no {'positions' if 'species' in found else 'elements'}; it needs "
            f"species (or Z, the atomic number: {chemical_symbols[3]} is 3) and pos"
        )
    return found
