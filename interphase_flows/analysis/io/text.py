"""Large text files: skip lines fast, index frames by byte offset, parse tables of numbers."""

import io
from array import array
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.exceptions import AnalysisError

BLOCK_BYTES = 1 << 18


class FrameOffsets(NamedTuple):
    """Byte offsets of a frame in its file."""

    header: int
    table: int
    """First byte of the lines of the atoms."""
    end: int
    """One past the last byte of these lines."""


class FrameIndex:
    """Byte offsets of all frames of a text file, 24 bytes per frame."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._columns = tuple(array("q") for _ in FrameOffsets._fields)

    def __len__(self) -> int:
        return len(self._columns[0])

    def __getitem__(self, frame: int) -> FrameOffsets:
        return FrameOffsets(*(column[frame] for column in self._columns))

    def append(self, offsets: FrameOffsets) -> None:
        """Add the next frame."""
        for column, value in zip(self._columns, offsets, strict=True):
            column.append(value)

    def table(self, frame: int) -> bytes:
        """Return the lines of the atoms of a frame."""
        offsets = self[frame]
        return read_block(self._path, offsets.table, offsets.end)


class LineReader:
    """Read single lines of a binary file, or skip many lines at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @property
    def position(self) -> int:
        """Byte offset of the next line."""
        return self._file.tell()

    def at_end(self) -> bool:
        """Return whether only white space follows."""
        start = self._file.tell()
        block = self._file.read(64)
        while block and not block.strip():
            block = self._file.read(BLOCK_BYTES)
        self._file.seek(start)
        return not block

    def line(self) -> str | None:
        """Return the next line without its end, or None if no complete line follows."""
        raw = self._file.readline()
        return raw.decode("utf-8", "replace").rstrip("\r\n") if raw.endswith(b"\n") else None

    def skip(self, n_lines: int) -> bool:
        """Skip lines; return False if fewer complete lines follow."""
        while n_lines > 0:
            start = self._file.tell()
            block = self._file.read(BLOCK_BYTES)
            if not block:
                return False
            n_ends = block.count(b"\n")
            if n_ends >= n_lines:
                ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
                self._file.seek(start + int(ends[n_lines - 1]) + 1)
                return True
            n_lines -= n_ends
        return True


def read_block(path: Path, start: int, end: int) -> bytes:
    """Return the bytes of a file from `start` up to `end`."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def number_columns(block: bytes, n_rows: int, columns: list[int], *, path: Path, frame: int) -> FloatArray:
    """Return columns of a table of numbers, (n_rows, n_columns).

    Raises AnalysisError if there are fewer rows or columns, or a value is not a number.
    """
    try:
        values = np.loadtxt(io.BytesIO(block), usecols=columns, comments=None, ndmin=2, max_rows=n_rows)
    except ValueError as error:
        raise AnalysisError(
            f"{path}: frame {frame}: a value is not a number ({error}): the file is damaged, or a number overflowed "
            "its column. Hint: remove the frame from the file or write it again."
        ) from error
    _check_rows(len(values), n_rows, path, frame)
    return values


def text_column(block: bytes, n_rows: int, column: int, *, path: Path, frame: int) -> NDArray[np.str_]:
    """Return one column of a table as text, (n_rows,); raise AnalysisError if there are fewer rows or columns."""
    try:
        values = np.loadtxt(io.BytesIO(block), usecols=[column], comments=None, ndmin=1, max_rows=n_rows, dtype="U16")
    except ValueError as error:
        raise AnalysisError(f"{path}: frame {frame}: a line has too few columns ({error})") from error
    _check_rows(len(values), n_rows, path, frame)
    return values


def _check_rows(n_found: int, n_rows: int, path: Path, frame: int) -> None:
    if n_found != n_rows:
        raise AnalysisError(
            f"{path}: frame {frame}: {n_found} of {n_rows} atoms found. Hint: remove the frame from the file."
        )
