"""Onsager coefficients in time windows, of the entire cell or of regions of it.

A reacting interface is not in equilibrium. Each window has its own coefficients, drift and stationarity test; a window
that is too short for a coefficient records why. A region consists of the atoms that are in it when a window begins.
These atoms are also followed after they leave. The fraction that stays is reported, because a window much longer than
the residence time also measures the neighbouring regions. Displacements in the plane and along the normal are separate.
The reference frame is that of the atoms of the region, because momentum is exchanged with the neighbouring regions. The
mean drift of a region, such as towards the electrode, is subtracted and reported as advection.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Unpack

import numpy as np

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.geometry.frames import FrameSource, require_frames
from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.transport.collective import CollectiveMotion, collective_motion
from interphase_flows.analysis.transport.groups import by_species, slabs_along_normal
from interphase_flows.analysis.transport.onsager import (
    Directions,
    OnsagerOptions,
    OnsagerRequest,
    onsager_matrix,
    window_result,
)
from interphase_flows.analysis.transport.results import OnsagerResult
from interphase_flows.exceptions import AnalysisError, UnsupportedWindowError

OUTSIDE = -1
"""Label of atoms that are in no region."""


@dataclass(frozen=True)
class OnsagerWindow:
    """Onsager coefficients of one window, or why they are unavailable."""

    start_ps: float
    end_ps: float
    result: OnsagerResult | Unavailable


def onsager_windows(
    frames: FrameSource,
    *,
    window_ps: float,
    temperature_K: float,
    directions: Directions = "all",
    **options: Unpack[OnsagerOptions],
) -> list[OnsagerWindow]:
    """Measure Onsager coefficients in consecutive windows; a shorter remainder at the end is left out.

    Temperature, directions and options are those of `onsager.onsager_matrix`. A window that is too short for a
    coefficient is returned as unavailable. Raises AnalysisError if no window fits into the trajectory, or as
    `onsager.onsager_matrix`.
    """
    windows = []
    for first, end, start_ps, end_ps in window_bounds(frames, window_ps):
        result: OnsagerResult | Unavailable
        try:
            result = onsager_matrix(
                frames,
                temperature_K=temperature_K,
                directions=directions,
                first_frame=first,
                end_frame=end,
                **options,
            )
        except UnsupportedWindowError as error:
            result = Unavailable.from_error(error)
        windows.append(OnsagerWindow(start_ps, end_ps, result))
    return windows


def window_bounds(frames: FrameSource, window_ps: float) -> Iterator[tuple[int, int, float, float]]:
    """Yield first frame, frame after the last, and start and end in ps of consecutive windows.

    Raises AnalysisError if no window fits into the trajectory.
    """
    require_frames(frames)
    time_ps = np.asarray(frames.time_fs, dtype=float) / 1000.0
    length = float(time_ps[-1] - time_ps[0])
    # the tolerance covers rounding of times that are sums of steps
    n_windows = int(length / window_ps * (1 + 1e-9)) if window_ps > 0 else 0
    if n_windows == 0:
        raise AnalysisError(
            f"no window of {window_ps:g} ps fits into a trajectory of {length:g} ps; give a shorter window"
        )
    edges = time_ps[0] + window_ps * np.arange(n_windows + 1)
    indices = np.searchsorted(time_ps, edges * (1 - 1e-12) - 1e-9)
    for i in range(n_windows):
        yield int(indices[i]), int(indices[i + 1]), float(edges[i]), float(edges[i + 1])


@dataclass(frozen=True)
class RegionCut:
    """Regions between planes parallel to a and b, in one frame."""

    names: tuple[str, ...]
    region_of_atom: IntArray
    """(n_atoms,), `OUTSIDE` for atoms in none."""
    lower_angstrom: FloatArray
    """(n_regions,), height of the lower face above the lower ab face, Å."""
    thickness_angstrom: FloatArray


@dataclass(frozen=True)
class RegionTransport:
    """Onsager coefficients of one region in one window, or why they are unavailable."""

    name: str
    start_ps: float
    end_ps: float
    lower_angstrom: float
    """Height of its lower face above the lower ab face (or around the reference) when the window began.

    In a changing cell, heights are scaled to the mean cell of the window."""
    upper_angstrom: float
    n_atoms: int
    """When the window began."""
    fraction_staying: float
    """Fraction of these atoms that are still in the region when the window ends; NaN without atoms."""
    in_plane: OnsagerResult | Unavailable
    normal: OnsagerResult | Unavailable


def onsager_regions(
    frames: FrameSource,
    cut: Callable[[int], RegionCut],
    windows: Iterable[tuple[int, int, float, float]],
    request: OnsagerRequest,
) -> list[RegionTransport]:
    """Measure Onsager coefficients region by region in windows; a region without enough data is returned as unavailable.

    `cut` returns the regions of a frame, by its index; their names are the same in every frame. `windows` are those of
    `window_bounds`. The reference frame is that of each region's own atoms. The volume of a region is its fraction of the
    cell when the window begins, times the mean volume of the cell. Otherwise as `onsager.onsager_matrix`.
    """
    found = []
    for first, end, start_ps, end_ps in windows:
        begun, ended = cut(first), cut(end - 1)
        n = len(begun.names)
        region = np.where(begun.region_of_atom == OUTSIDE, n, begun.region_of_atom)
        cell = np.asarray(frames.cell(first), dtype=float)
        motion: CollectiveMotion | Unavailable
        stretch = growth = 1.0
        try:
            motion = collective_motion(
                frames, by_species(frames, region, n + 1), first_frame=first, end_frame=end, along_normal=True
            )
        except UnsupportedWindowError as error:
            motion = Unavailable.from_error(error)
        else:
            stretch = float(face_distances(motion.cell_angstrom)[2] / face_distances(cell)[2])
            growth = motion.volume_angstrom3 / float(abs(np.linalg.det(cell)))
        area = float(np.linalg.norm(np.cross(cell[0], cell[1])))
        for i, name in enumerate(begun.names):
            inside = region == i
            thickness = float(begun.thickness_angstrom[i])
            volume = growth * area * thickness
            lower, upper = (float(begun.lower_angstrom[i]), float(begun.lower_angstrom[i]) + thickness)
            found.append(
                RegionTransport(
                    name=name,
                    start_ps=start_ps,
                    end_ps=end_ps,
                    lower_angstrom=stretch * lower,
                    upper_angstrom=stretch * upper,
                    n_atoms=int(inside.sum()),
                    fraction_staying=float((ended.region_of_atom[inside] == i).mean()) if inside.any() else np.nan,
                    in_plane=_of_region(motion, i, volume, "in_plane", request),
                    normal=_of_region(motion, i, volume, "normal", request),
                )
            )
    return found


def onsager_slabs(
    frames: FrameSource,
    *,
    window_ps: float,
    n_slabs: int,
    temperature_K: float,
    reference: BoolArray | None = None,
    **options: Unpack[OnsagerOptions],
) -> list[RegionTransport]:
    """Measure Onsager coefficients of `n_slabs` equal slabs along the interface normal in consecutive windows.

    `reference` selects the atoms whose centre defines the centre of the slabs, as in `profiles.composition_profile`.
    The options are those of `onsager.onsager_matrix`, but the frame is that of each slab's own atoms, and `species`
    defaults to all that are present in a slab. A slab without enough data is returned as unavailable. Raises
    AnalysisError if no window fits into the trajectory, `n_slabs` is not positive, or as `onsager.onsager_matrix`.
    """
    if n_slabs < 1:
        raise AnalysisError(f"n_slabs = {n_slabs}: it must be at least 1")

    def cut(index: int) -> RegionCut:
        edges = np.linspace(0.0, face_distances(frames.cell(index))[2], n_slabs + 1)
        return RegionCut(
            names=tuple(f"slab {i + 1} of {n_slabs}" for i in range(n_slabs)),
            region_of_atom=slabs_along_normal(frames, index, n_slabs, reference),
            lower_angstrom=edges[:-1],
            thickness_angstrom=np.diff(edges),
        )

    request = OnsagerRequest(temperature_K, **options)
    return onsager_regions(frames, cut, window_bounds(frames, window_ps), request)


def _of_region(
    motion: CollectiveMotion | Unavailable,
    region: int,
    volume_angstrom3: float,
    directions: Directions,
    request: OnsagerRequest,
) -> OnsagerResult | Unavailable:
    if isinstance(motion, Unavailable):
        return motion
    present = {motion.groups.species[each] for each in motion.groups.of_domain(region)}
    needed = {*(request.species or ()), *request.at_rest}
    if not present:
        return Unavailable(reason="no atom was in this slab when the window began")
    if not needed <= present:
        absent = ", ".join(sorted(needed - present))
        return Unavailable(reason=f"no atom of {absent} was in this slab when the window began")
    if len(present) == 1:
        return Unavailable(
            reason=f"all atoms of this slab are of {present.pop()}: in a frame at rest with them their coefficient is "
            "zero by definition"
        )
    try:
        return window_result(motion, region, volume_angstrom3, directions, request)
    except UnsupportedWindowError as error:
        return Unavailable.from_error(error)
