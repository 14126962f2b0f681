"""Check the cells of consecutive frames, and undo changes of the lattice setting (LAMMPS' `flip`)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.exceptions import AnalysisError

SHORTEST_VECTOR_ANGSTROM, LONGEST_VECTOR_ANGSTROM = 0.5, 1e6
LARGEST_STRAIN = 0.1
"""Largest strain between two frames; a larger change is not a strain of the same cell."""


class CellTracker:
    """Cells of a trajectory, added frame by frame.

    Codes replace a very skewed cell by a less skewed one of the same lattice (LAMMPS: `flip yes`), whose vectors are
    sums of the old ones. Cells of such frames are converted to the setting of the first frame, which extends `repairs`.
    """

    def __init__(self, path: Path, repairs: list[str]) -> None:
        self._path = path
        self._repairs = repairs
        self._last: FloatArray | None = None
        self._changes: list[tuple[int, FloatArray]] = []
        self.change = False
        """Whether the cells of any two frames differ."""

    def add(self, frame: int, cell: NDArray[np.floating]) -> None:
        """Compare the cell of the next frame, rows are vectors in Å, with that of the last one.

        Raises AnalysisError if there is no cell, or it changes too much.
        """
        if self._last is not None and np.array_equal(self._last, cell):
            return
        new: FloatArray = np.array(cell, dtype=float)
        try:
            face_distances(new)
        except (AnalysisError, np.linalg.LinAlgError) as error:
            raise AnalysisError(f"{self._path}: frame {frame}: no cell: {error}") from error
        lengths = np.linalg.norm(new, axis=1)
        if not SHORTEST_VECTOR_ANGSTROM <= lengths.min() <= lengths.max() <= LONGEST_VECTOR_ANGSTROM:
            raise AnalysisError(
                f"{self._path}: frame {frame}: a cell of {_lengths(new)} Å: a number is damaged, or lengths are in "
                "another unit. Hint: remove the frame from the file, or convert it to Å."
            )
        if self._last is not None:
            self.change = True
            self._compare(frame, new, self._last)
        self._last = new

    def _compare(self, frame: int, cell: FloatArray, last: FloatArray) -> None:
        change = cell @ np.linalg.inv(last)
        setting = np.rint(change)
        strain = np.abs(change - setting).max()
        if strain > LARGEST_STRAIN or round(abs(np.linalg.det(setting))) != 1:
            raise AnalysisError(
                f"{self._path}: the cell jumps between frames {frame - 1} and {frame}, from {_lengths(last)} to "
                f"{_lengths(cell)} Å: a supercell, another run, or frames too far apart. Hint: split the file there."
            )
        if not np.array_equal(setting, np.eye(3)):
            before = self._changes[-1][1] if self._changes else np.eye(3)
            self._changes.append((frame, setting @ before))
            self._repairs.append(
                f"from frame {frame} on, the file uses other vectors of the same lattice; converted to those of frame 0"
            )

    def in_first_setting(self, frame: int, cell: NDArray[np.floating]) -> FloatArray:
        """Return the cell of a frame in the setting of the first frame, (3, 3)."""
        for start, change in reversed(self._changes):
            if frame >= start:
                return np.rint(np.linalg.inv(change)) @ cell
        return np.asarray(cell, dtype=float)


def _lengths(cell: FloatArray) -> str:
    return " x ".join(f"{length:.2f}" for length in np.linalg.norm(cell, axis=1))
