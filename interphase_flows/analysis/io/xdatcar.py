"""VASP's XDATCAR: fractional coordinates, with the cell once (constant volume) or above every frame.

Coordinates are wrapped. The symbols must be there (VASP 5 and later).
https://www.vasp.at/wiki/index.php/XDATCAR
"""

from array import array
from pathlib import Path

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.io.cells import CellTrack
from interphase_flows.analysis.io.species import number_of
from interphase_flows.analysis.io.text import LineReader, Place, read_block, table
from interphase_flows.analysis.io.timestamps import times_of_frames
from interphase_flows.exceptions import AnalysisError

TITLE = "direct configuration"
HEADER_LINES = 7


class Xdatcar:
    """Frames of an XDATCAR.

    Parameters
    ----------
    path
        The file.
    frame_interval_fs
        Time between two frames in fs: POTIM times NBLOCK.

    Raises
    ------
    AnalysisError
        What is missing or wrong, with the frame and the mend.
    """

    unwrapped_by: str | None = None

    def __init__(self, path: Path, *, frame_interval_fs: float | None) -> None:
        self.path = path
        self.repairs: list[str] = []
        self.cells = CellTrack(path, self.repairs)
        self.periodic = np.ones(3, dtype=bool)
        self._symbols: list[str] = []
        self._counts: list[int] = []
        self._places = tuple(array("q") for _ in Place._fields)
        self._scan()
        n_frames = len(self._places[0])
        if n_frames == 0:
            raise AnalysisError(f"{path} holds no whole frame: the run stopped before it wrote one")
        distinct = np.array([number_of(symbol, path) for symbol in self._symbols], dtype=np.int64)
        self.numbers: IntArray = np.repeat(distinct, self._counts)
        self.time_fs = times_of_frames(n_frames, frame_interval_fs, path)

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å, (n_atoms, 3)."""
        block = read_block(self.path, self._places[1][frame], self._places[2][frame])
        return table(block, len(self.numbers), [0, 1, 2], path=self.path, frame=frame) @ self.cell(frame)

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        with self.path.open("rb") as file:
            file.seek(self._places[0][frame])
            lines = LineReader(file)
            return self._cell([str(lines.line()) for _ in range(HEADER_LINES)], frame)

    def close(self) -> None:
        """Nothing stays open."""

    def _scan(self) -> None:
        """Find every frame, and the header that it belongs to."""
        with self.path.open("rb") as file:
            lines = LineReader(file)
            header = 0
            while not lines.at_end():
                frame, start = len(self._places[0]), lines.position
                title = lines.line()
                if title is not None and not title.lower().startswith(TITLE):
                    header = start
                    rest = [lines.line() for _ in range(HEADER_LINES)]
                    title = self._read_header([title, *rest], frame)
                place = Place(header, lines.position, 0)
                if title is None or not lines.skip(sum(self._counts)):
                    self.repairs.append(f"frame {frame}, the last one, is cut short and left out")
                    return
                for kept, value in zip(self._places, place._replace(end=lines.position), strict=True):
                    kept.append(value)

    def _read_header(self, lines: list[str | None], frame: int) -> str | None:
        """Compare a header with the first one; return the title below it, None where the file ends."""
        whole = [line for line in lines if line is not None]
        if len(whole) < len(lines):
            return None
        title = whole[-1]
        try:
            cell = self._cell(whole, frame)
            symbols, counts = whole[5].split(), [int(word) for word in whole[6].split()]
        except (ValueError, IndexError) as error:
            raise AnalysisError(
                f"{self.path}: what stands above frame {frame} is no header of an XDATCAR ({error}): symbols are "
                "missing (VASP 4 wrote none), or lines of the frame before; mend the header, or leave frame "
                f"{max(frame - 1, 0)} out of the file"
            ) from error
        if not title.lower().startswith(TITLE) or len(symbols) != len(counts):
            raise AnalysisError(
                f"{self.path}: the header above frame {frame} is not followed by 'Direct configuration=': lines are "
                f"missing there or in the frame before; leave frame {max(frame - 1, 0)} out of the file"
            )
        if self._counts and (symbols, counts) != (self._symbols, self._counts):
            raise AnalysisError(
                f"{self.path}: frame {frame} holds {_formula(symbols, counts)} and frame 0 "
                f"{_formula(self._symbols, self._counts)}; atoms may not come, go or change order: split the file there"
            )
        self._symbols, self._counts = symbols, counts
        self.cells.follow(frame, cell)
        return title

    def _cell(self, header: list[str], frame: int) -> FloatArray:
        vectors = np.array([line.split()[:3] for line in header[2:5]], dtype=float)
        scale = float(header[1].split()[0])
        if scale < 0:  # VASP: the volume
            scale = (-scale / abs(np.linalg.det(vectors))) ** (1.0 / 3.0)
        return scale * vectors


def _formula(symbols: list[str], counts: list[int]) -> str:
    return " ".join(f"{symbol}{count}" for symbol, count in zip(symbols, counts, strict=True))
