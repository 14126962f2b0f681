"""Damage of files, as by broken disks, full disks, interrupted copies and mixed-up backups."""

from collections.abc import Callable
from pathlib import Path

import numpy as np


def flip(path: Path, place: float) -> None:
    """Flip a bit of the byte at a fraction of the length of a file."""
    content = bytearray(path.read_bytes())
    if content:
        content[min(int(place * len(content)), len(content) - 1)] ^= 0x10
    path.write_bytes(content)


def truncate(path: Path, share: float) -> None:
    """Shorten a file to a share of its length, by at least one byte."""
    content = path.read_bytes()
    path.write_bytes(content[: min(int(share * len(content)), len(content) - 1)] if content else b"")


def replace_by(other: Path) -> Callable[[Path], None]:
    """Return a function that replaces a file by another one, if that exists."""

    def replace(path: Path) -> None:
        if other.is_file():
            path.write_bytes(other.read_bytes())

    return replace


DAMAGES: dict[str, Callable[[Path], None]] = {
    "flipped at the start": lambda path: flip(path, 0.0),
    "flipped at a random byte": lambda path: flip(path, np.random.default_rng().random()),
    "flipped in the middle": lambda path: flip(path, 0.5),
    "flipped at the end": lambda path: flip(path, 1.0),
    "empty": lambda path: truncate(path, 0.0),
    "half": lambda path: truncate(path, 0.5),
    "one byte less": lambda path: truncate(path, 1.0),
    "missing": lambda path: path.unlink(),
}
