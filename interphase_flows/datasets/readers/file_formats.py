"""Recognise the format of a file of labels by its content: ``POSCAR_train.xyz`` is no POSCAR."""

import lzma
import re
import zlib
from pathlib import Path
from typing import Literal

from monty.io import zopen

FileFormat = Literal["extxyz", "vasprun", "outcar", "other"]

VASPRUN, OUTCAR = "vasprun.xml", "OUTCAR"
XYZ_SUFFIXES = (".extxyz", ".xyz")
COMPRESSED = ("", ".gz", ".bz2", ".xz")

_N_BYTES = 2000
_NUMBER_OF_ATOMS = re.compile(rb"\s*\d+[ \t\r]*\n")
_VASP_VERSION = re.compile(rb"\s*vasp\.\d")


def file_format(path: Path) -> FileFormat:
    """Return the format of a file by its beginning, or by its name if the beginning is that of no known format."""
    try:
        with zopen(path, "rb") as file:
            start = file.read(_N_BYTES)
    except (OSError, EOFError, lzma.LZMAError, zlib.error):
        start = b""  # the reader reports why
    if _NUMBER_OF_ATOMS.match(start):
        return "extxyz"
    if b"<modeling>" in start:
        return "vasprun"
    if _VASP_VERSION.match(start):
        return "outcar"
    name = path.stem if path.suffix in COMPRESSED else path.name
    if name.endswith(XYZ_SUFFIXES):
        return "extxyz"
    if name.startswith(VASPRUN):
        return "vasprun"
    return "outcar" if name.startswith(OUTCAR) else "other"
