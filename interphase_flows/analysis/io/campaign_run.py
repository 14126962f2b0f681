"""Trajectories of campaigns: one segment, packed in a file (`.zarr.zip`) or a folder still being written.

Several segments are one run with `interphase_flows.md.run_trajectory.RunFrames`.
"""

from pathlib import Path

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.io.cells import CellTrack
from interphase_flows.analysis.io.timestamps import agrees_with_file
from interphase_flows.analysis.io.zarr_trajectory import Trajectory
from interphase_flows.exceptions import AnalysisError, StorageError


class CampaignRun:
    """Frames of one segment; the block that holds the last frame asked for stays in memory.

    Parameters
    ----------
    path
        Packed file or folder.
    time_step_fs, frame_interval_fs
        Compared with the file's own times if given.

    Raises
    ------
    AnalysisError
        It is damaged, or has no frame.
    """

    unwrapped_by: str | None = "their format (displacements since the start)"

    def __init__(self, path: Path, *, time_step_fs: float | None, frame_interval_fs: float | None) -> None:
        self.path = path
        self.repairs: list[str] = []
        self.cells = CellTrack(path, self.repairs)
        try:
            self._trajectory = Trajectory(path)
        except StorageError as error:
            raise AnalysisError(str(error)) from error
        try:
            self._open(time_step_fs, frame_interval_fs)
        except StorageError as error:
            self.close()
            raise AnalysisError(str(error)) from error
        except AnalysisError:
            self.close()
            raise

    def _open(self, time_step_fs: float | None, frame_interval_fs: float | None) -> None:
        trajectory = self._trajectory
        self._block_of = trajectory.frames_per_block
        if trajectory.n_frames == 0:
            raise AnalysisError(f"{self.path} holds no frame: the segment stopped before it wrote one")
        self.numbers = np.asarray(trajectory.numbers, dtype=np.int64)
        self.periodic = trajectory.pbc
        self.time_fs = np.asarray(trajectory.time_fs, dtype=float)
        self._cells = np.asarray(trajectory.cell)
        agrees_with_file(
            self.time_fs,
            np.asarray(trajectory.step),
            time_step_fs=time_step_fs,
            frame_interval_fs=frame_interval_fs,
            path=self.path,
        )
        for frame, cell in enumerate(self._cells):
            self.cells.follow(frame, cell)
        self._first = -1
        self._block: np.ndarray = np.empty(0)

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å, (n_atoms, 3)."""
        first = frame - frame % self._block_of
        if first != self._first:
            try:
                self._block = self._trajectory.displacements(slice(first, first + self._block_of))
            except StorageError as error:
                raise AnalysisError(str(error)) from error
            self._first = first
        return np.asarray(self._trajectory.reference_positions + self._block[frame - first])

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return np.asarray(self._cells[frame])

    def close(self) -> None:
        """Close the file."""
        self._trajectory.close()
