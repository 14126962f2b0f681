"""Reader of ASE trajectories (.traj).

A file of a killed run contains the frames of its index. ASE dynamics do not wrap positions.
"""

from pathlib import Path

import numpy as np
from ase.io import ulm
from ase.io.trajectory import TrajectoryReader

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.io.cells import CellTracker
from interphase_flows.analysis.io.species import check_same_atoms
from interphase_flows.analysis.io.timestamps import check_times, is_new_frame, times_of_frames
from interphase_flows.analysis.io.trajectory_file import ReaderOptions, TimeOption
from interphase_flows.exceptions import AnalysisError

READ_ERRORS = (OSError, ValueError, KeyError, IndexError, AttributeError, TypeError, EOFError, AssertionError)


class AseTraj:
    """Frames of a .traj.

    Parameters
    ----------
    path
        The file.
    options
        ``frame_interval_fs`` is required unless frames have ``time_fs`` in their info.

    Raises
    ------
    AnalysisError
        An option is missing, or the file is damaged; the message names the frame and a hint.
    """

    time_option: TimeOption | None = "frame_interval_fs"
    unwrapped_by: str | None = None

    @staticmethod
    def recognises(path: Path, head: bytes) -> bool:
        """Return whether a file is in ASE's ULM format."""
        return head.startswith(b"- of Ulm")

    def __init__(self, path: Path, options: ReaderOptions) -> None:
        self.path = path
        self.repairs: list[str] = []
        self.cells = CellTracker(path, self.repairs)
        try:
            self._reader = TrajectoryReader(str(path))
            n_stored = len(self._reader)
        except (*READ_ERRORS, ulm.InvalidULMFileError) as error:
            raise AnalysisError(
                f"{path}: cannot be opened as an ASE trajectory ({error}): its index is truncated or damaged. "
                "Hint: copy the file again."
            ) from error
        try:
            self._open(n_stored, options.frame_interval_fs)
        except AnalysisError:
            self.close()
            raise

    def _open(self, n_stored: int, frame_interval_fs: float | None) -> None:
        self._stored = self._readable(n_stored)
        if not self._stored:
            raise AnalysisError(f"{self.path} contains no complete frame. Hint: check the log of the run.")
        self.numbers = np.asarray(self._reader[0].numbers, dtype=np.int64)
        self.periodic = np.asarray(self._reader[0].pbc, dtype=bool)
        times = self._scan()
        if len(times) == len(self._stored):
            self.time_fs = np.array(times)
            check_times(
                self.time_fs, None, time_step_fs=None, frame_interval_fs=frame_interval_fs, path=self.path
            )
        else:
            self.time_fs = times_of_frames(len(self._stored), frame_interval_fs, self.path)

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å, (n_atoms, 3)."""
        try:
            atoms = self._reader[self._stored[frame]]
        except READ_ERRORS as error:
            raise AnalysisError(f"{self.path}: frame {frame} is damaged ({error})") from error
        check_same_atoms(
            atoms.numbers, self.numbers, path=self.path, frame=frame, hint="write atoms in one order"
        )
        return np.asarray(atoms.positions)

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return np.asarray(self._reader.backend[self._stored[frame]].cell, dtype=float)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _readable(self, n_stored: int) -> list[int]:
        """Return the indices of the frames up to the last readable one."""
        n_readable = n_stored
        while n_readable > 0:
            try:
                self._reader[n_readable - 1]
                break
            except READ_ERRORS:
                n_readable -= 1
        if n_readable < n_stored:
            self.repairs.append(f"frames {n_readable} to {n_stored - 1} are incomplete and were left out")
        return list(range(n_readable))

    def _scan(self) -> list[float]:
        """Read the cell and time of every frame, drop repeated frames, and return the times."""
        times: list[float] = []
        kept: list[int] = []
        for stored in self._stored:
            frame = len(kept)
            item = self._reader.backend[stored]
            info = item.info if "info" in item else {}
            if "time_fs" in info and len(times) == frame:
                time_fs = float(info["time_fs"])
                if not is_new_frame(times, time_fs, path=self.path, frame=frame, name="time_fs"):
                    self.repairs.append(
                        f"a repeated frame at {time_fs:g} fs, after frame {frame - 1}, was left out"
                    )
                    continue
                times.append(time_fs)
            self.cells.add(frame, item.cell)
            kept.append(stored)
        self._stored = kept
        return times
