"""Read extxyz frame by frame, so that a broken frame does not end the reading of a file.

ASE scans a file for the numbers of atoms in its headers: a truncated frame is then an error of the complete file, frames
after an empty line are left out, and a header with a wrong number, such as 1e11, is followed to the end. Here a frame
begins at a line with nothing but a number of atoms, which no line of an atom is.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from ase import Atoms
from ase.io.extxyz import read_xyz
from monty.io import zopen

N_HEADER_LINES = 2
CELL_VECTOR = "VEC"
"""Begin of the lines of the cell in ADF's variant of the format, after the atoms."""
PARSER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Errors of ASE's parser, of which some are by accident."""


@dataclass(frozen=True)
class UnreadableFrame:
    """Why a frame cannot be read, and the hash of its text."""

    reason: str
    sha256: str


def read_xyz_frames(path: Path) -> Iterator[Atoms | UnreadableFrame]:
    """Yield the frames of an extxyz file, which may be compressed.

    Raises
    ------
    OSError, EOFError
        The file cannot be read.
    """
    with zopen(path, "rt", encoding="utf-8", errors="replace") as file:
        for lines in _split(file):
            yield _frame(lines)


def _split(file: Iterable[str]) -> Iterator[list[str]]:
    """Yield the lines of each frame; empty lines between frames are left out."""
    lines: list[str] = []
    for line in file:
        is_comment = len(lines) == 1 and _is_header(lines[0])
        if not is_comment and _is_header(line):
            if lines:
                yield lines
            lines = [line]
        elif is_comment or line.strip():
            lines.append(line)
    if lines:
        yield lines


def _is_header(line: str) -> bool:
    return line.strip().isdecimal()


def _frame(lines: list[str]) -> Atoms | UnreadableFrame:
    try:
        return _parsed(lines)
    except PARSER_ERRORS as error:
        text = "".join(lines)
        reason = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        return UnreadableFrame(reason[:200], hashlib.sha256(text.encode()).hexdigest())


def _parsed(lines: list[str]) -> Atoms:
    if not _is_header(lines[0]):
        raise ValueError(f"its first line is {lines[0].strip()[:40]!r}, not a number of atoms")
    n_atoms = int(lines[0])
    n_found = sum(not line.lstrip().startswith(CELL_VECTOR) for line in lines[N_HEADER_LINES:])
    if n_found != n_atoms:
        raise ValueError(f"it has {n_found} lines of atoms instead of {n_atoms}")
    atoms: Atoms = next(read_xyz(StringIO("".join(lines)), 0))
    return atoms
