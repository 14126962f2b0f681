"""Drift of the centre of mass along the interface normal.

Boundary heights are relative to the centre of mass of all atoms (`analysis.interfaces.boundaries`). If a run does not
fix the centre of mass, the atoms drift relative to the boundaries. To compare both, subtract the drift from the
positions of the atoms or add it to the heights of the boundaries.
"""

import numpy as np
from ase.data import atomic_masses
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.analysis.geometry.slices import heights


class CommonDrift:
    """Displacement of the centre of mass along the normal since the first frame of a trajectory.

    Parameters
    ----------
    numbers
        Atomic numbers, (n_atoms,).
    positions, cell
        Unwrapped positions and cell of the first frame.
    """

    def __init__(
        self,
        numbers: NDArray[np.integer],
        positions: NDArray[np.floating],
        cell: NDArray[np.floating],
    ) -> None:
        masses = atomic_masses[numbers]
        self._weights = masses / masses.sum()
        self._start = float(self._weights @ heights(positions, cell))

    def of(self, along: FloatArray) -> float:
        """Return the drift as a fraction of the cell, from fractional heights of the atoms of a frame, (n_atoms,)."""
        return float(self._weights @ along) - self._start


class WithoutDrift:
    """A trajectory without drift of the centre of mass: every frame is shifted back along c.

    Parameters
    ----------
    frames
        The trajectory.
    """

    def __init__(self, frames: FrameSource) -> None:
        self._frames = frames
        self._drift = CommonDrift(frames.numbers, frames.positions(0), frames.cell(0))
        self.n_frames, self.n_atoms = frames.n_frames, frames.n_atoms
        self.numbers, self.time_fs = frames.numbers, frames.time_fs

    def positions(self, frame: int, /) -> FloatArray:
        """Return unwrapped positions in Å, (n_atoms, 3)."""
        positions, cell = np.asarray(self._frames.positions(frame), dtype=float), self.cell(frame)
        return np.asarray(positions - self._drift.of(heights(positions, cell)) * np.asarray(cell)[2])

    def cell(self, frame: int, /) -> NDArray[np.floating]:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return self._frames.cell(frame)
