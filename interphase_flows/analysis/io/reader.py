"""Base class of the readers of trajectory formats."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.io.cells import CellTracker
from interphase_flows.analysis.io.timestamps import check_times, times_of_frames
from interphase_flows.exceptions import AnalysisError

TimeOption = Literal["time_step_fs", "frame_interval_fs"]


@dataclass(frozen=True)
class ReaderOptions:
    """Data that a file may not contain; see `open_trajectory`."""

    time_step_fs: float | None = None
    frame_interval_fs: float | None = None
    elements: Mapping[int, str] | None = None


class Reader(ABC):
    """A trajectory format: recognise a file by its content, then read its raw frames with the atoms in one order.

    `open` sets ``numbers``, ``time_fs``, ``periodic`` and ``unwrapped_by``, and adds the cell of every frame to
    ``cells``. Files to close go into ``resources``.
    """

    time_option: ClassVar[TimeOption | None] = None
    """The only option of time that the format accepts; None if it accepts both."""

    numbers: IntArray
    """Atomic numbers, (n_atoms,)."""
    time_fs: FloatArray
    """(n_frames,), fs."""
    periodic: BoolArray
    """Whether the cell is periodic along the vectors a, b, c, (3,)."""
    unwrapped_by: str | None = None
    """The data in the file that unwrap the positions; None if there are none."""

    def __init__(self, path: Path, options: ReaderOptions) -> None:
        self.path = path
        self.options = options
        self.repairs: list[str] = []
        self.cells = CellTracker(path, self.repairs)
        self.resources = ExitStack()

    @staticmethod
    @abstractmethod
    def recognises(path: Path, head: bytes) -> bool:
        """Return whether a file has this format, from its first 64 kB (empty for a folder)."""

    @abstractmethod
    def open(self) -> None:
        """Index the frames.

        Raises AnalysisError if a required option is missing, or the file is damaged; the message names the frame and
        a hint.
        """

    @abstractmethod
    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å from the origin of the cell, (n_atoms, 3)."""

    @abstractmethod
    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""

    def close(self) -> None:
        """Close the file."""
        self.resources.close()

    def require_frames(self, n_frames: int) -> None:
        """Raise AnalysisError if there is no complete frame."""
        if n_frames == 0:
            raise AnalysisError(f"{self.path} contains no complete frame. Hint: check the log of the run.")

    def is_repeated(self, earlier: list[float], value: float, name: str) -> bool:
        """Return whether a frame repeats the step or time of the last one, as restarts write it; else append it.

        Raises AnalysisError if the step or time decreases.
        """
        frame = len(earlier)
        if not earlier or value > earlier[-1]:
            earlier.append(value)
            return False
        if value < earlier[-1]:
            raise AnalysisError(
                f"{self.path}: frame {frame}: {name} decreases from {earlier[-1]:g} to {value:g}: two runs in one file, "
                "or a restart from an earlier step. Hint: split the file there and remove repeated frames."
            )
        self.repairs.append(f"a repeated frame after frame {frame - 1} ({name} {value:g}) was left out")
        return True

    def times_in_file(self, times: list[float], n_frames: int) -> FloatArray:
        """Return the times in the file if every frame has one, else those of a constant interval."""
        if len(times) < n_frames:
            return times_of_frames(n_frames, self.options.frame_interval_fs, self.path)
        time_fs: FloatArray = np.array(times)
        check_times(time_fs, None, None, self.options.frame_interval_fs, self.path)
        return time_fs
