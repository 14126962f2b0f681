"""Reader of LAMMPS text dumps (`dump custom` and `dump atom`).

Positions are read from the first available columns: ``xu yu zu`` or ``xsu ysu zsu`` (unwrapped), ``x`` or ``xs`` with the
image flags ``ix iy iz``, ``x`` or ``xs`` alone (wrapped). Scaled coordinates are fractions of the cell. LAMMPS writes
atoms in the order of its processors, so they are sorted by the required column ``id``. Boxes are orthogonal, triclinic
(BOX BOUNDS enclose the skewed box) or general triclinic (``abc origin``).
https://docs.lammps.org/dump.html, https://docs.lammps.org/Howto_triclinic.html
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.io.reader import Reader
from interphase_flows.analysis.io.species import numbers_of_symbols, numbers_of_types, require_unique_ids
from interphase_flows.analysis.io.text import (
    NO_NEWLINE,
    FrameIndex,
    FrameOffsets,
    LineReader,
    integers,
    number_columns,
    text_column,
)
from interphase_flows.exceptions import AnalysisError

FS_PER_TIME_UNIT = {"metal": 1000.0, "real": 1.0}
"""Unit styles whose unit of length is Å."""
DEFAULT_ELEMENT = "C"
"""LAMMPS writes it into the column ``element`` without `dump_modify element`."""
LARGEST_STEP_NUMBER = 2**62


@dataclass(frozen=True)
class Header:
    """Header of one frame."""

    step: int
    time: float | None
    """In the units of the file, with `dump_modify time yes`."""
    n_atoms: int
    cell: FloatArray
    """Å, rows are vectors, (3, 3)."""
    origin: FloatArray
    boundary: str
    columns: tuple[str, ...]


class LammpsDump(Reader):
    """Frames of a text dump.

    ``time_step_fs`` is required unless the dump has ITEM: UNITS and ITEM: TIME; ``elements`` unless it has a column
    ``element``. A column of C throughout is LAMMPS' default and not used; another one that contradicts ``elements``
    raises.
    """

    time_option = "time_step_fs"
    joinable = True

    @staticmethod
    def recognises(path: Path, head: bytes) -> bool:
        """Return whether a file begins with an ITEM."""
        return head.startswith(b"ITEM: ")

    def open(self) -> None:
        """Index the frames."""
        self._units: str | None = None
        self._header: Header | None = None
        self._index = FrameIndex(self.source)
        self._scan()
        self.require_frames(len(self._index))
        assert self._header is not None  # set with the first frame
        self.periodic = np.array([sides == "pp" for sides in self._header.boundary.split()])
        columns = self._header.columns
        if "id" not in columns:
            raise AnalysisError(
                f"{self.path}: no column id, without which the order of the atoms is unknown. Hint: dump with id."
            )
        if not {"type", "element"} & set(columns):
            raise AnalysisError(f"{self.path}: neither a column type nor a column element. Hint: dump one of them.")
        self._kind_column: str = "type" if "type" in columns else "element"
        self._ids: IntArray
        self._kinds: NDArray[np.generic]
        _, self._ids, self._kinds, _ = self._read(0, ())
        require_unique_ids(self._ids, self.path, 0)
        self.numbers = self._elements()
        self._coordinates: _Coordinates = _coordinates(self._header.columns, self.path)
        self.unwrapped_by = self._coordinates.unwrapped_by

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å from the origin of the cell, (n_atoms, 3), atoms by ascending id."""
        columns = self._coordinates
        header, values = self._sorted(frame, (*columns.names, *columns.images))
        positions = values[:, :3] @ header.cell if columns.scaled else values[:, :3] - header.origin
        return positions + values[:, 3:] @ header.cell if columns.images else positions

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return self._read_header(frame).cell

    def _scan(self) -> None:
        """Index every frame with its step and time."""
        times: list[float | None] = []
        with self.source.open("rb") as file:
            lines = LineReader(file)
            while not lines.at_end():
                frame, start = len(self._index), lines.position
                header = self._parse_header(lines, frame)
                table = lines.position
                if header is None or not lines.skip(header.n_atoms):
                    self.repairs.append(f"the last frame, {frame}, is incomplete and was left out")
                    break
                self._compare_headers(header, frame)
                self.cells.add(frame, header.cell)
                self.labels.steps.append(header.step)
                times.append(header.time)
                self._index.append(FrameOffsets(start, table, lines.position))
            if lines.lacks_last_newline:
                self.repairs.append(NO_NEWLINE)
        has_unit = self._units is not None and None not in times
        factor = FS_PER_TIME_UNIT[self._units] if has_unit and self._units else 1.0
        self.labels.times_fs = [factor * t if has_unit and t is not None else None for t in times]
        self.labels.unitless_times = [None if has_unit else time for time in times]

    def _compare_headers(self, header: Header, frame: int) -> None:
        if self._header is None:
            self._header = header
        if header.n_atoms != self._header.n_atoms:
            raise AnalysisError(
                f"{self.path}: frame {frame} (step {header.step}) has {header.n_atoms} atoms, frame 0 has "
                f"{self._header.n_atoms}: atoms were lost, or the group of the dump changes. Hint: split the trajectory "
                "there."
            )
        if (header.columns, header.boundary) != (self._header.columns, self._header.boundary):
            raise AnalysisError(
                f"{self.path}: frame {frame} has other columns or boundaries than frame 0. Hint: split the file there."
            )

    def _parse_header(self, lines: LineReader, frame: int) -> Header | None:
        """Read the items above the atoms; return None if the file ends before them."""
        found: dict[str, list[str]] = {}
        while (title := lines.line()) is not None:
            if not title.startswith("ITEM: "):
                raise AnalysisError(
                    f"{self.path}: frame {frame} begins with {title[:40]!r} instead of ITEM: TIMESTEP: the frame before "
                    f"it has missing or extra lines. Hint: remove frame {max(frame - 1, 0)} from the file."
                )
            name = title.removeprefix("ITEM: ")
            if name.startswith("ATOMS"):
                return self._header_of(found, name, frame)
            content = [lines.line() for _ in range(3 if name.startswith("BOX BOUNDS") else 1)]
            if None in content:
                break
            found[name] = [str(line) for line in content]
            if name == "UNITS":
                self._units = found[name][0].strip()
                if self._units not in FS_PER_TIME_UNIT:
                    raise AnalysisError(
                        f"{self.path}: LAMMPS units {self._units!r} are not supported; lengths must be in Å. "
                        "Hint: convert the file to metal or real units."
                    )
        return None

    def _header_of(self, found: dict[str, list[str]], atoms: str, frame: int) -> Header:
        try:
            name, bounds = next((k, v) for k, v in found.items() if k.startswith("BOX BOUNDS"))
            numbers = np.array([line.split() for line in bounds], dtype=float)
            cell, origin = _box(name, numbers)
            step, n_atoms = int(found["TIMESTEP"][0]), int(found["NUMBER OF ATOMS"][0])
            if n_atoms < 1 or abs(step) > LARGEST_STEP_NUMBER:
                raise ValueError(f"step {step}, {n_atoms} atoms")
            return Header(
                step=step,
                time=float(found["TIME"][0]) if "TIME" in found else None,
                n_atoms=n_atoms,
                cell=cell,
                origin=origin,
                boundary=_boundary(name, self.path),
                columns=tuple(atoms.split()[1:]),
            )
        except (StopIteration, KeyError, ValueError, IndexError) as error:
            raise AnalysisError(
                f"{self.path}: the header of frame {frame} cannot be parsed ({error!r}): lines are missing here or in "
                "the frame before. Hint: remove that frame from the file."
            ) from error

    def _elements(self) -> IntArray:
        """Return the atomic numbers, from the column ``element`` or the types; raise AnalysisError if they disagree."""
        given = self.options.elements
        if self._header is None or "element" not in self._header.columns:
            return numbers_of_types(self._kinds.astype(np.int64), given, self.path)
        if self._kind_column == "element":
            return numbers_of_symbols(self._kinds.astype(str), self.path)
        block, columns = self._index.table(0), self._header.columns
        unsorted = number_columns(block, len(self._ids), [columns.index("id")], path=self.path, frame=0)[:, 0]
        symbols = text_column(block, len(self._ids), columns.index("element"), path=self.path, frame=0)
        symbols = symbols[np.argsort(unsorted, kind="stable")]
        types = self._kinds.astype(np.int64)
        pairs = sorted(set(zip(types.tolist(), symbols.tolist(), strict=True)))
        if {symbol for _, symbol in pairs} == {DEFAULT_ELEMENT} and (given is not None or len(pairs) > 1):
            if given is None:
                raise AnalysisError(
                    f"{self.path}: the column element is {DEFAULT_ELEMENT} for all {len(pairs)} atom types, the "
                    "default of LAMMPS. Hint: pass elements (--elements Li,...)."
                )
            return numbers_of_types(types, given, self.path)
        if given is not None:
            for kind, symbol in pairs:
                if kind in given and given[kind] != symbol:
                    raise AnalysisError(
                        f"{self.path}: elements states that type {kind} is {given[kind]}, the column element that it is "
                        f"{symbol}. Hint: leave elements (--elements) out, or correct it."
                    )
        return numbers_of_symbols(symbols, self.path)

    def _read_header(self, frame: int) -> Header:
        with self.source.open("rb") as file:
            file.seek(self._index[frame].header)
            header = self._parse_header(LineReader(file), frame)
        if header is None:
            raise AnalysisError(f"{self.path} was truncated after it was opened. Hint: open it again.")
        return header

    def _read(self, frame: int, names: tuple[str, ...]) -> tuple[Header, IntArray, NDArray[np.generic], FloatArray]:
        """Return the header of a frame and, sorted by id, its ids, types or elements, and columns, (n_atoms, n)."""
        header = self._read_header(frame)
        block = self._index.table(frame)
        column = {name: k for k, name in enumerate(header.columns)}
        by_type = self._kind_column == "type"
        wanted = ("id", *names, "type") if by_type else ("id", *names)
        values = number_columns(block, header.n_atoms, [column[name] for name in wanted], path=self.path, frame=frame)
        ids = integers(values[:, 0], "an id", path=self.path, frame=frame)
        if by_type:
            kinds: NDArray[np.generic] = integers(values[:, -1], "a type", path=self.path, frame=frame)
            values = values[:, :-1]
        else:
            kinds = text_column(block, header.n_atoms, column["element"], path=self.path, frame=frame)
        order = np.argsort(ids, kind="stable")
        return header, ids[order], kinds[order], values[order, 1:]

    def _sorted(self, frame: int, names: tuple[str, ...]) -> tuple[Header, FloatArray]:
        """Return the header and columns of a frame, with its atoms sorted by id and compared with frame 0."""
        header, ids, kinds, values = self._read(frame, names)
        if not np.array_equal(ids, self._ids):
            raise AnalysisError(
                f"{self.path}: frame {frame} has other ids than frame 0: atoms were lost and others added. Hint: split "
                "the trajectory there."
            )
        if not np.array_equal(kinds, self._kinds):
            atom = int(np.flatnonzero(kinds != self._kinds)[0])
            raise AnalysisError(
                f"{self.path}: frame {frame}: the atom with id {self._ids[atom]} has type {kinds[atom]}, in frame 0 "
                f"{self._kinds[atom]}; atoms must not change their element"
            )
        return header, values


@dataclass(frozen=True)
class _Coordinates:
    names: tuple[str, ...]
    scaled: bool
    images: tuple[str, ...]
    unwrapped_by: str | None


def _coordinates(columns: tuple[str, ...], path: Path) -> _Coordinates:
    """Choose the columns with the most information."""
    images = ("ix", "iy", "iz") if {"ix", "iy", "iz"} <= set(columns) else ()
    for suffix, scaled, unwrapped in (
        ("u", False, True),
        ("su", True, True),
        ("", False, False),
        ("s", True, False),
    ):
        names = tuple(axis + suffix for axis in "xyz")
        if set(names) <= set(columns):
            if unwrapped:
                return _Coordinates(names, scaled, (), f"the columns {' '.join(names)}")
            return _Coordinates(names, scaled, images, "the image flags ix iy iz" if images else None)
    raise AnalysisError(
        f"{path}: no positions in the columns {' '.join(columns)}. Hint: dump x y z, xs ys zs, xu yu zu or xsu ysu zsu."
    )


def _box(title: str, numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return lattice vectors and origin in Å from three lines of BOX BOUNDS."""
    if "abc origin" in title:
        return numbers[:, :3].copy(), numbers[:, 3].copy()
    low, high = numbers[:, 0].copy(), numbers[:, 1].copy()
    xy, xz, yz = numbers[:, 2] if numbers.shape[1] > 2 else (0.0, 0.0, 0.0)
    # the bounds enclose the skewed box
    low[0] -= min(0.0, xy, xz, xy + xz)
    high[0] -= max(0.0, xy, xz, xy + xz)
    low[1] -= min(0.0, yz)
    high[1] -= max(0.0, yz)
    edge = high - low
    return np.array([[edge[0], 0.0, 0.0], [xy, edge[1], 0.0], [xz, yz, edge[2]]]), low


def _boundary(title: str, path: Path) -> str:
    sides = [item for item in title.split() if len(item) == 2 and set(item) <= set("pfsm")]
    if any(set(side) & set("sm") for side in sides):
        raise AnalysisError(
            f"{path}: the box is shrink-wrapped ({' '.join(sides)}): its faces follow the atoms, so heights have no "
            "fixed origin. Hint: rerun with fixed faces (boundary p p f)."
        )
    return " ".join(sides) if len(sides) == 3 else "pp pp pp"
