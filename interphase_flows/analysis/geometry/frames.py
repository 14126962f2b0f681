"""Trajectories as sources of frames, the input of every analysis.

Analyses stream: they read one frame at a time and keep reduced quantities only, so a trajectory need not fit in memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.exceptions import AnalysisError


class FrameSource(Protocol):
    """A trajectory with random access to its frames.

    Positions are *unwrapped*: coordinates continue beyond the cell, so that displacements are differences of positions.
    Rows of the cell are the lattice vectors a, b and c.
    """

    @property
    def n_frames(self) -> int:
        """Number of frames."""

    @property
    def n_atoms(self) -> int:
        """Number of atoms, the same in every frame."""

    @property
    def numbers(self) -> NDArray[np.integer]:
        """Atomic numbers, (n_atoms,)."""

    @property
    def time_fs(self) -> NDArray[np.floating]:
        """Time of each frame in fs, (n_frames,)."""

    def positions(self, frame: int, /) -> NDArray[np.floating]:
        """Return unwrapped positions in Å, (n_atoms, 3)."""

    def cell(self, frame: int, /) -> NDArray[np.floating]:
        """Return lattice vectors in Å as rows, (3, 3)."""


@dataclass(frozen=True)
class ArrayFrames:
    """Trajectory in memory, for short trajectories and tests.

    Parameters
    ----------
    numbers
        Atomic numbers, (n_atoms,).
    time_fs
        Time of each frame in fs, (n_frames,).
    all_positions
        Unwrapped positions in Å, (n_frames, n_atoms, 3).
    cells
        Lattice vectors in Å: (3, 3) when constant, else (n_frames, 3, 3).

    Raises
    ------
    AnalysisError
        The shapes of the arrays are inconsistent.
    """

    numbers: NDArray[np.integer]
    time_fs: FloatArray
    all_positions: FloatArray
    cells: FloatArray

    def __post_init__(self) -> None:
        expected = (len(self.time_fs), len(self.numbers), 3)
        if np.shape(self.all_positions) != expected:
            raise AnalysisError(
                f"positions have the shape {np.shape(self.all_positions)}, but {expected[0]} times and "
                f"{expected[1]} atomic numbers need {expected}; pass (n_frames, n_atoms, 3)"
            )
        if np.shape(self.cells) not in {(3, 3), (expected[0], 3, 3)}:
            raise AnalysisError(
                f"cells have the shape {np.shape(self.cells)}; pass (3, 3), or ({expected[0]}, 3, 3) for one per frame"
            )

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.time_fs)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    def positions(self, frame: int, /) -> FloatArray:
        """Return unwrapped positions in Å, (n_atoms, 3)."""
        return self.all_positions[frame]

    def cell(self, frame: int, /) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return self.cells if self.cells.ndim == 2 else self.cells[frame]


def numbers_of(symbols: Iterable[str]) -> list[int]:
    """Return the atomic numbers of chemical symbols, in their order.

    Raises
    ------
    AnalysisError
        A symbol is not a chemical element.
    """
    wanted = list(symbols)
    unknown = sorted(symbol for symbol in wanted if symbol not in atomic_numbers)
    if unknown:
        raise AnalysisError(f"{', '.join(unknown)}: not a chemical element; write symbols such as Li, P, S")
    return [atomic_numbers[symbol] for symbol in wanted]


def mask_of(numbers: NDArray[np.integer], symbols: Iterable[str]) -> BoolArray:
    """Return which atoms are of the given elements, (n_atoms,).

    Raises
    ------
    AnalysisError
        A symbol is not a chemical element.
    """
    # a lookup table is several times as fast as np.isin, and this runs for every frame
    is_wanted = np.zeros(len(chemical_symbols), dtype=bool)
    is_wanted[numbers_of(symbols)] = True
    return is_wanted[numbers]


def require_frames(frames: FrameSource) -> None:
    """Raise AnalysisError for a trajectory without frames or without atoms."""
    if frames.n_frames == 0 or frames.n_atoms == 0:
        raise AnalysisError(
            f"the trajectory has {frames.n_frames} frames of {frames.n_atoms} atoms: nothing to analyse. "
            "Hint: check that the run wrote frames before it stopped"
        )


def chosen_frames(frames: FrameSource, every: int) -> list[int]:
    """Return the indices of every n-th frame and of the last frame.

    Raises
    ------
    AnalysisError
        The trajectory is empty, or `every` is below 1.
    """
    require_frames(frames)
    if every < 1:
        raise AnalysisError(f"every = {every}: the stride between frames must be 1 or more")
    indices = list(range(0, frames.n_frames, every))
    return indices if indices[-1] == frames.n_frames - 1 else [*indices, frames.n_frames - 1]


def elements_of(frames: FrameSource) -> tuple[str, ...]:
    """Return the chemical symbols of a trajectory by atomic number."""
    return tuple(chemical_symbols[number] for number in np.flatnonzero(np.bincount(frames.numbers)))
