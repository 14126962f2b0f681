"""Collective displacements: R_i(t) = sum over the atoms of group i of r(t) - r(0), streamed.

One frame at a time is subtracted from the first one and summed; what is kept is three numbers per group and
frame. Single precision suffices because *displacements* are summed, in blocks whose sums are added in double
precision: 2e-4 Å for 50,000 atoms. Sums of absolute positions would be wrong by 0.2 Å.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.frames import FloatArray, FrameSource, IntArray, require_frames
from interphase_flows.analysis.neighbours import face_distances
from interphase_flows.analysis.transport.groups import AtomGroups
from interphase_flows.analysis.transport.self_moments import SelfLadder, SelfRung, sampled_atoms
from interphase_flows.exceptions import AnalysisError

BLOCK = 64
"""Atoms beside each other in a row of the sum; its 3 x BLOCK columns are added in double precision."""
ATOMS_AT_A_TIME = 32_768
"""As many displacements as stay in a processor's second cache."""
FRAMES_PER_BATCH = 64
SAME_CELL = 1e-6
"""Largest relative change of a lattice vector in a trajectory of constant cell."""
SAME_INTERVAL = 1e-3
"""Largest relative difference between two intervals of equally spaced frames."""
LARGEST_STEP = 0.7
"""Along x, y or z, of the shortest distance between two faces of the cell, in one interval."""


@dataclass(frozen=True)
class CollectiveMotion:
    """What a window of a trajectory is reduced to. Positions are those of the trajectory, in no other frame."""

    groups: AtomGroups
    time_ps: FloatArray
    """(n_frames,), ps, equally spaced."""
    displacement_angstrom: FloatArray
    """(n_frames, n_groups, 3), summed displacement from the window's first frame, Å."""
    self_rungs: list[SelfRung]
    """Moments of single atoms about the barycentre of their domain, by the exponent of the step in frames."""
    cell_angstrom: FloatArray
    """(3, 3), lattice vectors as rows, Å."""

    @property
    def interval_ps(self) -> float:
        """Time between frames, ps."""
        return float(self.time_ps[-1] - self.time_ps[0]) / (len(self.time_ps) - 1)

    @property
    def volume_angstrom3(self) -> float:
        """Volume of the cell, Å³."""
        return float(abs(np.linalg.det(self.cell_angstrom)))


def collective_motion(
    frames: FrameSource,
    groups: AtomGroups,
    *,
    first_frame: int = 0,
    end_frame: int | None = None,
    axes: FloatArray | None = None,
) -> CollectiveMotion:
    """Sum the displacements of each group, frame by frame.

    Parameters
    ----------
    frames
        The trajectory, positions unwrapped, cell constant, frames equally spaced.
    groups
        The group of each atom.
    first_frame, end_frame
        The window, the end not included; the whole trajectory by default.
    axes
        Orthonormal rows along which displacements are resolved, (3, 3); x, y and z by default.

    Raises
    ------
    AnalysisError
        Fewer than three frames, a cell that changes, times that are not equally spaced, or positions that are
        no numbers.
    """
    require_frames(frames)
    end_frame = frames.n_frames if end_frame is None else end_frame
    chosen = range(first_frame, end_frame)
    time_ps = _equally_spaced_ps(frames, chosen)
    cell = np.asarray(frames.cell(first_frame), dtype=float)
    axes = np.eye(3) if axes is None else axes

    start = np.ascontiguousarray(frames.positions(first_frame))
    summed = GroupSums(groups, start)
    sample = sampled_atoms(groups.labels, len(groups.counts))
    domain_of_sample = groups.domain[groups.labels[sample]]
    barycentre = _barycentre_weights(groups)
    sample_start = start[sample]

    ladder = SelfLadder(groups.labels[sample])
    displacement = np.empty((len(chosen), len(groups.counts), 3))
    batch = np.empty((FRAMES_PER_BATCH, len(sample), 3), dtype=start.dtype)
    filled = 0
    last = np.zeros((1, len(sample), 3))
    shortest = float(face_distances(cell).min())
    for row, index in enumerate(chosen):
        _require_same_cell(cell, frames.cell(index), index)
        positions = frames.positions(index)
        displacement[row] = summed(positions)
        np.take(positions, sample, axis=0, out=batch[filled], mode="clip")
        filled += 1
        if filled == FRAMES_PER_BATCH or row == len(chosen) - 1:
            moved = (batch[:filled] - sample_start).astype(float)
            moved -= (barycentre @ displacement[row + 1 - filled : row + 1])[:, domain_of_sample]
            last = _require_unwrapped(np.concatenate([last, moved]), shortest, index)
            ladder.add(np.ascontiguousarray(np.swapaxes(moved @ axes.T, 1, 2)))
            filled = 0
    if not np.isfinite(displacement).all():
        bad = chosen[int(np.flatnonzero(~np.isfinite(displacement).all(axis=(1, 2)))[0])]
        raise AnalysisError(f"frame {bad} holds positions that are no numbers; leave it and what follows out")
    return CollectiveMotion(groups, time_ps, displacement @ axes.T, ladder.rungs(), cell)


class GroupSums:
    """Sums displacements from a first frame by group.

    Atoms of a group that stand together in memory are summed as one run. If groups are scattered into many
    short runs, atoms are sorted first, which costs a copy of each frame.

    Parameters
    ----------
    groups
        The group of each atom.
    start
        Positions of the first frame, (n_atoms, 3), Å.
    """

    def __init__(self, groups: AtomGroups, start: NDArray[np.floating]) -> None:
        labels = groups.labels
        self._order: IntArray | None = None
        if np.count_nonzero(np.diff(labels)) > len(labels) // 1000 + len(groups.counts):
            self._order = np.argsort(labels, kind="stable")
            labels = labels[self._order]
            start = start[self._order]
        self._start = start
        self._n_groups = len(groups.counts)
        self._pieces: list[tuple[int, int, int, int]] = []
        rest: list[IntArray] = []
        edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
        for begin, end in zip(edges, edges[1:], strict=False):
            n_blocked = (end - begin) // BLOCK * BLOCK
            rest.append(np.arange(begin + n_blocked, end))
            for first in range(begin, begin + n_blocked, ATOMS_AT_A_TIME):
                last = min(first + ATOMS_AT_A_TIME, begin + n_blocked)
                self._pieces.append((int(labels[begin]), first, last, (last - first) // BLOCK))
        self._rest = np.concatenate(rest)
        self._rest_start = start[self._rest]
        self._rest_groups = np.eye(self._n_groups)[:, labels[self._rest]]
        self._moved = np.empty((ATOMS_AT_A_TIME, 3), dtype=start.dtype)
        self._ones = np.ones(ATOMS_AT_A_TIME // BLOCK, dtype=start.dtype)

    def __call__(self, positions: NDArray[np.floating]) -> FloatArray:
        """Return the summed displacement of each group, (n_groups, 3), Å."""
        if self._order is not None:
            positions = positions[self._order]
        columns = np.zeros((self._n_groups, 3 * BLOCK))
        for group, begin, end, n_rows in self._pieces:
            moved = np.subtract(positions[begin:end], self._start[begin:end], out=self._moved[: end - begin])
            columns[group] += self._ones[:n_rows] @ moved.reshape(n_rows, 3 * BLOCK)
        rest = (positions[self._rest] - self._rest_start).astype(float)
        return columns.reshape(self._n_groups, BLOCK, 3).sum(axis=1) + self._rest_groups @ rest


def _barycentre_weights(groups: AtomGroups) -> FloatArray:
    """Return what turns summed displacements into those of barycentres, (n_domains, n_groups)."""
    weights = np.zeros((groups.n_domains, len(groups.counts)))
    weights[groups.domain, np.arange(len(groups.counts))] = groups.masses_u
    masses = np.bincount(groups.domain, groups.masses_u * groups.counts, minlength=groups.n_domains)
    return weights / np.where(masses > 0, masses, 1.0)[:, None]


def _equally_spaced_ps(frames: FrameSource, chosen: range) -> FloatArray:
    if len(chosen) < 3:
        raise AnalysisError(f"{len(chosen)} frames hold no two steps; transport needs hundreds of frames")
    time_ps = np.asarray(frames.time_fs, dtype=float)[chosen.start : chosen.stop] / 1000.0
    intervals = np.diff(time_ps)
    if not (intervals > 0).all() or np.ptp(intervals) > SAME_INTERVAL * intervals.mean():
        raise AnalysisError(
            f"frames {chosen.start} to {chosen.stop - 1} are {intervals.min():g} to {intervals.max():g} ps "
            "apart; transport needs equally spaced frames: write every n-th step, or choose a window without gaps"
        )
    return time_ps


def _require_unwrapped(moved: FloatArray, shortest_angstrom: float, frame: int) -> FloatArray:
    """Return the last frame of a batch, unless an atom jumps across the cell somewhere in it."""
    if np.abs(np.diff(moved, axis=0)).max() > LARGEST_STEP * shortest_angstrom:
        raise AnalysisError(
            f"an atom moves by more than {LARGEST_STEP:g} of the cell between two of the {len(moved) - 1} frames up "
            f"to frame {frame}: positions seem to be wrapped into the cell; pass unwrapped ones, as the readers of "
            "trajectories give, or write frames more often"
        )
    return moved[-1:]


def _require_same_cell(first: FloatArray, cell: NDArray[np.floating], frame: int) -> None:
    if cell is first:
        return
    if np.abs(cell - first).max() > SAME_CELL * np.abs(first).max():
        raise AnalysisError(
            f"the cell of frame {frame} is not that of the window's first frame; displacements in a cell that "
            "changes are no transport: run at constant cell (NVT), or choose a window in which it is constant"
        )
