"""Slices of a cell parallel to the interface, and the assignment of atoms to slices.

The normal is perpendicular to a and b. A point's height is its fractional coordinate along c times the distance
between the two ab faces, so slices are parallel to the interface in any triclinic cell and tile it exactly.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.geometry.frames import FrameSource, chosen_frames
from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.exceptions import AnalysisError


class SlicedFrame(NamedTuple):
    """One frame in slices."""

    row: int
    """Index among the frames used."""
    frame: int
    """Index in the trajectory."""
    slice_of: IntArray
    """Slice of each atom, (n_atoms,)."""
    volume_angstrom3: float
    """Volume of the cell, Å³."""


def heights(positions: NDArray[np.floating], cell: NDArray[np.floating]) -> FloatArray:
    """Return fractional coordinates along c, (n_atoms,), not wrapped."""
    along_x, along_y, along_z = np.linalg.inv(np.asarray(cell, dtype=float))[:, 2]
    if along_x == along_y == 0.0:  # a and b in the xy plane, the most common setting: three times as fast
        return np.multiply(positions[:, 2], along_z, dtype=float)
    return np.asarray(positions @ np.array([along_x, along_y, along_z]), dtype=float)


def periods_angstrom(frames: FrameSource) -> FloatArray:
    """Return the height of the cell, the distance between its ab faces, in every frame, (n_frames,), Å."""
    found = np.empty(frames.n_frames)
    cell, period = None, 0.0
    for frame in range(frames.n_frames):
        if (current := frames.cell(frame)) is not cell:
            cell, period = current, float(face_distances(current)[2])
        found[frame] = period
    return found


def wrapped_index(fractions: FloatArray, n: int) -> IntArray:
    """Return the index of each fraction among n equal parts of the period, (n_atoms,)."""
    scaled = np.floor(fractions)
    np.subtract(fractions, scaled, out=scaled)
    scaled *= n
    index = scaled.astype(np.int32)  # a much faster conversion than to 64 bits
    # a fraction of -1e-17 is 1.0 in the cell and belongs to the last part
    return np.minimum(index, n - 1, out=index).astype(np.int64)


def circular_mean(fractions: FloatArray) -> float:
    """Return the mean of periodic fractional coordinates, in [0, 1).

    The angle of the mean of exp(2 pi i f): Mardia and Jupp, *Directional Statistics* (2000), section 2.2.

    Raises
    ------
    AnalysisError
        The atoms fill the period evenly, so their mean is undefined.
    """
    resultant = np.exp(2j * np.pi * fractions).mean()
    if abs(resultant) < 1e-3:
        raise AnalysisError(
            "the reference atoms fill the cell evenly along the normal, so their middle is undefined. "
            "Hint: choose the atoms of one slab, or no reference"
        )
    return float(np.angle(resultant) / (2 * np.pi) % 1.0)


class Slices:
    """Slices of about one width in every frame of a trajectory.

    Parameters
    ----------
    frames
        The trajectory.
    bin_width_angstrom
        Wanted width of a slice in Å; the nearest width that tiles the first frame's cell is used. In a changing cell,
        slices keep their fractions of the cell.
    reference
        Atoms whose middle is the middle of the profile, (n_atoms,), such as those of the electrolyte, which removes
        drift. The middle is a circular mean in the first frame, and moves with their mean unwrapped displacement.
    every
        Stride between the frames used; the last one is always used.

    Raises
    ------
    AnalysisError
        The trajectory is empty, the bins are wider than the cell, or the reference is empty or has no middle.
    """

    def __init__(self, frames: FrameSource, bin_width_angstrom: float, reference: BoolArray | None, every: int) -> None:
        self.chosen = chosen_frames(frames, every)
        height = face_distances(frames.cell(0))[2]
        if not 0 < bin_width_angstrom <= height:
            raise AnalysisError(f"bins of {bin_width_angstrom} Å in a cell of {height:.2f} Å. Hint: choose about 1 Å")
        if reference is not None and not np.any(reference):
            raise AnalysisError("the reference of the profile selects no atom")
        self.n_bins = max(1, round(height / bin_width_angstrom))
        self.edges_angstrom: FloatArray = np.linspace(0.0, height, self.n_bins + 1)
        self.time_ps: FloatArray = np.asarray(frames.time_fs, dtype=float)[self.chosen] / 1000.0
        self._frames = frames
        self._reference = reference

    def __iter__(self) -> Iterator[SlicedFrame]:
        origin, start = 0.0, np.empty(0)
        cell, volume = None, 0.0
        for row, index in enumerate(self.chosen):
            if (current := self._frames.cell(index)) is not cell:
                cell = current
                volume = abs(float(np.linalg.det(np.asarray(cell, dtype=float))))
            along_c = heights(self._frames.positions(index), cell)
            if self._reference is not None:
                there = along_c[self._reference]
                if row == 0:
                    start = there
                    origin = circular_mean(start) - 0.5
                along_c -= origin + (there - start).mean()
            yield SlicedFrame(row, index, wrapped_index(along_c, self.n_bins), volume)
