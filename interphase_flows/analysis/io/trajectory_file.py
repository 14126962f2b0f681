"""A trajectory of any format as the analyses ask for it: unwrapped, checked frame by frame."""

from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.io.cells import CellTrack
from interphase_flows.analysis.io.unwrapping import Unwrapper
from interphase_flows.exceptions import AnalysisError


class RawFrames(Protocol):
    """What a format supplies: frames as they are in the file, atoms in one order."""

    path: Path
    numbers: IntArray
    """Atomic numbers, (n_atoms,)."""
    time_fs: FloatArray
    """(n_frames,), fs."""
    periodic: BoolArray
    """Along which of the vectors a, b, c the cell repeats, (3,)."""
    unwrapped_by: str | None
    """What in the file says that positions are unwrapped; None if nothing does."""
    repairs: list[str]
    cells: CellTrack
    """Has followed the cell through all frames."""

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å from the cell's corner, (n_atoms, 3)."""

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""

    def close(self) -> None:
        """Close the file."""


class TrajectoryFile:
    """Frames of a file, unwrapped: a `FrameSource`.

    Nothing but one frame and an index is held in memory. Wrapped files are read in order: a frame farther on costs
    the reading of those before it.

    Parameters
    ----------
    raw
        The file's reader.
    wrapped
        Whether positions are put back into the cell. None: what the format says; if it says nothing, steps are taken
        to be shorter than half a cell, which leaves unwrapped positions as they are.
    """

    def __init__(self, raw: RawFrames, *, wrapped: bool | None = None) -> None:
        if wrapped and raw.unwrapped_by is not None:
            raise AnalysisError(
                f"{raw.path} says by {raw.unwrapped_by} how atoms are unwrapped; leave wrapped=True out"
            )
        self._raw = raw
        self._unwrapper: Unwrapper | None = None
        if raw.unwrapped_by is not None:
            self.unwrapping = f"in the file, by {raw.unwrapped_by}"
        elif wrapped is False:
            self.unwrapping = "in the file, by the caller's word"
        else:
            self.unwrapping = "smallest steps between consecutive frames"
            self._unwrapper = Unwrapper(raw.path, self.n_frames, raw.periodic, self._checked)

    @property
    def path(self) -> Path:
        """The file."""
        return self._raw.path

    @property
    def repairs(self) -> tuple[str, ...]:
        """What was wrong with the file and how it was mended, in words."""
        return tuple(self._raw.repairs)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self._raw.time_fs)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self._raw.numbers)

    @property
    def numbers(self) -> NDArray[np.integer]:
        """Atomic numbers, (n_atoms,)."""
        return self._raw.numbers

    @property
    def time_fs(self) -> NDArray[np.floating]:
        """Time of each frame in fs, (n_frames,)."""
        return self._raw.time_fs

    def positions(self, frame: int, /) -> FloatArray:
        """Return unwrapped positions in Å, (n_atoms, 3).

        Raises
        ------
        AnalysisError
            The frame is damaged, or cannot be unwrapped.
        """
        frame = range(self.n_frames)[frame]
        if self._unwrapper is not None:
            return self._unwrapper.positions(frame)
        return self._checked(frame)[0]

    def cell(self, frame: int, /) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        frame = range(self.n_frames)[frame]
        return self._raw.cells.in_first_setting(frame, self._raw.cell(frame))

    def _checked(self, frame: int) -> tuple[FloatArray, FloatArray]:
        positions = np.asarray(self._raw.positions(frame), dtype=float)
        finite = np.isfinite(positions).all(axis=1)
        if not finite.all():
            raise AnalysisError(
                f"{self.path}: atom {int(np.flatnonzero(~finite)[0])} of frame {frame} has a position that is no "
                f"number ({int((~finite).sum())} atoms do): the run broke or the file is damaged; end the trajectory "
                "before it"
            )
        return positions, self.cell(frame)

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    def __enter__(self) -> "TrajectoryFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
