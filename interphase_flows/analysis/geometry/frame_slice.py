"""Slice of consecutive frames of a trajectory."""

from typing import Any

import numpy as np

from interphase_flows.analysis.geometry.frames import FrameSource


class FrameSlice:
    """View of consecutive frames of a trajectory, which is a trajectory itself.

    Parameters
    ----------
    frames
        The trajectory.
    first
        Index of the first frame.
    n_frames
        Number of frames.
    """

    def __init__(self, frames: FrameSource, first: int, n_frames: int) -> None:
        self._frames, self._first = frames, first
        self.n_frames, self.n_atoms, self.numbers = n_frames, frames.n_atoms, frames.numbers
        self.time_fs = np.asarray(frames.time_fs)[first : first + n_frames]

    def positions(self, frame: int, /) -> Any:
        """Return unwrapped positions in Å, (n_atoms, 3)."""
        return self._frames.positions(self._first + frame)

    def cell(self, frame: int, /) -> Any:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return self._frames.cell(self._first + frame)
