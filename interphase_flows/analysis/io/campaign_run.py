"""Reader of campaign trajectories: one segment, packed (`.zarr.zip`) or a folder that is still being written.

`interphase_flows.md.run_trajectory.RunFrames` joins the segments of a run.
"""

from pathlib import Path

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.io.cells import CellTracker
from interphase_flows.analysis.io.timestamps import check_times
from interphase_flows.analysis.io.trajectory_file import ReaderOptions, TimeOption
from interphase_flows.analysis.io.zarr_trajectory import Trajectory
from interphase_flows.exceptions import AnalysisError, StorageError


class CampaignRun:
    """Frames of one segment.

    Parameters
    ----------
    path
        Packed file or folder.
    options
        Options of time are compared with the times in the file.

    Raises
    ------
    AnalysisError
        The file is damaged, or has no frame.
    """

    time_option: TimeOption | None = None
    unwrapped_by: str | None = "displacements since the start of the segment"

    @staticmethod
    def recognises(path: Path, head: bytes) -> bool:
        """Return whether a path is a folder or a zip archive."""
        return path.is_dir() or head.startswith(b"PK\x03\x04")

    def __init__(self, path: Path, options: ReaderOptions) -> None:
        self.path = path
        self.repairs: list[str] = []
        self.cells = CellTracker(path, self.repairs)
        try:
            self._trajectory = Trajectory(path)
        except StorageError as error:
            raise AnalysisError(str(error)) from error
        try:
            self._open(options)
        except StorageError as error:
            self.close()
            raise AnalysisError(str(error)) from error
        except AnalysisError:
            self.close()
            raise

    def _open(self, options: ReaderOptions) -> None:
        trajectory = self._trajectory
        if trajectory.n_frames == 0:
            raise AnalysisError(f"{self.path} contains no frame: the segment stopped before it wrote one")
        self.numbers = np.asarray(trajectory.numbers, dtype=np.int64)
        self.periodic = trajectory.pbc
        self.time_fs = np.asarray(trajectory.time_fs, dtype=float)
        self._cells = np.asarray(trajectory.cell)
        check_times(
            self.time_fs,
            np.asarray(trajectory.step),
            time_step_fs=options.time_step_fs,
            frame_interval_fs=options.frame_interval_fs,
            path=self.path,
        )
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

    def close(self) -> None:
        """Close the file."""
        self._trajectory.close()
