"""Reader of ASE trajectories (.traj).

A file of a killed run contains the frames of its index. ASE dynamics do not wrap positions.
"""

from pathlib import Path

import numpy as np
from ase.io import ulm
from ase.io.trajectory import TrajectoryReader

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.io.reader import Reader
from interphase_flows.analysis.io.species import check_same_atoms
from interphase_flows.exceptions import AnalysisError

READ_ERRORS = (OSError, ValueError, KeyError, IndexError, AttributeError, TypeError, EOFError, AssertionError)


class AseTraj(Reader):
    """Frames of a .traj.

    ``frame_interval_fs`` is required unless frames have ``time_fs`` in their info.
    """

    time_option = "frame_interval_fs"

    @staticmethod
    def recognises(path: Path, head: bytes) -> bool:
        """Return whether a file is in ASE's ULM format."""
        return head.startswith(b"- of Ulm")

    def open(self) -> None:
        """Index the frames."""
        try:
            self._reader = self.resources.enter_context(TrajectoryReader(str(self.path)))
            n_stored = len(self._reader)
        except (*READ_ERRORS, ulm.InvalidULMFileError) as error:
            raise AnalysisError(
                f"{self.path}: cannot be opened as an ASE trajectory ({error}): its index is truncated or damaged. "
                "Hint: copy the file again."
            ) from error
        self._stored = list(range(self._n_readable(n_stored)))
        self.require_frames(len(self._stored))
        self.numbers = np.asarray(self._reader[0].numbers, dtype=np.int64)
        self.periodic = np.asarray(self._reader[0].pbc, dtype=bool)
        times = self._scan()
        self.time_fs = self.times_in_file(times, len(self._stored))

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å, (n_atoms, 3)."""
        try:
            atoms = self._reader[self._stored[frame]]
        except READ_ERRORS as error:
            raise AnalysisError(f"{self.path}: frame {frame} is damaged ({error})") from error
        check_same_atoms(atoms.numbers, self.numbers, path=self.path, frame=frame, hint="write atoms in one order")
        return np.asarray(atoms.positions)

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return np.asarray(self._reader.backend[self._stored[frame]].cell, dtype=float)

    def _n_readable(self, n_stored: int) -> int:
        """Return the number of frames up to the last readable one."""
        n_readable = n_stored
        while n_readable > 0:
            try:
                self._reader[n_readable - 1]
                break
            except READ_ERRORS:
                n_readable -= 1
        if n_readable < n_stored:
            self.repairs.append(f"frames {n_readable} to {n_stored - 1} are incomplete and were left out")
        return n_readable

    def _scan(self) -> list[float]:
        """Read the cell and time of every frame, drop repeated frames, and return the times."""
        times: list[float] = []
        kept: list[int] = []
        for stored in self._stored:
            frame = len(kept)
            item = self._reader.backend[stored]
            info = item.info if "info" in item else {}
            has_time = "time_fs" in info and len(times) == frame
            if has_time and self.is_repeated(times, float(info["time_fs"]), "time_fs"):
                continue
            self.cells.add(frame, item.cell)
            kept.append(stored)
        self._stored = kept
        return times
