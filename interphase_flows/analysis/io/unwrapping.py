"""Unwrap positions by minimum-image steps in fractional coordinates.

Between consecutive frames every atom takes the shortest step along each periodic vector; image flags count the cells
that it crossed. In fractional coordinates this is right in any triclinic cell, however skewed, as long as no atom moves
half a cell between two frames, and it leaves unwrapped input unchanged. In cells that change, atoms keep their image
flags, as in LAMMPS; on diffusion over many cell lengths in fluctuating cells see von Bülow, Bullerjahn and Hummer,
J. Chem. Phys. 153, 021101 (2020).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.analysis.geometry.neighbours import fractional
from interphase_flows.exceptions import AnalysisError

LARGEST_STEP = 0.45
"""Largest step between two frames in fractions of the cell; near one half the direction is ambiguous."""
N_KEYFRAMES = 16


class Unwrapper:
    """Unwrap frames in order; image flags of some frames are kept so that going back does not start at frame 0.

    `periodic` is whether positions are wrapped along a, b, c; `read` returns positions, (n_atoms, 3), and cell of a
    frame.
    """

    def __init__(
        self,
        path: Path,
        n_frames: int,
        periodic: BoolArray,
        read: Callable[[int], tuple[FloatArray, FloatArray]],
    ) -> None:
        self._path = path
        self._periodic = periodic
        self._read = read
        self._stride = max(1, -(-n_frames // N_KEYFRAMES))
        self._keyframes: dict[int, NDArray[np.int32]] = {}
        self._frame = -1
        self._images: NDArray[np.int32] = np.empty((0, 3), dtype=np.int32)
        self._fractions: FloatArray = np.empty((0, 3))

    def positions(self, frame: int) -> FloatArray:
        """Return unwrapped positions in Å, (n_atoms, 3).

        Raises AnalysisError if in this or an earlier frame an atom moves about half a cell.
        """
        self._rewind_to(frame)
        if self._frame == frame:
            positions, cell = self._read(frame)
        while self._frame < frame:
            positions, cell = self._step()
        return positions + self._images @ cell if self._images.any() else positions

    def _rewind_to(self, frame: int) -> None:
        known = max((k for k in self._keyframes if k <= frame), default=-1)
        if known <= self._frame <= frame:
            return
        if known >= 0:
            positions, cell = self._read(known)
            self._images = self._keyframes[known].copy()
            self._fractions = fractional(positions, cell) + self._images
        self._frame = known

    def _step(self) -> tuple[FloatArray, FloatArray]:
        """Advance by one frame; return its positions and cell as they are in the file."""
        frame = self._frame + 1
        positions, cell = self._read(frame)
        fractions = fractional(positions, cell)
        images = np.zeros(fractions.shape, dtype=np.int32) if frame == 0 else self._images.copy()
        if frame > 0:
            step = fractions + images - self._fractions
            crossed = np.where(self._periodic, np.rint(step), 0.0)
            self._check_steps(frame, step - crossed)
            images -= crossed.astype(np.int32)
        self._frame, self._images, self._fractions = frame, images, fractions + images
        if frame % self._stride == 0:
            self._keyframes[frame] = images.copy()
        return positions, cell

    def _check_steps(self, frame: int, step: FloatArray) -> None:
        length = np.abs(step)
        if length.max(initial=0.0) <= LARGEST_STEP:
            return
        atom, axis = np.unravel_index(int(length.argmax()), length.shape)
        if not self._periodic[axis]:
            raise AnalysisError(
                f"{self._path}: atom {atom} moves {length[atom, axis]:.2f} of the cell along {'abc'[axis]} between "
                f"frames {frame - 1} and {frame}, although the file states that the cell is not periodic in this "
                "direction: positions seem to be wrapped. Hint: if they are, pass wrapped=True (--wrapped), or "
                "correct pbc in the file; if they are not, wrapped=False (--not-wrapped)."
            )
        raise AnalysisError(
            f"{self._path}: atom {atom} moves {length[atom, axis]:.2f} of the cell along {'abc'[axis]} between frames "
            f"{frame - 1} and {frame}; a step of about half a cell cannot be unwrapped. Hint: write frames more often or "
            "with image flags; if positions are not wrapped, pass wrapped=False (--not-wrapped)."
        )
