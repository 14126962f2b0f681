"""ASE's .traj: frames in a binary file with an index of its own, read by ASE.

A file that ASE was killed over holds the frames that its index names. Dynamics by ASE do not wrap.
"""

from pathlib import Path

import numpy as np
from ase.io import ulm
from ase.io.trajectory import TrajectoryReader

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.io.cells import CellTrack
from interphase_flows.analysis.io.species import same_atoms
from interphase_flows.analysis.io.timestamps import agrees_with_file, increasing, times_of_frames
from interphase_flows.exceptions import AnalysisError

DAMAGE = (OSError, ValueError, KeyError, IndexError, AttributeError, TypeError, EOFError, AssertionError)


class AseTraj:
    """Frames of a .traj.

    Parameters
    ----------
    path
        The file.
    frame_interval_fs
        Time between two frames in fs; not needed where frames have ``time_fs`` in their info.

    Raises
    ------
    AnalysisError
        What is missing or wrong, with the frame and the mend.
    """

    unwrapped_by: str | None = None

    def __init__(self, path: Path, *, frame_interval_fs: float | None) -> None:
        self.path = path
        self.repairs: list[str] = []
        self.cells = CellTrack(path, self.repairs)
        try:
            self._reader = TrajectoryReader(str(path))
            n_stored = len(self._reader)
        except (*DAMAGE, ulm.InvalidULMFileError) as error:
            raise AnalysisError(
                f"{path} cannot be opened as ASE's trajectory ({error}): its index is cut off or damaged; copy the "
                "file again"
            ) from error
        try:
            self._open(n_stored, frame_interval_fs)
        except AnalysisError:
            self.close()
            raise

    def _open(self, n_stored: int, frame_interval_fs: float | None) -> None:
        self._stored = self._readable(n_stored)
        if not self._stored:
            raise AnalysisError(f"{self.path} holds no whole frame: the run stopped before it wrote one")
        self.numbers = np.asarray(self._reader[0].numbers, dtype=np.int64)
        self.periodic = np.asarray(self._reader[0].pbc, dtype=bool)
        times = self._follow()
        if len(times) == len(self._stored):
            self.time_fs = np.array(times)
            agrees_with_file(
                self.time_fs, None, time_step_fs=None, frame_interval_fs=frame_interval_fs, path=self.path
            )
        else:
            self.time_fs = times_of_frames(len(self._stored), frame_interval_fs, self.path)

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å, (n_atoms, 3)."""
        try:
            atoms = self._reader[self._stored[frame]]
        except DAMAGE as error:
            raise AnalysisError(f"{self.path}: frame {frame} cannot be read ({error}): damaged") from error
        same_atoms(atoms.numbers, self.numbers, path=self.path, frame=frame, mend="write atoms in one order")
        return np.asarray(atoms.positions)

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return np.asarray(self._reader.backend[self._stored[frame]].cell, dtype=float)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _readable(self, n_stored: int) -> list[int]:
        """Return the frames up to the last one that can be read."""
        n_whole = n_stored
        while n_whole > 0:
            try:
                self._reader[n_whole - 1]
                break
            except DAMAGE:
                n_whole -= 1
        if n_whole < n_stored:
            self.repairs.append(
                f"frame {n_whole} of {n_stored} and those after it are cut short and left out"
            )
        return list(range(n_whole))

    def _follow(self) -> list[float]:
        """Look at every frame's cell and time, not at its positions; leave out what is there twice."""
        times: list[float] = []
        kept: list[int] = []
        for stored in self._stored:
            frame = len(kept)
            item = self._reader.backend[stored]
            info = item.info if "info" in item else {}
            if "time_fs" in info and len(times) == frame:
                time_fs = float(info["time_fs"])
                if not increasing(times, time_fs, path=self.path, frame=frame, word="time_fs"):
                    self.repairs.append(
                        f"a second frame at {time_fs:g} fs, after frame {frame - 1}, is left out"
                    )
                    continue
                times.append(time_fs)
            self.cells.follow(frame, item.cell)
            kept.append(stored)
        self._stored = kept
        return times
