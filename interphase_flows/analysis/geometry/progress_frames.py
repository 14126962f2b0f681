"""A trajectory that reports progress, keeps its frames in memory where they fit, and remembers a read error."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray
from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.exceptions import AnalysisError
from interphase_flows.runtime.progress import emit

MOST_BYTES_IN_MEMORY = 256 * 1024**2
"""Trajectories up to this size are read from disk once; longer ones are read by every part that needs them."""


class ProgressFrames:
    """A trajectory, or its first frames, that emits progress while frames are read.

    Parameters
    ----------
    frames
        The trajectory.
    n_frames
        Use only the first ``n_frames``; all by default.
    """

    def __init__(self, frames: FrameSource, n_frames: int | None = None) -> None:
        self._frames = frames
        self.n_frames = frames.n_frames if n_frames is None else min(n_frames, frames.n_frames)
        self.stage = ""
        """Name of the stage that progress is reported under; nothing is reported while it is empty."""
        self.damage: AnalysisError | None = None
        """Error of an unreadable frame."""
        self._kept: dict[int, tuple[NDArray[np.floating], NDArray[np.floating]]] = {}
        self._keeps = n_frames is None

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

    @property
    def electrode_atoms(self) -> BoolArray | None:
        """Which atoms began in the electrode, (n_atoms,); None if the trajectory does not record it."""
        side = getattr(self._frames, "side", None)
        return None if side is None else np.asarray(side) == 0

    def positions(self, frame: int, /) -> NDArray[np.floating]:
        """Return unwrapped positions in Å, (n_atoms, 3)."""
        if self.stage:
            emit(self.stage, frame + 1, self.n_frames, "frames")
        return self._read(frame)[0]

    def cell(self, frame: int, /) -> NDArray[np.floating]:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return self._kept[frame][1] if frame in self._kept else self._checked(self._frames.cell, frame)

    def _checked(self, read: Callable[[int], NDArray[np.floating]], frame: int) -> NDArray[np.floating]:
        try:
            return read(frame)
        except AnalysisError as error:
            self.damage = error
            raise

    def _read(self, frame: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        if frame in self._kept:
            return self._kept[frame]
        found = self._checked(self._frames.positions, frame), self._checked(self._frames.cell, frame)
        if self._keeps and found[0].nbytes * self.n_frames <= MOST_BYTES_IN_MEMORY:
            self._kept[frame] = found
        return found
