"""Reader of extended XYZ.

Requires ``Lattice`` and a column ``pos``, or ``unwrapped_position`` (GPUMD), which is preferred. The time is ``time_fs``
of each frame, as `interphase export` writes it, or ``time_ps``; ``Timestep`` or ``step`` are step numbers. A ``time``
without a unit must agree with the options. If there is a column ``id``, atoms are sorted by it.

In a changing cell, a sum of displacements of wrapped atoms, such as ``unwrapped_position``, is not a position plus
lattice vectors of the frame. If there is also ``pos``, it is unwrapped by the nearest lattice vector, so that fractional
coordinates are continuous.
https://github.com/libAtoms/extxyz
"""

from pathlib import Path
from typing import Any

import numpy as np
from ase.io.extxyz import key_val_str_to_dict
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.geometry.neighbours import fractional
from interphase_flows.analysis.io.frame_labels import labels_of
from interphase_flows.analysis.io.reader import Reader
from interphase_flows.analysis.io.species import check_same_atoms, numbers_of_symbols, require_unique_ids
from interphase_flows.analysis.io.text import (
    NO_NEWLINE,
    FrameIndex,
    FrameOffsets,
    LineReader,
    integers,
    number_columns,
    read_block,
    text_column,
)
from interphase_flows.exceptions import AnalysisError

DEFAULT_PROPERTIES = "species:S:1:pos:R:3"
UNWRAPPED = "unwrapped_position"


class Extxyz(Reader):
    """Frames of an extended XYZ file.

    ``frame_interval_fs`` is required unless frames have ``time_fs`` or ``time_ps``; if they have step numbers,
    ``time_step_fs`` instead.
    """

    joinable = True

    @staticmethod
    def recognises(path: Path, head: bytes) -> bool:
        """Return whether a file begins with a line that contains only the number of atoms."""
        first, newline, _ = head.partition(b"\n")
        return bool(newline) and first.strip().isdigit() and len(first) < 20

    def open(self) -> None:
        """Index the frames."""
        self._n_atoms = -1
        self._columns: dict[str, int] = {}
        self._properties = ""
        self.periodic = np.ones(3, dtype=bool)
        self._index = FrameIndex(self.source)
        self._scan()
        self.require_frames(len(self._index))
        self.unwrapped_by = f"the column {UNWRAPPED}" if UNWRAPPED in self._columns else None
        self._ids: IntArray | None = None
        self.numbers = self._numbers(0)[self._order(0)]

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å, (n_atoms, 3)."""
        order = self._order(frame)
        check_same_atoms(
            self._numbers(frame)[order],
            self.numbers,
            path=self.path,
            frame=frame,
            hint="write atoms in one order, or with a column id",
        )
        names = [name for name in ("pos", UNWRAPPED) if name in self._columns]
        if len(names) == 2 and not self.cells.change:
            names = [UNWRAPPED]
        columns = [self._columns[name] + axis for name in names for axis in range(3)]
        found = self._table(frame, columns)[order]
        if len(names) == 1:
            return found
        cell, position, unwrapped = self.cell(frame), found[:, :3], found[:, 3:]
        return position + np.rint(fractional(unwrapped - position, cell)) @ cell

    def is_identical(self, first: int, second: int) -> bool:
        """Return whether two stored frames have the same lines."""
        return self._index.is_identical(first, second)

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        offsets = self._index[frame]
        block = read_block(self.source, offsets.header, offsets.table)
        return self._lattice(self._keys(block.decode("utf-8", "replace").splitlines()[1], frame), frame)

    def _scan(self) -> None:
        """Index every frame with its step and time."""
        with self.source.open("rb") as file:
            lines = LineReader(file)
            while not lines.at_end():
                frame, start = len(self._index), lines.position
                count, comment = lines.line(), lines.line()
                table = lines.position
                n_atoms = None if count is None else self._count(count, frame)
                if n_atoms is None or comment is None or not lines.skip(n_atoms):
                    self.repairs.append(f"the last frame, {frame}, is incomplete and was left out")
                    break
                keys = self._keys(comment, frame)
                self._compare(n_atoms, keys, frame)
                self.cells.add(frame, self._lattice(keys, frame))
                self.labels.add(**labels_of(keys, frame, self.path))
                self._index.append(FrameOffsets(start, table, lines.position))
            if lines.lacks_last_newline:
                self.repairs.append(NO_NEWLINE)

    def _count(self, line: str, frame: int) -> int:
        try:
            if (n_atoms := int(line)) < 1:
                raise ValueError(f"{n_atoms} atoms")
            return n_atoms
        except ValueError as error:
            raise AnalysisError(
                f"{self.path}: frame {frame} begins with {line[:40]!r} instead of a number of atoms: the frame before it "
                f"has missing or extra lines. Hint: remove frame {max(frame - 1, 0)} from the file."
            ) from error

    def _keys(self, comment: str, frame: int) -> dict[str, Any]:
        try:
            return dict(key_val_str_to_dict(comment))
        except (ValueError, LookupError, TypeError) as error:
            raise AnalysisError(f"{self.path}: frame {frame}: the second line cannot be parsed ({error})") from error

    def _compare(self, n_atoms: int, keys: dict[str, Any], frame: int) -> None:
        properties = str(keys.get("Properties", DEFAULT_PROPERTIES))
        if frame == 0:
            self._n_atoms, self._properties = n_atoms, properties
            self._columns = _columns(properties, self.path)
            self.periodic = self._periodicity(keys.get("pbc", True))
        if n_atoms != self._n_atoms:
            raise AnalysisError(
                f"{self.path}: frame {frame} has {n_atoms} atoms, frame 0 has {self._n_atoms}; the number of atoms must "
                "be constant. Hint: split the trajectory there."
            )
        if properties != self._properties:
            raise AnalysisError(
                f"{self.path}: frame {frame} has other columns than frame 0. Hint: split the file there."
            )

    def _periodicity(self, pbc: Any) -> BoolArray:
        flags = np.asarray(pbc)
        if flags.shape not in {(), (3,)} or flags.dtype.kind not in "bi":
            raise AnalysisError(f"{self.path}: pbc={str(pbc)[:40]} is not one or three of T and F")
        return np.broadcast_to(flags.astype(bool), 3).copy()

    def _lattice(self, keys: dict[str, Any], frame: int) -> FloatArray:
        lattice = np.asarray(keys.get("Lattice", ()))
        if lattice.shape != (3, 3) or lattice.dtype.kind not in "if":
            raise AnalysisError(
                f"{self.path}: frame {frame} has no Lattice of nine numbers; profiles and unwrapping require a cell. "
                "Hint: write extended XYZ with Lattice."
            )
        return lattice.T.astype(float)

    def _table(self, frame: int, columns: list[int]) -> FloatArray:
        return number_columns(self._index.table(frame), self._n_atoms, columns, path=self.path, frame=frame)

    def _numbers(self, frame: int) -> IntArray:
        if "species" in self._columns:
            column = self._columns["species"]
            block = self._index.table(frame)
            symbols = text_column(block, self._n_atoms, column, path=self.path, frame=frame)
            return numbers_of_symbols(symbols, self.path)
        return integers(self._table(frame, [self._columns["Z"]])[:, 0], "Z", path=self.path, frame=frame)

    def _order(self, frame: int) -> NDArray[np.int64]:
        """Return the order that sorts the lines of a frame by id, or the order of the file."""
        if "id" not in self._columns:
            return np.arange(self._n_atoms)
        ids = integers(self._table(frame, [self._columns["id"]])[:, 0], "an id", path=self.path, frame=frame)
        order = np.argsort(ids, kind="stable")
        if self._ids is None:
            self._ids = ids[order]
            require_unique_ids(self._ids, self.path, frame)
        if not np.array_equal(ids[order], self._ids):
            raise AnalysisError(
                f"{self.path}: frame {frame} has other ids than frame 0. Hint: split the trajectory there."
            )
        return order


def _columns(properties: str, path: Path) -> dict[str, int]:
    """Return the index of the first column of each property."""
    parts = properties.split(":")
    try:
        widths = [int(width) for width in parts[2::3]]
    except ValueError as error:
        raise AnalysisError(f"{path}: Properties={properties} is not of the form name:type:columns") from error
    starts = np.cumsum([0, *widths])
    found = {name: int(start) for name, start in zip(parts[::3], starts, strict=False)}
    if not {"pos", UNWRAPPED} & set(found) or not {"species", "Z"} & set(found):
        raise AnalysisError(
            f"{path}: Properties={properties} has no {'positions' if 'species' in found else 'elements'}. Hint: write "
            "the columns species (or Z, the atomic number) and pos."
        )
    return found
