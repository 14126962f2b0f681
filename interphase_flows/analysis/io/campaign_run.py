"""Reader of campaign trajectories: one segment, packed (`.zarr.zip`) or a folder that is still being written.

`interphase_flows.md.run_trajectory.RunFrames` joins the segments of a run.
"""

from pathlib import Path

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.io.reader import Reader
from interphase_flows.analysis.io.timestamps import check_times
from interphase_flows.analysis.io.zarr_trajectory import Trajectory
from interphase_flows.exceptions import AnalysisError, StorageError


class CampaignRun(Reader):
    """Frames of one segment. Options of time are compared with the times in the file."""

    unwrapped_by = "displacements since the start of the segment"

    @staticmethod
    def recognises(path: Path, head: bytes) -> bool:
        """Return whether a path is a folder or a zip archive."""
        return path.is_dir() or head.startswith(b"PK\x03\x04")

    def open(self) -> None:
        """Index the frames."""
        try:
            self._trajectory = self.resources.enter_context(Trajectory(self.path))
            self.numbers = np.asarray(self._trajectory.numbers, dtype=np.int64)
            self.periodic = self._trajectory.pbc
            self.time_fs = np.asarray(self._trajectory.time_fs, dtype=float)
            self._cells = np.asarray(self._trajectory.cell)
            steps = np.asarray(self._trajectory.step)
        except StorageError as error:
            raise AnalysisError(str(error)) from error
        self.require_frames(len(self.time_fs))
        options = self.options
        check_times(self.time_fs, steps, options.time_step_fs, options.frame_interval_fs, self.path)
        for frame, cell in enumerate(self._cells):
            self.cells.add(frame, cell)

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å, (n_atoms, 3)."""
        try:
            return np.asarray(self._trajectory.positions(frame))
        except StorageError as error:
            raise AnalysisError(str(error)) from error

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return np.asarray(self._cells[frame])
