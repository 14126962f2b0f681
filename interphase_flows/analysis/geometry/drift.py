"""The drift of everything along the normal, which the boundaries of an interphase are found without.

Heights of boundaries are in the frame of all atoms, weighted by mass (`analysis.boundaries`): where the whole cell moves,
as in runs of codes that do not hold its centre, atoms move and boundaries do not. What compares the two takes the drift
from the atoms, or adds it to the boundaries.
"""

import numpy as np
from ase.data import atomic_masses
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.analysis.geometry.slices import heights


class CommonDrift:
    """How far all atoms have moved together since the first frame of a trajectory.

    Parameters
    ----------
    numbers
        Atomic numbers, (n_atoms,).
    positions, cell
        First frame, unwrapped.
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
        """Return it as a fraction of the cell, from the heights of a frame's atoms as fractions, (n_atoms,)."""
        return float(self._weights @ along) - self._start


class WithoutDrift:
    """A trajectory in the frame that boundaries are found in: every frame is moved back along c.

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
