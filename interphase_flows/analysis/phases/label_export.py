"""Export the phase labels of atoms as extended XYZ, which OVITO and ASE read."""

from pathlib import Path
from typing import TextIO

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

PROPERTIES = "species:S:1:pos:R:3:phase:I:1"


class LabelWriter:
    """Write labelled frames to a file, one after the other; the comment of a frame lists the phases by number.

    Parameters
    ----------
    path
        File to write; an existing one is replaced.
    labels
        Labels by code.
    numbers
        Atomic numbers, (n_atoms,).
    """

    def __init__(self, path: Path, labels: tuple[str, ...], numbers: NDArray[np.integer]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("w", encoding="utf-8")
        self._names = ", ".join(f"{code} {label}" for code, label in enumerate(labels))
        self._symbols = [chemical_symbols[number] for number in numbers]

    def add(
        self, time_ps: float, positions: NDArray[np.floating], cell: NDArray[np.floating], codes: NDArray[np.integer]
    ) -> None:
        """Write a frame: unwrapped positions and lattice vectors in Å, and the code of each atom."""
        lattice = " ".join(f"{x:.8f}" for x in np.asarray(cell, dtype=float).ravel())
        self._file.write(
            f'{len(self._symbols)}\nLattice="{lattice}" Properties={PROPERTIES} pbc="T T T" '
            f'time_fs={1000 * time_ps:.12g} phases="{self._names}"\n'
        )
        for symbol, (x, y, z), code in zip(self._symbols, positions.tolist(), codes.tolist(), strict=True):
            self._file.write(f"{symbol} {x:.5f} {y:.5f} {z:.5f} {code}\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
