"""Flux through a plane by counting the atoms that cross it.

Planes may move, such as the boundaries of an interphase. Atoms pass a moving plane by their own motion and by that of
the plane, which are counted separately. The order of the two motions between frames is unknown, so each contribution
is averaged over both orders, and half atoms occur. Their sum is exact at every frame:

    change of the number of atoms between two planes = atoms through the lower plane - atoms through the upper plane

The position of an atom relative to a plane is u = f - p, with the unwrapped fractional coordinates f of the atom and p of
the plane along c; the atom passes the plane or one of its periodic images when floor(u) changes. Crossings upwards along
the normal are positive. Crossings back and forth between two frames are not detected and do not change the net number.
In a changing cell, scaling of the cell is motion neither of atoms nor of planes that keep their fraction of the cell.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.analysis.geometry.frames import FrameSource, chosen_frames, elements_of, mask_of
from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.analysis.geometry.slices import heights
from interphase_flows.exceptions import AnalysisError
from interphase_flows.units import ANGSTROM2_PER_NM2


@dataclass(frozen=True)
class CrossingSeries:
    """Atoms that pass each plane between frames. S groups of atoms, P planes."""

    time_ps: FloatArray
    """(n_frames,), ps."""
    groups: tuple[str, ...]
    planes: tuple[str, ...]
    by_atoms: FloatArray
    """(n_frames - 1, P, S): net atoms that cross the plane by their own motion, upwards positive."""
    by_sweep: FloatArray
    """(n_frames - 1, P, S): net atoms that cross the plane by its motion, upwards positive."""
    atoms_between: NDArray[np.int64]
    """(n_frames, P - 1, S): atoms between neighbouring planes."""
    area_nm2: FloatArray
    """(n_frames - 1,): area of the plane, nm²."""

    @property
    def net_atoms(self) -> FloatArray:
        """Net atoms that cross the planes, (n_frames - 1, P, S)."""
        return self.by_atoms + self.by_sweep

    @property
    def conservation_error_atoms(self) -> float:
        """Largest difference between a change of `atoms_between` and the crossings of its planes: 0."""
        change = np.diff(self.atoms_between, axis=0)
        passed = self.net_atoms[:, :-1] - self.net_atoms[:, 1:]
        return float(np.abs(change - passed).max(initial=0.0))

    def cumulative_atoms_per_nm2(self, plane: str, *, static: bool = False) -> dict[str, FloatArray]:
        """Return the cumulative crossings of a plane since the first frame by group, (n_frames,) each.

        If `static`, count only crossings by motion of the atoms.
        """
        if plane not in self.planes:
            raise AnalysisError(f"no plane '{plane}'; there are {', '.join(self.planes)}")
        column = self.planes.index(plane)
        counts = (self.by_atoms if static else self.net_atoms)[:, column] / self.area_nm2[:, None]
        passed = np.concatenate([np.zeros((1, len(self.groups))), np.cumsum(counts, axis=0)])
        return {group: passed[:, i] for i, group in enumerate(self.groups)}

    def mean_flux_atoms_per_nm2_ps(self, plane: str, *, static: bool = False) -> dict[str, float]:
        """Return the mean flux through a plane over the series by group, atoms/(nm² ps)."""
        length = self.time_ps[-1] - self.time_ps[0]
        passed = self.cumulative_atoms_per_nm2(plane, static=static)
        return {group: float(series[-1] / length) for group, series in passed.items()}


def crossings(
    frames: FrameSource,
    planes_angstrom: Mapping[str, ArrayLike],
    *,
    groups: Mapping[str, BoolArray] | None = None,
    reference: NDArray[np.floating] | BoolArray | None = None,
    every: int = 1,
) -> CrossingSeries:
    """Count the atoms that cross each plane.

    Parameters
    ----------
    frames
        Trajectory with unwrapped positions.
    planes_angstrom
        Height of each plane in Å above the lower ab face along the normal, in increasing order within one period: a
        number for a static plane, or one number per frame used. Heights are unwrapped like positions. In a changing cell,
        a static plane has its height in the first frame and then keeps its fraction of the cell; heights of a moving
        plane are in Å of each frame.
    groups
        Groups of atoms by name, (n_atoms,) each, such as the lithium of the initial electrode; elements by default.
    reference
        Mask, or weights such as masses, of the atoms whose mean displacement since the first frame is subtracted from all
        heights, (n_atoms,).
    every
        Stride between the frames used; the last one is always used.

    Raises
    ------
    AnalysisError
        There are fewer than two frames, the number of heights of a plane is not that of the frames, planes are not in
        order within one period, or a group is empty.
    """
    chosen = chosen_frames(frames, every)
    if len(chosen) < 2:
        raise AnalysisError("crossings need at least two frames")
    named = tuple(planes_angstrom)
    heights_of_planes, is_static = _heights(planes_angstrom, len(chosen))
    if groups is None:
        groups = {symbol: mask_of(frames.numbers, {symbol}) for symbol in elements_of(frames)}
    masks = _masks(groups, frames.n_atoms)
    weights = None if reference is None else np.asarray(reference, dtype=float)
    if weights is not None and not weights.sum() > 0:
        raise AnalysisError("the reference of the planes selects no atom")

    time_ps = np.asarray(frames.time_fs, dtype=float)[chosen] / 1000.0
    shape = (len(chosen) - 1, len(named), len(masks))
    by_atoms, by_sweep = np.empty(shape), np.empty(shape)
    between = np.empty((len(chosen), max(len(named) - 1, 0), len(masks)), dtype=np.int64)
    area = np.empty(len(chosen))
    before = planes_before = passed_before = np.empty(0)
    counter = _PassedCounter(masks, len(named))
    start = first_height = 0.0
    for row, index in enumerate(chosen):
        cell = np.asarray(frames.cell(index), dtype=float)
        height = face_distances(cell)[2]
        area[row] = abs(np.linalg.det(cell)) / height / ANGSTROM2_PER_NM2
        along = heights(frames.positions(index), cell)
        if weights is not None:
            middle = float(weights @ along / weights.sum())
            start = middle if row == 0 else start
            along -= middle - start
        first_height = height if row == 0 else first_height
        planes = heights_of_planes[row] / np.where(is_static, first_height, height)
        _require_order(planes, named, time_ps[row])
        if row == 0:
            before, planes_before = along, planes
        passed, now_then, then_now = counter.passed(along, planes, before, planes_before)
        between[row] = passed[:-1] - passed[1:]
        if row:
            by_atoms[row - 1] = 0.5 * ((now_then - passed_before) + (passed - then_now))
            by_sweep[row - 1] = 0.5 * ((then_now - passed_before) + (passed - now_then))
        before, planes_before, passed_before = along, planes, passed
    return CrossingSeries(
        time_ps=time_ps,
        groups=tuple(groups),
        planes=named,
        by_atoms=by_atoms,
        by_sweep=by_sweep,
        atoms_between=between,
        area_nm2=0.5 * (area[1:] + area[:-1]),
    )


class _PassedCounter:
    """Count how often the atoms of each group have passed each plane upwards."""

    def __init__(self, masks: FloatArray, n_planes: int) -> None:
        self._masks, self._n_planes = masks, n_planes
        # reused in every frame, because allocation takes as long as the calculation
        self._sides = np.empty((3 * n_planes, masks.shape[1]))

    def passed(
        self, along: FloatArray, planes: FloatArray, before: FloatArray, planes_before: FloatArray
    ) -> NDArray[np.float64]:
        """Return counts, (3, P, S): atoms and planes now; atoms now, planes before; atoms before, planes now."""
        n, sides = self._n_planes, self._sides
        np.subtract(along, planes[:, None], out=sides[:n])
        np.subtract(along, planes_before[:, None], out=sides[n : 2 * n])
        np.subtract(before, planes[:, None], out=sides[2 * n :])
        np.floor(sides, out=sides)
        return (self._masks @ sides.T).T.reshape(3, n, -1)


def _heights(planes: Mapping[str, ArrayLike], n_frames: int) -> tuple[FloatArray, BoolArray]:
    """Return the heights of the planes, (n_frames, P), Å, and which planes are static, (P,)."""
    if not planes:
        raise AnalysisError("no planes")
    columns, is_static = [], []
    for name, height in planes.items():
        column = np.asarray(height, dtype=float)
        if column.shape not in {(), (n_frames,)} or not np.isfinite(column).all():
            raise AnalysisError(
                f"plane {name}: {column.shape} heights for {n_frames} frames; one finite height, or one per "
                "frame used, is required"
            )
        columns.append(np.broadcast_to(column, (n_frames,)))
        is_static.append(column.ndim == 0)
    return np.stack(columns, axis=1), np.array(is_static)


def _masks(groups: Mapping[str, BoolArray], n_atoms: int) -> FloatArray:
    """Return the groups as 0 and 1, (S, n_atoms)."""
    for name, mask in groups.items():
        if np.shape(mask) != (n_atoms,) or not np.any(mask):
            raise AnalysisError(
                f"group {name} selects no atom, or has the shape {np.shape(mask)} instead of ({n_atoms},)"
            )
    return np.stack([np.asarray(mask, dtype=float) for mask in groups.values()])


def _require_order(planes: FloatArray, names: tuple[str, ...], time_ps: float) -> None:
    if not (np.diff(planes) >= 0).all() or planes[-1] - planes[0] >= 1:
        raise AnalysisError(
            f"the planes {', '.join(names)} at {time_ps:g} ps are not in increasing order within one period of the cell"
        )
