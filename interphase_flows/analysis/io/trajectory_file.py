"""Trajectory file of any format, unwrapped and checked frame by frame."""

from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.io.reader import READ_ERRORS, Reader
from interphase_flows.analysis.io.unwrapping import Unwrapper
from interphase_flows.exceptions import AnalysisError

LARGEST_COORDINATE_ANGSTROM = 1e6
"""Larger coordinates are damaged numbers, or of atoms that were lost."""
LARGEST_ATOMIC_NUMBER = 118


class TrajectoryFile(AbstractContextManager["TrajectoryFile"]):
    """Unwrapped frames of a file: a `FrameSource`.

    Memory holds one frame and an index. Frames that are unwrapped by steps are read in order: a later frame requires
    reading those before it. `wrapped` is that of `open_trajectory`.
    """

    def __init__(self, reader: Reader, *, wrapped: bool | None = None) -> None:
        if wrapped and reader.unwrapped_by is not None:
            raise AnalysisError(
                f"{reader.path}: wrapped=True contradicts the file, which is unwrapped by {reader.unwrapped_by}. "
                "Hint: leave wrapped=True (--wrapped) out."
            )
        dummies = np.flatnonzero((reader.numbers < 1) | (reader.numbers > LARGEST_ATOMIC_NUMBER))
        if len(reader.numbers) == 0 or len(dummies):
            wrong = (
                f"atom {dummies[0]} has the atomic number {reader.numbers[dummies[0]]}" if len(dummies) else "no atoms"
            )
            raise AnalysisError(
                f"{reader.path}: {wrong}; every atom must be a chemical element. Hint: remove dummy atoms from the file."
            )
        self._reader = reader
        self.path = reader.path
        self.repairs = tuple(reader.repairs)
        """Problems of the file and their repairs, one sentence each."""
        self.numbers: NDArray[np.integer] = reader.numbers
        self.time_fs: NDArray[np.floating] = reader.time_fs
        self._stored = range(len(reader.time_fs)) if reader.stored_frames is None else reader.stored_frames
        self.n_frames, self.n_atoms = len(reader.time_fs), len(reader.numbers)
        self._unwrapper: Unwrapper | None = None
        if reader.unwrapped_by is not None:
            self.unwrapping = f"from the file: {reader.unwrapped_by}"
        elif wrapped is False:
            self.unwrapping = "none: wrapped=False"
        else:
            self.unwrapping = "minimum-image steps between consecutive frames"
            periodic = np.ones(3, dtype=bool) if wrapped else reader.periodic
            self._unwrapper = Unwrapper(reader.path, self.n_frames, periodic, self._read_checked)

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
        stored = self._stored[frame]
        try:
            return self._reader.cells.in_first_setting(stored, self._reader.cell(stored))
        except READ_ERRORS as error:
            raise self._damaged(stored, error) from error

    def _damaged(self, stored: int, error: BaseException) -> AnalysisError:
        return AnalysisError(
            f"{self.path}: frame {stored} is damaged ({type(error).__name__}: {error}). Hint: end the trajectory "
            "before it."
        )

    def _read_checked(self, frame: int) -> tuple[FloatArray, FloatArray]:
        stored = self._stored[frame]
        try:
            positions = np.asarray(self._reader.positions(stored), dtype=float)
        except READ_ERRORS as error:
            raise self._damaged(stored, error) from error
        if positions.shape != (self.n_atoms, 3):
            raise self._damaged(stored, ValueError(f"positions of the shape {positions.shape}"))
        finite = np.isfinite(positions).all(axis=1)
        if not finite.all():
            raise AnalysisError(
                f"{self.path}: frame {stored}: the position of atom {int(np.flatnonzero(~finite)[0])} is not a number "
                f"({int((~finite).sum())} such atoms): the run diverged or the file is damaged. Hint: end the trajectory "
                "before this frame."
            )
        if np.abs(positions).max() > LARGEST_COORDINATE_ANGSTROM:
            atom = int(np.abs(positions).max(axis=1).argmax())
            raise AnalysisError(
                f"{self.path}: frame {stored}: atom {atom} is at {np.abs(positions[atom]).max():.3g} Å: the run "
                "diverged or a number is damaged. Hint: end the trajectory before this frame."
            )
        return positions, self.cell(frame)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __exit__(self, *exception: object) -> None:
        self.close()
