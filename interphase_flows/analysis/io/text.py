"""Large text files: skip lines fast, index frames by byte offset, parse tables of numbers.

A byte-order mark at the start is ignored. A last line without a newline is complete if it has as many columns as the line
above it, and as many decimals in the last one; otherwise its last number may have lost digits.
"""

import io
import re
from array import array
from collections import Counter
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.exceptions import AnalysisError

BLOCK_BYTES = 1 << 18
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NO_NEWLINE = (
    "the last line has no newline; it has all columns and decimals of the line above it and was read as complete"
)
_DECIMALS = re.compile(rb"[+-]?\d*\.(\d+)")


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

    def is_identical(self, first: int, second: int) -> bool:
        """Return whether the lines of the atoms of two frames are the same."""
        a, b = self[first], self[second]
        if a.end - a.table != b.end - b.table:
            return False
        n_head = min(a.end - a.table, 512)
        if read_block(self._path, a.table, a.table + n_head) != read_block(self._path, b.table, b.table + n_head):
            return False
        return self.table(first) == self.table(second)


class LineReader:
    """Read single lines of a binary file, or skip many lines at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.lacks_last_newline = False
        """Whether a complete last line without a newline was skipped."""
        if file.tell() == 0 and file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
            file.seek(0)

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
                self.lacks_last_newline = n_lines == 1 and self._last_line_is_complete()
                return self.lacks_last_newline
            n_ends = block.count(b"\n")
            if n_ends >= n_lines:
                ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
                self._file.seek(start + int(ends[n_lines - 1]) + 1)
                return True
            n_lines -= n_ends
        return True

    def _last_line_is_complete(self) -> bool:
        """Compare the last line of the file, which has no newline, with the line above it."""
        end = self._file.tell()
        self._file.seek(max(0, end - BLOCK_BYTES))
        lines = self._file.read().split(b"\n")[-2:]
        self._file.seek(end)
        above, last = ([], []) if len(lines) < 2 else (line.split() for line in lines)
        if not last or len(above) != len(last):
            return False
        decimals = [_DECIMALS.fullmatch(fields[-1]) for fields in (above, last)]
        return all(decimals) and len({len(match[1]) for match in decimals if match}) == 1


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
        try:
            values = _table(block, n_rows, columns)
        except ValueError:
            values = _table(separate_numbers(block), n_rows, columns)
    except ValueError as error:
        raise AnalysisError(
            f"{path}: frame {frame}: a value is not a number ({error}): the file is damaged, or a number overflowed "
            "its column. Hint: remove the frame from the file or write it again."
        ) from error
    _check_rows(len(values), n_rows, path, frame)
    return values


def integers(values: FloatArray, name: str, *, path: Path, frame: int) -> IntArray:
    """Return a column of integers; raise AnalysisError if a value is none."""
    if not (np.abs(values) < 2.0**53).all() or (values != np.rint(values)).any():
        wrong = values[~(np.abs(values) < 2.0**53) | (values != np.rint(values))][0]
        raise AnalysisError(
            f"{path}: frame {frame}: {name} is {wrong:g}: the file is damaged. Hint: remove the frame from the file."
        )
    return values.astype(np.int64)


def _table(block: bytes, n_rows: int, columns: list[int]) -> FloatArray:
    if not block.strip():
        return np.empty((0, len(columns)))
    return np.loadtxt(io.BytesIO(block), usecols=columns, comments=None, ndmin=2, max_rows=n_rows)


def separate_numbers(block: bytes) -> bytes:
    """Insert blanks between numbers that touch because they fill their columns, as in ``10.000000-12.500000``.

    This is unambiguous where all numbers have the same number of decimals, which is that of most numbers of the block.
    """
    decimals = Counter(len(match[1]) for field in block.split() if (match := _DECIMALS.fullmatch(field)))
    if not decimals:
        return block
    n_decimals = decimals.most_common(1)[0][0]
    touching = re.compile(rb"[+-]?\d*\.\d{%d}" % n_decimals)

    def separate(field: re.Match[bytes]) -> bytes:
        numbers = touching.findall(field[0])
        return b" ".join(numbers) if b"".join(numbers) == field[0] else field[0]

    return re.sub(rb"[^\s.]*\.[^\s.]*\.\S*", separate, block)


def text_column(block: bytes, n_rows: int, column: int, *, path: Path, frame: int) -> NDArray[np.str_]:
    """Return one column of a table as text, (n_rows,); raise AnalysisError if there are fewer rows or columns."""
    try:
        values: NDArray[np.str_] = np.empty(0, dtype="U16")
        if block.strip():
            values = np.loadtxt(
                io.BytesIO(block), usecols=[column], comments=None, ndmin=1, max_rows=n_rows, dtype="U16"
            )
    except ValueError as error:
        raise AnalysisError(f"{path}: frame {frame}: a line has too few columns ({error})") from error
    _check_rows(len(values), n_rows, path, frame)
    return values


def _check_rows(n_found: int, n_rows: int, path: Path, frame: int) -> None:
    if n_found != n_rows:
        raise AnalysisError(
            f"{path}: frame {frame}: {n_found} of {n_rows} atoms found. Hint: remove the frame from the file."
        )
