"""Reader of VASP's XDATCAR: wrapped fractional coordinates, with the cell once or above every frame.

Requires the line of chemical symbols (VASP 5 and later). The numbers of the configurations show frames that are missing;
where they start again, a continued run was appended.
https://www.vasp.at/wiki/index.php/XDATCAR
"""

import re
from pathlib import Path

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.io.reader import Reader
from interphase_flows.analysis.io.species import number_of
from interphase_flows.analysis.io.text import (
    NO_NEWLINE,
    FrameIndex,
    FrameOffsets,
    LineReader,
    number_columns,
    separate_numbers,
)
from interphase_flows.exceptions import AnalysisError

TITLE = "direct configuration"
HEADER_LINES = 7
_NUMBER = re.compile(r"=\s*(\d+)")


class Xdatcar(Reader):
    """Frames of an XDATCAR.

    ``frame_interval_fs`` is required: POTIM times NBLOCK.
    """

    time_option = "frame_interval_fs"
    joinable = True

    @staticmethod
    def recognises(path: Path, head: bytes) -> bool:
        """Return whether a file is named XDATCAR or contains the title of a configuration in its first lines."""
        lines = head.decode("utf-8", "replace").splitlines()[:12]
        return path.name.upper().startswith("XDATCAR") or any(line.lower().startswith(TITLE) for line in lines)

    def open(self) -> None:
        """Index the frames."""
        self.periodic = np.ones(3, dtype=bool)
        self._symbols: list[str] = []
        self._counts: list[int] = []
        self._index = FrameIndex(self.source)
        self.labels.step_name, self.labels.restarts = "configuration number", True
        self._scan()
        self.require_frames(len(self._index))
        distinct = np.array([number_of(symbol, self.path) for symbol in self._symbols], dtype=np.int64)
        self.numbers: IntArray = np.repeat(distinct, self._counts)

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å, (n_atoms, 3)."""
        block = self._index.table(frame)
        fractions = number_columns(block, len(self.numbers), [0, 1, 2], path=self.path, frame=frame)
        return fractions @ self.cell(frame)

    def is_identical(self, first: int, second: int) -> bool:
        """Return whether two stored frames have the same lines."""
        return self._index.is_identical(first, second)

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        with self.source.open("rb") as file:
            file.seek(self._index[frame].header)
            lines = LineReader(file)
            return _cell([str(lines.line()) for _ in range(HEADER_LINES)])

    def _scan(self) -> None:
        """Index every frame with its header."""
        with self.source.open("rb") as file:
            lines = LineReader(file)
            header = 0
            while not lines.at_end():
                frame, start = len(self._index), lines.position
                title = lines.line()
                if title is not None and not title.lower().startswith(TITLE):
                    header = start
                    rest = [lines.line() for _ in range(HEADER_LINES)]
                    title = self._read_header([title, *rest], frame)
                elif title is not None and not self._counts:
                    raise AnalysisError(
                        f"{self.path} begins with a configuration instead of the header with cell, elements and "
                        "numbers of atoms. Hint: copy the header above the first configuration."
                    )
                table = lines.position
                if title is None or not lines.skip(sum(self._counts)):
                    self.repairs.append(f"the last frame, {frame}, is incomplete and was left out")
                    break
                number = _NUMBER.search(title)
                self.labels.add(step=float(number[1]) if number else None)
                self._index.append(FrameOffsets(header, table, lines.position))
            if lines.lacks_last_newline:
                self.repairs.append(NO_NEWLINE)

    def _read_header(self, lines: list[str | None], frame: int) -> str | None:
        """Compare a header with the first one; return the title below it, or None if the file ends before it."""
        complete = [line for line in lines if line is not None]
        if len(complete) < len(lines):
            return None
        title = complete[-1]
        try:
            cell = _cell(complete)
            symbols, counts = complete[5].split(), [int(count) for count in complete[6].split()]
            if min(counts) < 1:
                raise ValueError(f"counts of atoms {complete[6].strip()}")
        except (ValueError, IndexError) as error:
            raise AnalysisError(
                f"{self.path}: the header of frame {frame} cannot be parsed ({error}): a number is damaged, the chemical "
                "symbols are missing (VASP 4 wrote none), or lines of the frame before. Hint: correct the header, or "
                f"remove frame {max(frame - 1, 0)} from the file."
            ) from error
        if not title.lower().startswith(TITLE) or len(symbols) != len(counts):
            raise AnalysisError(
                f"{self.path}: the header of frame {frame} is not followed by 'Direct configuration=': lines are missing "
                f"there or in the frame before. Hint: remove frame {max(frame - 1, 0)} from the file."
            )
        if self._counts and (symbols, counts) != (self._symbols, self._counts):
            raise AnalysisError(
                f"{self.path}: frame {frame} has the atoms {_formula(symbols, counts)}, frame 0 has "
                f"{_formula(self._symbols, self._counts)}; atoms and their order must be constant. Hint: split the file "
                "there."
            )
        self._symbols, self._counts = symbols, counts
        self.cells.add(frame, cell)
        return title


def _cell(header: list[str]) -> FloatArray:
    """Return the lattice vectors of a header; raise ValueError that names the line if they are not numbers."""
    rows = separate_numbers("\n".join(header[2:5]).encode()).decode().split("\n")
    vectors = np.empty((3, 3))
    for k, row in enumerate(rows):
        try:
            vectors[k] = np.array([float(field) for field in row.split()[:3]]).reshape(3)
        except ValueError:
            raise ValueError(f"line {k + 3}, {row.strip()!r}, is not a lattice vector of three numbers") from None
    scale = float(header[1].split()[0])
    if scale < 0:  # a negative scale is the volume
        if not np.linalg.det(vectors):
            raise ValueError("the lattice vectors lie in a plane")
        scale = (-scale / abs(np.linalg.det(vectors))) ** (1.0 / 3.0)
    return scale * vectors


def _formula(symbols: list[str], counts: list[int]) -> str:
    return " ".join(f"{symbol}{count}" for symbol, count in zip(symbols, counts, strict=True))
