"""Cells from frame to frame: what may change, what may not, and another setting of the same lattice."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.exceptions import AnalysisError

LARGEST_STRAIN = 0.1
"""Change of a lattice vector between two frames, as a share of the lattice, beyond which it is no strain."""


class CellTrack:
    """Follows the cell of a trajectory from its first frame to its last.

    Codes turn a very skewed cell into a less skewed one of the same lattice (LAMMPS: `flip yes`): its vectors are
    then sums of the old ones. Such a frame is told in the first frame's setting, and `repairs` says so.

    Parameters
    ----------
    path
        The file, for messages.
    repairs
        Sentences on what was mended; added to.
    """

    def __init__(self, path: Path, repairs: list[str]) -> None:
        self._path = path
        self._repairs = repairs
        self._last: FloatArray | None = None
        self._changes: list[tuple[int, FloatArray]] = []

    def follow(self, frame: int, cell: NDArray[np.floating]) -> None:
        """Look at the next frame's cell.

        Parameters
        ----------
        frame
            Its number.
        cell
            Lattice vectors in Å as rows, (3, 3).

        Raises
        ------
        AnalysisError
            There is no cell, or it jumps.
        """
        if self._last is not None and np.array_equal(self._last, cell):
            return
        new: FloatArray = np.array(cell, dtype=float)
        try:
            face_distances(new)
        except (AnalysisError, np.linalg.LinAlgError) as error:
            raise AnalysisError(f"{self._path}: frame {frame} has no cell: {error}") from error
        if self._last is not None:
            self._compare(frame, new, self._last)
        self._last = new

    def _compare(self, frame: int, cell: FloatArray, last: FloatArray) -> None:
        change = cell @ np.linalg.inv(last)
        whole = np.rint(change)
        strain = np.abs(change - whole).max()
        if strain > LARGEST_STRAIN or round(abs(np.linalg.det(whole))) != 1:
            raise AnalysisError(
                f"{self._path}: the cell jumps between frames {frame - 1} and {frame}, from {_lengths(last)} to "
                f"{_lengths(cell)} Å: a supercell, another run, or frames too far apart; split the file there"
            )
        if not np.array_equal(whole, np.eye(3)):
            before = self._changes[-1][1] if self._changes else np.eye(3)
            self._changes.append((frame, whole @ before))
            self._repairs.append(
                f"from frame {frame} on, the file has other vectors of the same lattice; told in those of frame 0"
            )

    def in_first_setting(self, frame: int, cell: NDArray[np.floating]) -> FloatArray:
        """Return a frame's cell with vectors that continue those of the first frame, (3, 3)."""
        for start, change in reversed(self._changes):
            if frame >= start:
                return np.rint(np.linalg.inv(change)) @ cell
        return np.asarray(cell, dtype=float)


def _lengths(cell: FloatArray) -> str:
    return " x ".join(f"{length:.2f}" for length in np.linalg.norm(cell, axis=1))
