"""Base class of the readers of trajectory formats."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.geometry.neighbours import fractional
from interphase_flows.analysis.io.cells import CellTracker
from interphase_flows.analysis.io.frame_labels import FrameLabels, select_frames
from interphase_flows.analysis.io.timestamps import check_increasing, check_times, times_of_frames
from interphase_flows.exceptions import AnalysisError

TimeOption = Literal["time_step_fs", "frame_interval_fs"]
READ_ERRORS = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError, SyntaxError, TypeError,
    ValueError,
)  # fmt: skip
"""Errors of parsers on damaged files; `open_trajectory` turns them into an AnalysisError."""


@dataclass(frozen=True)
class ReaderOptions:
    """Data that a file may not contain; see `open_trajectory`."""

    time_step_fs: float | None = None
    frame_interval_fs: float | None = None
    elements: Mapping[int, str] | None = None


class Reader(ABC):
    """A trajectory format: recognise a file by its content, then read its raw frames with the atoms in one order.

    `open` sets ``numbers``, ``periodic`` and ``unwrapped_by``, adds the cell of every stored frame to ``cells``, and its
    step and time to ``labels``, from which the base class determines ``time_fs``; a format with its own times sets
    ``time_fs`` instead. Files to close go into ``resources``.
    """

    time_option: ClassVar[TimeOption | None] = None
    """The only option of time that the format accepts; None if it accepts both."""
    joinable: ClassVar[bool] = False
    """Whether files of the format that are concatenated make a trajectory."""

    numbers: IntArray
    """Atomic numbers, (n_atoms,)."""
    time_fs: FloatArray
    """(n_frames,), fs."""
    periodic: BoolArray
    """Whether the cell is periodic along the vectors a, b, c, (3,)."""
    unwrapped_by: str | None = None
    """The data in the file that unwrap the positions; None if there are none."""

    def __init__(self, path: Path, options: ReaderOptions, source: Path | None = None) -> None:
        self.path = path
        """Path that the user gave, for messages."""
        self.source = path if source is None else source
        """File to read: the same, or its decompressed or joined copy."""
        self.options = options
        self.repairs: list[str] = []
        self.cells = CellTracker(path, self.repairs)
        self.labels = FrameLabels()
        self.stored_frames: list[int] | None = None
        """Stored frames without repeated ones; None for all."""
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
        """Return positions of a stored frame in Å from the origin of the cell, (n_atoms, 3)."""

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

    def resolve_times(self) -> None:
        """Leave out repeated frames and set ``time_fs``, from the labels of the stored frames and the options."""
        if self.labels.steps:
            self.stored_frames, self.time_fs = select_frames(
                self.labels,
                self.options,
                path=self.path,
                displacement_angstrom=self._displacement_angstrom,
                is_identical=self.is_identical,
                repairs=self.repairs,
            )
        check_increasing(self.time_fs, self.path)

    def is_identical(self, first: int, second: int) -> bool:
        """Return whether two stored frames have the same positions and cell."""
        return np.array_equal(self.positions(first), self.positions(second)) and np.array_equal(
            self.cell(first), self.cell(second)
        )

    def _displacement_angstrom(self, first: int, second: int) -> float:
        """Return the largest displacement of an atom between two stored frames, modulo lattice vectors."""
        cell = self.cell(second)
        step = fractional(self.positions(second) - self.positions(first), cell)
        step -= np.rint(step)
        return float(np.linalg.norm(step @ cell, axis=1).max(initial=0.0))

    def times_in_file(self, times: list[float], n_frames: int) -> FloatArray:
        """Return the times in the file if every frame has one, else those of a constant interval."""
        if len(times) < n_frames:
            return times_of_frames(n_frames, self.options.frame_interval_fs, self.path)
        time_fs: FloatArray = np.array(times)
        check_times(time_fs, None, None, self.options.frame_interval_fs, self.path)
        return time_fs
