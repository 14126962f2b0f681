"""Lattice vector along the normal of an interface.

Analyses take c as the direction of the normal. A trajectory whose interface lies along a or b is read with its lattice
vectors permuted cyclically; positions stay as they are.
"""

from collections.abc import Collection
from typing import Any, Literal, get_args

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.frames import FrameSource, mask_of
from interphase_flows.analysis.geometry.neighbours import face_distances, fractional

Normal = Literal["a", "b", "c"]
NORMALS: tuple[Normal, ...] = get_args(Normal)
LEAST_ELECTRODE_ANGSTROM = 4.0
CLEARLY_THICKER = 2.0
"""Ratio of the thickest regions without anions along two axes from which another axis than c is the normal."""


class AlongNormal:
    """A trajectory whose lattice vectors are permuted cyclically, so that a given one becomes c.

    Parameters
    ----------
    frames
        The trajectory.
    normal
        Lattice vector across the interface: ``a``, ``b`` or ``c``.
    """

    def __init__(self, frames: FrameSource, normal: Normal) -> None:
        self._frames = frames
        self._order = np.roll([0, 1, 2], 2 - NORMALS.index(normal))
        self.n_frames, self.n_atoms = frames.n_frames, frames.n_atoms
        self.numbers, self.time_fs = frames.numbers, frames.time_fs
        self.side = getattr(frames, "side", None)
        self._last: tuple[Any, FloatArray] = (None, np.empty((3, 3)))

    def positions(self, frame: int, /) -> Any:
        """Return unwrapped positions in Å, (n_atoms, 3)."""
        return self._frames.positions(frame)

    def cell(self, frame: int, /) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3), the normal one last; the same array for a constant cell."""
        cell = self._frames.cell(frame)
        if cell is not self._last[0]:
            self._last = cell, np.asarray(cell, dtype=float)[self._order]
        return self._last[1]


def detected_normal(frames: FrameSource, anions: Collection[str]) -> Normal:
    """Return the lattice vector along which the first frame has the thickest region without anions, the electrode.

    It is c unless the region along another one is `CLEARLY_THICKER`. `anions` are chemical symbols.
    """
    is_anion = mask_of(frames.numbers, anions)
    if not is_anion.any():
        return "c"
    cell = np.asarray(frames.cell(0), dtype=float)
    fractions = np.sort(fractional(np.asarray(frames.positions(0))[is_anion], cell) % 1.0, axis=0)
    gaps = np.diff(fractions, axis=0, append=fractions[:1] + 1.0)
    thickness_angstrom = gaps.max(axis=0) * face_distances(cell)
    best = int(thickness_angstrom.argmax())
    is_clear = thickness_angstrom[best] >= max(LEAST_ELECTRODE_ANGSTROM, CLEARLY_THICKER * thickness_angstrom[2])
    return NORMALS[best] if is_clear else "c"
