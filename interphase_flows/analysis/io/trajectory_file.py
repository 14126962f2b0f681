"""Trajectory file of any format, unwrapped and checked frame by frame."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.io.cells import CellTracker
from interphase_flows.analysis.io.unwrapping import Unwrapper
from interphase_flows.exceptions import AnalysisError

TimeOption = Literal["time_step_fs", "frame_interval_fs"]


@dataclass(frozen=True)
class ReaderOptions:
    """What a file may not contain; see `open_trajectory`."""

    time_step_fs: float | None = None
    frame_interval_fs: float | None = None
    elements: Mapping[int, str] | None = None


class RawFrames(Protocol):
    """Frames as they are in a file, with the atoms in one order. A reader implements this protocol."""

    path: Path
    numbers: IntArray
    """Atomic numbers, (n_atoms,)."""
    time_fs: FloatArray
    """(n_frames,), fs."""
    periodic: BoolArray
    """Whether the cell is periodic along the vectors a, b, c, (3,)."""
    unwrapped_by: str | None
    """The data in the file that unwrap the positions; None if there are none."""
    repairs: list[str]
    """What was repaired, one sentence each."""
    cells: CellTracker
    """Contains the cells of all frames."""

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å from the origin of the cell, (n_atoms, 3)."""

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""

    def close(self) -> None:
        """Close the file."""


class Reader(RawFrames, Protocol):
    """A trajectory format: recognise a file by its content, then read its frames."""

    time_option: TimeOption | None
    """The only option of time that the format accepts; None if it accepts both."""

    def __init__(self, path: Path, options: ReaderOptions) -> None: ...

    @staticmethod
    def recognises(path: Path, head: bytes) -> bool:
        """Return whether a file has this format, from its first 64 kB (empty for a folder)."""


class TrajectoryFile:
    """Unwrapped frames of a file: a `FrameSource`.

    Memory holds one frame and an index. Frames that are unwrapped by steps are read in order: a later frame requires
    reading those before it.

    Parameters
    ----------
    raw
        The reader of the file.
    wrapped
        Whether positions are wrapped into the cell. If None, as the format states; if it does not, steps are assumed
        to be shorter than half a cell, which leaves unwrapped positions unchanged.
    """

    def __init__(self, raw: RawFrames, *, wrapped: bool | None = None) -> None:
        if wrapped and raw.unwrapped_by is not None:
            raise AnalysisError(
                f"{raw.path}: wrapped=True contradicts the file, which is unwrapped by {raw.unwrapped_by}. "
                "Hint: leave wrapped=True out."
            )
        self._raw = raw
        self._unwrapper: Unwrapper | None = None
        if raw.unwrapped_by is not None:
            self.unwrapping = f"from the file: {raw.unwrapped_by}"
        elif wrapped is False:
            self.unwrapping = "none: wrapped=False"
        else:
            self.unwrapping = "minimum-image steps between consecutive frames"
            self._unwrapper = Unwrapper(raw.path, self.n_frames, raw.periodic, self._read_checked)

    @property
    def path(self) -> Path:
        """The file."""
        return self._raw.path

    @property
    def repairs(self) -> tuple[str, ...]:
        """What was wrong with the file and how it was repaired, one sentence each."""
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
        return self._read_checked(frame)[0]

    def cell(self, frame: int, /) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        frame = range(self.n_frames)[frame]
        return self._raw.cells.in_first_setting(frame, self._raw.cell(frame))

    def _read_checked(self, frame: int) -> tuple[FloatArray, FloatArray]:
        positions = np.asarray(self._raw.positions(frame), dtype=float)
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
        self._raw.close()

    def __enter__(self) -> "TrajectoryFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
