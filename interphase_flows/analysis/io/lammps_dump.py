"""LAMMPS dump files in text: `dump custom` and `dump atom`.

Of the columns, ``xu yu zu`` or ``xsu ysu zsu`` are taken first (unwrapped), then ``x`` or ``xs`` with the image flags
``ix iy iz``, then ``x`` or ``xs`` alone (wrapped). Scaled ones are fractions of the cell. LAMMPS writes atoms in
whatever order its processors have them: they are sorted by ``id``, which must be there. Boxes are orthogonal,
triclinic (their BOX BOUNDS enclose the skewed box) or general triclinic (``abc origin``).
https://docs.lammps.org/dump.html, https://docs.lammps.org/Howto_triclinic.html
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.io.cells import CellTrack
from interphase_flows.analysis.io.species import numbers_of_kinds, numbers_of_symbols
from interphase_flows.analysis.io.text import LineReader, Place, read_block, table, words
from interphase_flows.analysis.io.timestamps import agrees_with_file, increasing, times_of_steps
from interphase_flows.exceptions import AnalysisError

FS_PER_TIME_UNIT = {"metal": 1000.0, "real": 1.0}
"""Unit styles with lengths in Å."""


@dataclass(frozen=True)
class Header:
    """What stands above the atoms of one frame."""

    step: int
    time: float | None
    """In the file's units, where `dump_modify time yes` was set."""
    n_atoms: int
    cell: FloatArray
    """Å, rows are vectors, (3, 3)."""
    origin: FloatArray
    """Å, (3,)."""
    boundary: str
    columns: tuple[str, ...]


class LammpsDump:
    """Frames of a text dump.

    Parameters
    ----------
    path
        The file.
    time_step_fs
        Time of one step in fs; not needed where the dump has ITEM: UNITS and ITEM: TIME.
    elements
        Chemical symbol of each atom type; not needed where there is a column ``element``. Given, it counts more
        than that column, in which LAMMPS writes C unless told otherwise.

    Raises
    ------
    AnalysisError
        What is missing or wrong, with the frame and the mend.
    """

    def __init__(self, path: Path, *, time_step_fs: float | None, elements: Mapping[int, str] | None) -> None:
        self.path = path
        self.repairs: list[str] = []
        self.cells = CellTrack(path, self.repairs)
        self._units: str | None = None
        self._header: Header | None = None
        self._by_type = elements is not None
        self._places = tuple(array("q") for _ in Place._fields)
        steps, times = self._scan()
        if self._header is None:
            raise AnalysisError(f"{path} holds no whole frame: the run stopped before it wrote one")
        self.periodic = np.array([sides == "pp" for sides in self._header.boundary.split()])
        self.time_fs = self._times(steps, times, time_step_fs)
        self._ids: IntArray
        self._kinds: NDArray[np.generic]
        self._ids, self._kinds = self._first_atoms()
        self.numbers = (
            numbers_of_symbols(self._kinds, path)
            if self._kinds.dtype.kind == "U"
            else numbers_of_kinds(self._kinds, elements, path)
        )
        self._coordinates: _Coordinates = _coordinates(self._header.columns, path)
        self.unwrapped_by = self._coordinates.unwrapped_by

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å from the cell's corner, (n_atoms, 3), atoms by ascending id."""
        found = self._coordinates
        header, values = self._sorted(frame, (*found.names, *found.images))
        places = values[:, :3] @ header.cell if found.scaled else values[:, :3] - header.origin
        return places + values[:, 3:] @ header.cell if found.images else places

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return self._read_header(frame).cell

    def close(self) -> None:
        """Nothing stays open."""

    def _scan(self) -> tuple[list[float], list[float | None]]:
        """Find every frame; return its step and its time."""
        steps: list[float] = []
        times: list[float | None] = []
        with self.path.open("rb") as file:
            lines = LineReader(file)
            while not lines.at_end():
                frame, start = len(steps), lines.position
                header = self._parse_header(lines, frame)
                place = Place(start, lines.position, 0)
                if header is None or not lines.skip(header.n_atoms):
                    self.repairs.append(f"frame {frame}, the last one, is cut short and left out")
                    break
                self._compare_headers(header, frame)
                if not increasing(steps, header.step, path=self.path, frame=frame, word="the step"):
                    self.repairs.append(
                        f"a second frame of step {header.step}, after frame {frame - 1}, is left out"
                    )
                    continue
                self.cells.follow(frame, header.cell)
                steps.append(header.step)
                times.append(header.time)
                for kept, value in zip(self._places, place._replace(end=lines.position), strict=True):
                    kept.append(value)
        return steps, times

    def _compare_headers(self, header: Header, frame: int) -> None:
        if self._header is None:
            self._header = header
        if header.n_atoms != self._header.n_atoms:
            raise AnalysisError(
                f"{self.path}: frame {frame} (step {header.step}) holds {header.n_atoms} atoms and frame 0 "
                f"{self._header.n_atoms}; atoms were lost or the dump's group changes: cut the trajectory there"
            )
        if (header.columns, header.boundary) != (self._header.columns, self._header.boundary):
            raise AnalysisError(
                f"{self.path}: frame {frame} has other columns or boundaries than frame 0; split the file there"
            )

    def _parse_header(self, lines: LineReader, frame: int) -> Header | None:
        """Read the items above the atoms; None where the file ends."""
        found: dict[str, list[str]] = {}
        while (title := lines.line()) is not None:
            if not title.startswith("ITEM: "):
                raise AnalysisError(
                    f"{self.path}: frame {frame} begins with {title[:40]!r} where ITEM: TIMESTEP belongs: the frame "
                    f"before it has lines missing or too many; leave frame {max(frame - 1, 0)} out of the file"
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
                        f"{self.path} is in LAMMPS' units {self._units!r}; lengths must be in Å: convert it to metal "
                        "or real"
                    )
        return None

    def _header_of(self, found: dict[str, list[str]], atoms: str, frame: int) -> Header:
        try:
            name, bounds = next((k, v) for k, v in found.items() if k.startswith("BOX BOUNDS"))
            numbers = np.array([line.split() for line in bounds], dtype=float)
            cell, origin = _box(name, numbers)
            return Header(
                step=int(found["TIMESTEP"][0]),
                time=float(found["TIME"][0]) if "TIME" in found else None,
                n_atoms=int(found["NUMBER OF ATOMS"][0]),
                cell=cell,
                origin=origin,
                boundary=_boundary(name, self.path),
                columns=tuple(atoms.split()[1:]),
            )
        except (StopIteration, KeyError, ValueError, IndexError) as error:
            raise AnalysisError(
                f"{self.path}: the header of frame {frame} is not LAMMPS' ({error!r}): lines are missing "
                "here or in the frame before; leave that frame out of the file"
            ) from error

    def _times(self, steps: list[float], times: list[float | None], time_step_fs: float | None) -> FloatArray:
        counted = np.array(steps, dtype=np.int64)
        if self._units is None or None in times:
            return times_of_steps(counted, time_step_fs, self.path)
        said = np.array(times, dtype=float) * FS_PER_TIME_UNIT[self._units]
        agrees_with_file(said, counted, time_step_fs=time_step_fs, frame_interval_fs=None, path=self.path)
        return said

    def _read_header(self, frame: int) -> Header:
        with self.path.open("rb") as file:
            file.seek(self._places[0][frame])
            header = self._parse_header(LineReader(file), frame)
        if header is None:
            raise AnalysisError(f"{self.path} has become shorter since it was opened; open it again")
        return header

    def _read(self, frame: int, names: tuple[str, ...]) -> tuple[Header, FloatArray, NDArray[np.generic]]:
        """Return a frame's header, its ids and columns as they stand, (n_atoms, 1 + n), and its atoms' kinds."""
        header = self._read_header(frame)
        block = read_block(self.path, self._places[1][frame], self._places[2][frame])
        place = {name: k for k, name in enumerate(header.columns)}
        n_atoms = header.n_atoms
        if "id" not in place:
            raise AnalysisError(
                f"{self.path} has no column id, and LAMMPS writes atoms in another order in every frame; dump with id"
            )
        by_name = "element" in place and not (self._by_type and "type" in place)
        if by_name:
            kinds: NDArray[np.generic] = words(block, n_atoms, place["element"], path=self.path, frame=frame)
            wanted = ("id", *names)
        elif "type" in place:
            kinds, wanted = np.empty(0), ("id", *names, "type")
        else:
            raise AnalysisError(
                f"{self.path} has neither a column type nor a column element; dump one of them"
            )
        values = table(block, n_atoms, [place[name] for name in wanted], path=self.path, frame=frame)
        if not by_name:
            values, kinds = values[:, :-1], values[:, -1].astype(np.int64)
        return header, values, kinds

    def _first_atoms(self) -> tuple[NDArray[np.int64], NDArray[np.generic]]:
        """Return ids, ascending, and what tells the kind of each atom."""
        _, values, kinds = self._read(0, ())
        order = np.argsort(values[:, 0])
        return values[order, 0].astype(np.int64), kinds[order]

    def _sorted(self, frame: int, names: tuple[str, ...]) -> tuple[Header, FloatArray]:
        """Return a frame's header and columns, atoms by ascending id and compared with those of frame 0."""
        header, values, kinds = self._read(frame, names)
        order = np.argsort(values[:, 0])
        values, kinds = values[order], kinds[order]
        if not np.array_equal(values[:, 0], self._ids):
            raise AnalysisError(
                f"{self.path}: frame {frame} has other ids than frame 0, so atoms were lost and others came; cut the "
                "trajectory there"
            )
        if not np.array_equal(kinds, self._kinds):
            atom = int(np.flatnonzero(kinds != self._kinds)[0])
            raise AnalysisError(
                f"{self.path}: the atom with id {self._ids[atom]} is of kind {kinds[atom]} in frame {frame} and of "
                f"kind {self._kinds[atom]} in frame 0; atoms may not change their element"
            )
        return header, values[:, 1:]


@dataclass(frozen=True)
class _Coordinates:
    names: tuple[str, ...]
    scaled: bool
    images: tuple[str, ...]
    unwrapped_by: str | None


def _coordinates(columns: tuple[str, ...], path: Path) -> _Coordinates:
    """Choose the columns that say most."""
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
        f"{path} has the columns {' '.join(columns)}: none of x y z, xs ys zs, xu yu zu, xsu ysu zsu is whole; dump one"
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
    sides = [word for word in title.split() if len(word) == 2 and set(word) <= set("pfsm")]
    if any(set(word) & set("sm") for word in sides):
        raise AnalysisError(
            f"{path} has a shrink-wrapped box ({' '.join(sides)}), whose faces follow the atoms, so heights in it have "
            "no fixed origin; write it again (rerun) with fixed faces: boundary p p f"
        )
    return " ".join(sides) if len(sides) == 3 else "pp pp pp"
