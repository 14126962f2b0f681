"""Collective displacements R_i(t), the sum over the atoms of group i of r(t) - r(0), from streamed frames.

Single precision suffices because *displacements* are summed: positions of `STACK` atoms are added, the same sum of the
first frame is subtracted, and only then are the many small differences added. The standard error is 2e-3 Å for 50,000
atoms in a cell of 100 Å, where sums of absolute positions are wrong by 0.1 Å and more. Blocks of atoms are read in their
order in memory, near the memory bandwidth; subtracting first would take twice as long.

In a cell that changes, positions are those in the mean cell of the window (`geometry.changing_cell`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.geometry.changing_cell import MeanCell
from interphase_flows.analysis.geometry.frames import ArrayFrames, FrameSource, require_frames
from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.analysis.transport.groups import AtomGroups, normal_axes
from interphase_flows.analysis.transport.self_moments import SelfLadder, SelfRung, sampled_atoms
from interphase_flows.exceptions import AnalysisError, UnsupportedWindowError

STACK = 12
"""Atoms whose positions are added before those of the first frame are subtracted."""
ROW = 32
"""Stacks in a row of the second sum, whose 3 x ROW columns are added in double precision."""
ROWS_PER_BLOCK = 10
"""Rows whose stacks are added together: so few that their sums stay in the innermost cache, where calls are few, too."""
FRAMES_AT_ONCE = 8
"""Frames that one call sums if they are in memory."""
FRAMES_PER_BATCH = 16 * FRAMES_AT_ONCE
LARGEST_CELL_DRIFT = 0.05
"""Largest systematic strain of the cell in a window; fluctuations may be larger."""
SAME_INTERVAL = 1e-3
"""Largest relative difference between two intervals of equally spaced frames."""
LARGEST_STEP = 0.7
"""Largest displacement along an axis in one interval, relative to the shortest distance between two faces."""


@dataclass(frozen=True)
class CollectiveMotion:
    """Collective displacements and single-atom moments of a window, in the coordinates of the trajectory."""

    groups: AtomGroups
    time_ps: FloatArray
    """(n_frames,), ps, equally spaced."""
    displacement_angstrom: FloatArray
    """(n_frames, n_groups, 3), summed displacement from the window's first frame, Å."""
    self_rungs: list[SelfRung]
    """Moments of single atoms about the barycentre of their domain, by the exponent of the step in frames."""
    cell_angstrom: FloatArray
    """(3, 3), mean lattice vectors as rows, Å."""
    volume_angstrom3: float
    """Mean volume of the cell, Å³."""
    axes: FloatArray
    """(3, 3), orthonormal rows along which displacements are resolved."""

    @property
    def interval_ps(self) -> float:
        """Time between frames."""
        return float(self.time_ps[-1] - self.time_ps[0]) / (len(self.time_ps) - 1)


def collective_motion(
    frames: FrameSource,
    groups: AtomGroups,
    *,
    first_frame: int = 0,
    end_frame: int | None = None,
    along_normal: bool = False,
) -> CollectiveMotion:
    """Sum the displacements of each group in a window (end excluded), frame by frame.

    They are resolved along x, y and z, or, if `along_normal`, along the axes of `groups.normal_axes`.

    Raises
    ------
    UnsupportedWindowError
        Fewer than three frames, times that are not equally spaced, or a cell that drifts by more than
        `LARGEST_CELL_DRIFT`.
    AnalysisError
        Positions are not finite, or appear to be wrapped.
    """
    require_frames(frames)
    end_frame = frames.n_frames if end_frame is None else end_frame
    chosen = range(first_frame, end_frame)
    time_ps = _equally_spaced_ps(frames, chosen)
    mean = MeanCell.of(frames, chosen)
    _require_no_drift(mean, time_ps)
    axes = normal_axes(mean.angstrom) if along_normal else np.eye(3)

    start = np.ascontiguousarray(mean.positions(0, frames.positions(first_frame)))
    summed = GroupSums(groups, start, sampled_atoms(groups.labels, len(groups.counts)))
    group_of_sample = groups.labels[summed.sample]
    domain_of_sample = groups.domain[group_of_sample]
    barycentre = _barycentre_weights(groups)
    shortest = float(face_distances(mean.angstrom).min())

    ladder = SelfLadder(group_of_sample)
    displacement = np.empty((len(chosen), len(groups.counts), 3))
    turned = None if np.array_equal(axes, np.eye(3)) else axes.astype(start.dtype)
    for begin in range(0, len(chosen), FRAMES_PER_BATCH):
        batch = chosen[begin : begin + FRAMES_PER_BATCH]
        for row, positions in _blocks_of_positions(frames, batch, mean, begin):
            summed.take(row, positions)
        rows = slice(begin, begin + len(batch))
        displacement[rows], moved = summed.finish(len(batch))
        shift = np.swapaxes(barycentre @ displacement[rows], 1, 2).astype(moved.dtype)
        # one domain: its barycentre is subtracted without a copy for every atom
        moved -= shift if groups.n_domains == 1 else shift[:, :, domain_of_sample]
        largest = ladder.add(moved if turned is None else turned @ moved)
        if largest > LARGEST_STEP * shortest:
            raise _wrapped_error(len(batch), batch[-1])
    if not np.isfinite(displacement).all():
        bad = chosen[int(np.flatnonzero(~np.isfinite(displacement).all(axis=(1, 2)))[0])]
        raise AnalysisError(f"frame {bad} has positions that are not finite. Hint: analyse the frames before it")
    return CollectiveMotion(
        groups, time_ps, displacement @ axes.T, ladder.rungs(), mean.angstrom, mean.volume_angstrom3, axes
    )


def _blocks_of_positions(
    frames: FrameSource, batch: range, mean: MeanCell, begin: int
) -> Iterator[tuple[int, NDArray[np.floating]]]:
    """Yield frames, (n_frames, n_atoms, 3), with their row in the batch: several where memory holds them all.

    `begin` is the row of the batch in the window.
    """
    if isinstance(frames, ArrayFrames) and mean.cells_angstrom is None:
        for at in batch[::FRAMES_AT_ONCE]:
            yield at - batch.start, frames.all_positions[at : min(at + FRAMES_AT_ONCE, batch.stop)]
    else:
        for row, index in enumerate(batch):
            yield row, mean.positions(begin + row, frames.positions(index))[None]


class GroupSums:
    """Sums of displacements from a first frame by group, and displacements of sampled atoms.

    Blocks of atoms are summed for the group of most of their atoms. Runs of other atoms in a block, which are moved to
    their own group, and runs behind the last block are summed separately; the remainder of a stack and the sampled
    atoms are picked individually. If groups are scattered into many short runs, atoms are sorted first, which costs a
    copy of each frame.
    """

    def __init__(self, groups: AtomGroups, start: NDArray[np.floating], sample: IntArray) -> None:
        self.sample = sample
        labels = groups.labels
        self._order: IntArray | None = None
        if np.count_nonzero(np.diff(labels)) > len(labels) // 1000 + len(groups.counts):
            self._order = np.argsort(labels, kind="stable")
            labels, start = labels[self._order], start[self._order]
            sample = np.argsort(self._order)[sample]
        of_group = np.eye(len(groups.counts))
        size = STACK * ROW * ROWS_PER_BLOCK
        self._end_of_blocks = len(labels) // size * size
        owners = [of_group[np.bincount(each).argmax()] for each in labels[: self._end_of_blocks].reshape(-1, size)]
        weights = [owner for owner in owners for _ in range(ROWS_PER_BLOCK)]
        runs: list[tuple[int, int, slice]] = []
        rest, weights_of_rest = [], []
        edges = {*range(0, len(labels), size), *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)}
        for begin, end in pairwise(sorted(edges)):
            # behind the last block there is no owner
            weight = of_group[labels[begin]] - sum(owners[begin // size : begin // size + 1])
            if not weight.any():
                continue
            n_stacks = (end - begin) // STACK
            stacked = begin + n_stacks * STACK
            rest.append(np.arange(stacked, end))
            weights_of_rest += (end - stacked) * [weight]
            if n_stacks:
                first = 3 * ROW * len(weights)
                runs.append((begin, stacked, slice(first, first + 3 * n_stacks)))
                weights += -(-n_stacks // ROW) * [weight]
        self._n_sample = len(sample)
        picked = np.concatenate([*rest, sample])
        # component by component, the layout of the single-atom moments
        self._picked = (3 * picked + np.arange(3)[:, None]).ravel()
        self._weights_of_rest = np.reshape(weights_of_rest, (-1, len(of_group)))
        self._ones = np.ones(STACK, dtype=start.dtype)
        # stacks of few frames stay in the cache; unfilled rows stay zero
        self._stacks = np.zeros((FRAMES_AT_ONCE, 3 * ROW * len(weights)), dtype=start.dtype)
        self._runs = runs
        self._start_of_stacks = np.zeros_like(self._stacks[0])
        self._weights_of_row = np.reshape(weights, (-1, len(of_group))).astype(start.dtype).T
        self._rows = np.empty((FRAMES_PER_BATCH, len(groups.counts), 3 * ROW), dtype=start.dtype)
        self._picks = np.empty((FRAMES_PER_BATCH, 3 * len(picked)), dtype=start.dtype)
        self._axis_of_column = np.tile(np.eye(3), (ROW, 1))
        self._read(0, start[None])
        self._start_of_stacks, self._start_of_picks = self._stacks[0].copy(), self._picks[0].copy()

    def take(self, row: int, positions: NDArray[np.floating]) -> None:
        """Take the positions of some frames, (n_frames, n_atoms, 3), Å, as the next rows of the batch."""
        positions = np.ascontiguousarray(positions, dtype=self._ones.dtype)
        self._read(row, positions if self._order is None else positions[:, self._order])

    def finish(self, n_frames: int) -> tuple[FloatArray, NDArray[np.floating]]:
        """Return the batch: sums, (n_frames, n_groups, 3), and single atoms, (n_frames, 3, n_sample).

        Single atoms are in the precision of the positions, in memory that the next batch overwrites.
        """
        picks = self._picks[:n_frames]
        picked = np.subtract(picks, self._start_of_picks, out=picks).reshape(n_frames, 3, -1)
        n_rest = picked.shape[2] - self._n_sample
        sums = self._rows[:n_frames].astype(float) @ self._axis_of_column
        sums += np.swapaxes(picked[:, :, :n_rest].astype(float) @ self._weights_of_rest, 1, 2)
        return sums, picked[:, :, n_rest:]

    def _read(self, row: int, positions: NDArray[np.floating]) -> None:
        n = len(positions)
        stacks, width = self._stacks[:n], 3 * ROW * ROWS_PER_BLOCK
        blocks = positions[:, : self._end_of_blocks].reshape(n, -1, STACK, width)
        of_blocks = stacks[:, : 3 * self._end_of_blocks // STACK].reshape(n, -1, width)
        # adds one contiguous row after the other, faster than np.add.reduce
        np.einsum("fbsc->fbc", blocks, out=of_blocks)
        for begin, end, columns in self._runs:
            stacked = positions[:, begin:end].reshape(n, STACK, -1)
            np.matmul(self._ones, stacked, out=stacks[:, columns])
        # after the sums, which have loaded the frames into the cache
        positions.reshape(n, -1).take(self._picked, 1, self._picks[row : row + n], "clip")
        np.subtract(stacks, self._start_of_stacks, out=stacks)
        by_row = stacks.reshape(n, -1, 3 * ROW)
        np.matmul(self._weights_of_row, by_row, out=self._rows[row : row + n])


def _barycentre_weights(groups: AtomGroups) -> FloatArray:
    """Return weights that turn summed displacements into those of barycentres, (n_domains, n_groups)."""
    weights = np.zeros((groups.n_domains, len(groups.counts)))
    weights[groups.domain, np.arange(len(groups.counts))] = groups.masses_u
    masses = np.bincount(groups.domain, groups.masses_u * groups.counts, minlength=groups.n_domains)
    return weights / np.where(masses > 0, masses, 1.0)[:, None]


def _equally_spaced_ps(frames: FrameSource, chosen: range) -> FloatArray:
    if len(chosen) < 3:
        raise UnsupportedWindowError(f"{len(chosen)} frames do not make two steps; transport needs hundreds of frames")
    time_ps = np.asarray(frames.time_fs, dtype=float)[chosen.start : chosen.stop] / 1000.0
    intervals = np.diff(time_ps)
    if not (intervals > 0).all() or np.ptp(intervals) > SAME_INTERVAL * intervals.mean():
        raise UnsupportedWindowError(
            f"frames {chosen.start} to {chosen.stop - 1} are {intervals.min():g} to {intervals.max():g} ps "
            "apart; transport needs equally spaced frames. Hint: write every n-th step, or choose a window without gaps"
        )
    return time_ps


def _wrapped_error(n_frames: int, frame: int) -> AnalysisError:
    return AnalysisError(
        f"an atom moves by more than {LARGEST_STEP:g} of the cell between two of the {n_frames} frames up "
        f"to frame {frame}: positions seem to be wrapped into the cell. Hint: read the file by open_trajectory, which "
        "unwraps them, or write frames more often"
    )


def _require_no_drift(mean: MeanCell, time_ps: FloatArray) -> None:
    drift, direction = mean.drift(time_ps)
    if abs(drift) > LARGEST_CELL_DRIFT:
        raise UnsupportedWindowError(
            f"the cell drifts by {100 * drift:+.1f} % {direction} from {time_ps[0]:g} to {time_ps[-1]:g} ps; transport "
            f"needs a drift below {100 * LARGEST_CELL_DRIFT:g} %, because the volume must be stationary. Hint: choose "
            "shorter windows, or leave out the time in which the cell relaxes"
        )
