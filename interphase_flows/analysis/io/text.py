"""Large text files: their lines, passed over by the million, and their tables of numbers."""

import io
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.exceptions import AnalysisError

BLOCK_BYTES = 1 << 18


class Place(NamedTuple):
    """Where a frame is in its file, in bytes."""

    header: int
    table: int
    """First byte of the atoms' lines."""
    end: int
    """Byte after the last of them."""


class LineReader:
    """Lines of a file one by one, or passed over many at a time without being looked at.

    Parameters
    ----------
    file
        Open for reading, in bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @property
    def position(self) -> int:
        """Byte at which the next line begins."""
        return self._file.tell()

    def at_end(self) -> bool:
        """Return whether nothing but white space follows."""
        start = self._file.tell()
        block = self._file.read(64)
        while block and not block.strip():
            block = self._file.read(BLOCK_BYTES)
        self._file.seek(start)
        return not block

    def line(self) -> str | None:
        """Return the next line without its end, or None if there is no whole one."""
        raw = self._file.readline()
        return raw.decode("utf-8", "replace").rstrip("\r\n") if raw.endswith(b"\n") else None

    def skip(self, n_lines: int) -> bool:
        """Pass over lines; return whether there were that many whole ones."""
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
    """Return the bytes of a file from `start` to before `end`."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def table(block: bytes, n_rows: int, columns: list[int], *, path: Path, frame: int) -> FloatArray:
    """Return columns of a table of numbers, (n_rows, n_columns).

    Raises
    ------
    AnalysisError
        There are fewer rows or columns, or something is no number.
    """
    try:
        values = np.loadtxt(io.BytesIO(block), usecols=columns, comments=None, ndmin=2, max_rows=n_rows)
    except ValueError as error:
        raise AnalysisError(
            f"{path}: frame {frame} holds what is no number ({error}): the file is damaged there, or a number "
            "did not fit into its columns; leave the frame out of the file or write it again"
        ) from error
    if len(values) != n_rows:
        raise AnalysisError(
            f"{path}: frame {frame} holds {len(values)} of {n_rows} atoms; leave it out of the file"
        )
    return values


def words(block: bytes, n_rows: int, column: int, *, path: Path, frame: int) -> NDArray[np.str_]:
    """Return one column of a table as text, (n_rows,).

    Raises
    ------
    AnalysisError
        There are fewer rows or columns.
    """
    try:
        found = np.loadtxt(
            io.BytesIO(block), usecols=[column], comments=None, ndmin=1, max_rows=n_rows, dtype="U16"
        )
    except ValueError as error:
        raise AnalysisError(f"{path}: frame {frame} has a line that is too short ({error})") from error
    if len(found) != n_rows:
        raise AnalysisError(f"{path}: frame {frame} holds {len(found)} of {n_rows} atoms")
    return found
