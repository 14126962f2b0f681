"""Frames that tell how far they have been read, and remember if one could not be."""

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.exceptions import AnalysisError
from interphase_flows.runtime.progress import emit


class ProgressFrames:
    """A trajectory, or its first frames, that emits progress while it is read.

    Parameters
    ----------
    frames
        The trajectory.
    n_frames
        Use the first so many; all by default.
    """

    def __init__(self, frames: FrameSource, n_frames: int | None = None) -> None:
        self._frames = frames
        self.n_frames = frames.n_frames if n_frames is None else min(n_frames, frames.n_frames)
        self.stage = ""
        """What is being done; nothing is told while it is empty."""
        self.damage: AnalysisError | None = None
        """Why a frame could not be read."""

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return self._frames.n_atoms

    @property
    def numbers(self) -> NDArray[np.integer]:
        """Atomic numbers, (n_atoms,)."""
        return self._frames.numbers

    @property
    def time_fs(self) -> NDArray[np.floating]:
        """Time of each frame in fs, (n_frames,)."""
        return self._frames.time_fs[: self.n_frames]

    def positions(self, frame: int, /) -> NDArray[np.floating]:
        """Return unwrapped positions in Å, (n_atoms, 3)."""
        try:
            positions = self._frames.positions(frame)
        except AnalysisError as error:
            self.damage = error
            raise
        if self.stage:
            emit(self.stage, frame + 1, self.n_frames, "frames")
        return positions

    def cell(self, frame: int, /) -> NDArray[np.floating]:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return self._frames.cell(frame)
