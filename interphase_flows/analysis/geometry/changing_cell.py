"""Displacements in a cell that changes, as under a barostat.

In a changing cell, a displacement is the difference of unwrapped fractional coordinates, multiplied by the mean cell of
the frames used: a change of the cell alone moves no atom. Positions in the mean cell are computed as x + x (T - 1) with
T = inverse(cell of the frame) · mean cell, which keeps single precision because T - 1 is small.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.frames import FrameSource

SAME_CELL = 1e-6
"""Largest change of a cell, relative to its longest component, that counts as constant."""


@dataclass(frozen=True)
class MeanCell:
    """Mean cell of some frames, and how to express their positions in it."""

    angstrom: FloatArray
    """(3, 3), mean lattice vectors as rows, Å."""
    volume_angstrom3: float
    """Mean volume, Å³."""
    cells_angstrom: FloatArray | None
    """(n_frames, 3, 3), cells of the frames, Å; None if they are constant."""

    @classmethod
    def of(cls, frames: FrameSource, chosen: Sequence[int]) -> "MeanCell":
        """Return the mean cell of the chosen frames."""
        raw = frames.cell(chosen[0])
        first: FloatArray = np.asarray(raw, dtype=float)
        cells: FloatArray | None = None
        for row, index in enumerate(chosen):
            # a constant cell is usually the same array
            if (current := frames.cell(index)) is not raw:
                cells = np.tile(first, (len(chosen), 1, 1)) if cells is None else cells
                cells[row] = current
        if cells is None or np.abs(cells - first).max() <= SAME_CELL * np.abs(first).max():
            return cls(first, float(abs(np.linalg.det(first))), None)
        return cls(cells.mean(axis=0), float(np.abs(np.linalg.det(cells)).mean()), cells)

    def positions(self, row: int, positions: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the positions of the frame in a row, (n_atoms, 3), Å, with its fractional coordinates in this cell."""
        if self.cells_angstrom is None:
            return positions
        change = np.linalg.inv(self.cells_angstrom[row]) @ self.angstrom - np.eye(3)
        return positions + positions @ change.astype(positions.dtype)

    def drift(self, time_ps: FloatArray) -> tuple[float, str]:
        """Return the largest systematic strain between the first and the last frame, and its direction.

        It is the change of the least-squares line of each component of the deformation of the mean cell.
        """
        if self.cells_angstrom is None:
            return 0.0, "along z"
        deformation = np.linalg.inv(self.angstrom) @ self.cells_angstrom
        since = time_ps - time_ps.mean()
        slope = np.tensordot(since, deformation, axes=1) / (since @ since)
        change = slope * (time_ps[-1] - time_ps[0])
        i, j = np.unravel_index(int(np.abs(change).argmax()), (3, 3))
        return float(change[i, j]), f"along {'xyz'[i]}" if i == j else f"by a shear of {'xyz'[i]} and {'xyz'[j]}"
