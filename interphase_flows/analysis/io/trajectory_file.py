"""Trajectory file of any format, unwrapped and checked frame by frame."""

from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.io.reader import Reader
from interphase_flows.analysis.io.unwrapping import Unwrapper
from interphase_flows.exceptions import AnalysisError


class TrajectoryFile(AbstractContextManager["TrajectoryFile"]):
    """Unwrapped frames of a file: a `FrameSource`.

    Memory holds one frame and an index. Frames that are unwrapped by steps are read in order: a later frame requires
    reading those before it. `wrapped` is that of `open_trajectory`.
    """

    def __init__(self, reader: Reader, *, wrapped: bool | None = None) -> None:
        if wrapped and reader.unwrapped_by is not None:
            raise AnalysisError(
                f"{reader.path}: wrapped=True contradicts the file, which is unwrapped by {reader.unwrapped_by}. "
                "Hint: leave wrapped=True out."
            )
        self._reader = reader
        self.path = reader.path
        self.repairs = tuple(reader.repairs)
        """Problems of the file and their repairs, one sentence each."""
        self.numbers: NDArray[np.integer] = reader.numbers
        self.time_fs: NDArray[np.floating] = reader.time_fs
        self.n_frames, self.n_atoms = len(reader.time_fs), len(reader.numbers)
        self._unwrapper: Unwrapper | None = None
        if reader.unwrapped_by is not None:
            self.unwrapping = f"from the file: {reader.unwrapped_by}"
        elif wrapped is False:
            self.unwrapping = "none: wrapped=False"
        else:
            self.unwrapping = "minimum-image steps between consecutive frames"
            self._unwrapper = Unwrapper(reader.path, self.n_frames, reader.periodic, self._read_checked)

    def positions(self, frame: int, /) -> FloatArray:
        """Return unwrapped positions in Å, (n_atoms, 3).

        Raises AnalysisError if the frame is damaged, or cannot be unwrapped.
        """
        frame = range(self.n_frames)[frame]
        if self._unwrapper is not None:
            return self._unwrapper.positions(frame)
        return self._read_checked(frame)[0]

    def cell(self, frame: int, /) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        frame = range(self.n_frames)[frame]
        return self._reader.cells.in_first_setting(frame, self._reader.cell(frame))

    def _read_checked(self, frame: int) -> tuple[FloatArray, FloatArray]:
        positions = np.asarray(self._reader.positions(frame), dtype=float)
        finite = np.isfinite(positions).all(axis=1)
        if not finite.all():
            raise AnalysisError(
                f"{self.path}: frame {frame}: the position of atom {int(np.flatnonzero(~finite)[0])} is not a number "
                f"({int((~finite).sum())} such atoms): the run diverged or the file is damaged. Hint: end the trajectory "
                "before this frame."
            )
        return positions, self.cell(frame)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __exit__(self, *exception: object) -> None:
        self.close()
