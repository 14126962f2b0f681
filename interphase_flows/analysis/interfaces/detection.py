"""Detect the interfaces of a trajectory: thickness, boundaries and remaining amounts of both sides.

Slabs of 4 to 9 Å need a cell of 36 Å and an electrode of 9 Å. Smaller cells are cut into the widest set of narrower
slabs that the first frame supports, with a note. When a side is exhausted, the series end.
"""

from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.analysis.geometry.frames import FrameSource, mask_of, require_frames
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.analysis.geometry.slices import heights, periods_angstrom
from interphase_flows.analysis.interfaces.boundaries import (
    DEFAULT_WIDTHS_ANGSTROM,
    PUBLISHED_TOLERANCE,
    BoundarySeries,
    TwoSides,
    interphase_boundaries,
)
from interphase_flows.analysis.interfaces.depletion import find_depletion, median_frames
from interphase_flows.exceptions import AnalysisError, SlabWidthError

WIDTHS_ANGSTROM: tuple[tuple[float, ...], ...] = (
    DEFAULT_WIDTHS_ANGSTROM,
    (4.0, 5.0, 6.0, 7.0),
    (3.0, 4.0, 5.0),
    (2.0, 3.0, 4.0),
)
"""Sets of slab widths, tried in turn."""
NO_INTERFACE = "no interface with tracked boundaries; see the part boundaries"
"""Reason why a part that needs boundaries is unavailable."""
MOST_MISSING = 0.2
"""Largest fraction of frames without boundaries that are interpolated."""


@dataclass(frozen=True)
class Interface:
    """One interface from the first to the last frame with boundaries; missing frames are interpolated linearly.

    If a side is exhausted, a few frames follow that show it in the reservoirs, with the last boundaries.
    """

    name: str
    """``above`` or ``below``."""
    first_frame: int
    """Index of the first frame of the series."""
    is_found: BoolArray
    """(n,), whether the boundaries were found in the frame."""
    time_ps: FloatArray
    """(n,), ps since the trajectory's first frame."""
    thickness_angstrom: FloatArray
    """(n,), Å."""
    electrode_side_angstrom: FloatArray
    """(n,), start of the interphase above the lower ab face, Å."""
    electrolyte_side_angstrom: FloatArray
    """(n,), end of the interphase above the lower ab face, Å."""
    reservoirs: dict[str, FloatArray]
    """Remaining thickness of electrode and electrolyte, (n,) each, Å."""


def find_interfaces(
    frames: FrameSource, sides: TwoSides, *, tolerance: float | None = None
) -> tuple[BoundarySeries, tuple[float, ...], list[str]]:
    """Find the boundaries with the widest slabs that the first frame supports.

    Parameters
    ----------
    frames, sides
        The trajectory and its two sides.
    tolerance
        Fixed tolerance of atomic fractions; calibrated in the first frame by default.

    Returns
    -------
    found
        The boundaries.
    widths_angstrom
        Slab widths, Å.
    notes
        Why wider slabs were rejected.

    Raises
    ------
    AnalysisError
        No set of widths is supported, there is no interface, or a frame cannot be read.
    """
    require_frames(frames)
    fixed = PUBLISHED_TOLERANCE if tolerance is None else tolerance
    rejections: list[str] = []
    for widths in WIDTHS_ANGSTROM:
        options: _Options = {"widths_angstrom": widths, "tolerance": fixed, "is_calibrated": tolerance is None}
        try:
            interphase_boundaries(ProgressFrames(frames, 1), sides, **options)
        except SlabWidthError as error:
            rejections.append(str(error))
            continue
        notes = []
        if rejections:
            notes.append(
                f"slabs of {widths[0]:g} to {widths[-1]:g} Å instead of {DEFAULT_WIDTHS_ANGSTROM[0]:g} to "
                f"{DEFAULT_WIDTHS_ANGSTROM[-1]:g} Å, which makes boundaries less certain; wider slabs were rejected: "
                f"{rejections[0]}"
            )
        return interphase_boundaries(frames, sides, **options), widths, notes
    narrowest = WIDTHS_ANGSTROM[-1]
    raise AnalysisError(
        f"no boundaries, not even with slabs of {narrowest[0]:g} to {narrowest[-1]:g} Å: {rejections[-1]}. Hint: if "
        "there is an interface, begin with a frame that contains bulk electrode and bulk electrolyte"
    )


def interfaces_of(frames: FrameSource, sides: TwoSides, found: BoundarySeries) -> tuple[list[Interface], list[str]]:
    """Return each interface that can be tracked, and notes on the others, on missing frames and on a depletion."""
    interfaces, notes = [], []
    left = _electrolyte_left(frames, sides, found)
    for column, name in enumerate(found.sides):
        known = np.isfinite(found.thickness_angstrom[:, column])
        if not known.any():
            notes.append(f"{name}: no frame has bulk electrolyte behind the interphase")
            continue
        if not np.isfinite(left).all():
            notes.append(f"{name}: no frame has boundaries of the other interface, so the electrolyte left is unknown")
            continue
        first = int(known.argmax())
        reservoirs = {"electrode": found.electrode_left_angstrom, "electrolyte": left[:, column]}
        depletion = find_depletion(found.time_ps[first:], {side: each[first:] for side, each in reservoirs.items()})
        if depletion is None:
            tracked = end = len(known) - int(known[::-1].argmax())
            if end < len(known):
                notes.append(
                    f"{name}: no boundaries are found after {found.time_ps[end - 1] - found.time_ps[0]:g} ps; earlier "
                    "frames are used"
                )
        else:
            tracked = int(np.searchsorted(found.time_ps, depletion.time_ps))
            end = min(tracked + median_frames(len(known)), len(known))
            notes.append(
                f"{name}: the {depletion.reservoir} was used up at {depletion.time_ps - found.time_ps[0]:g} ps, and "
                "boundaries are those before"
            )
        known[tracked:] = False
        rows = slice(first, end)
        missing = float(1.0 - known[first:tracked].mean())
        if missing > MOST_MISSING:
            notes.append(f"{name}: {100 * missing:.0f} % of the frames have no boundaries, too many to interpolate")
            continue
        if missing:
            notes.append(f"{name}: {100 * missing:.1f} % of the frames have no boundaries and are interpolated")

        def series(values: FloatArray, known: BoolArray = known, rows: slice = rows) -> FloatArray:
            return np.interp(found.time_ps[rows], found.time_ps[known], values[known])

        begin, end_ = found.electrode_side_angstrom[:, column], found.electrolyte_side_angstrom[:, column]
        interfaces.append(
            Interface(
                name=name,
                first_frame=first,
                is_found=known[rows],
                time_ps=found.time_ps[rows] - found.time_ps[0],
                thickness_angstrom=series(found.thickness_angstrom[:, column]),
                electrode_side_angstrom=found.electrode_middle_angstrom[rows] + series(begin),
                electrolyte_side_angstrom=found.electrode_middle_angstrom[rows] + series(end_),
                reservoirs={side: each[rows] for side, each in reservoirs.items()},
            )
        )
    return interfaces, notes


class _Options(TypedDict):
    """Options of `interphase_boundaries`."""

    widths_angstrom: tuple[float, ...]
    tolerance: float
    is_calibrated: bool


def _electrolyte_left(frames: FrameSource, sides: TwoSides, found: BoundarySeries) -> FloatArray:
    """Return the thickness of bulk electrolyte behind each interphase, (n_frames, n_sides), Å; 0 where no slab has it.

    A boundary that is missing in a frame is interpolated if the other one shows bulk, if the electrode is too thin, or if
    both are missing in a few frames only.
    """
    periods = periods_angstrom(frames)
    columns = zip(found.sides, found.electrolyte_side_angstrom.T, strict=True)
    ends = {side: _interpolated(found.time_ps, column) for side, column in columns}
    if len(ends) == 2:
        # both interfaces share the electrolyte; bulk lies between them
        both = periods + ends["below"] - ends["above"]
        left = np.stack([both, both], axis=1)
    else:
        # one interface: the electrolyte ends with its last anion before the vacuum, at a fixed fraction of the cell
        is_anion = mask_of(frames.numbers, sides.anions)
        along = heights(np.asarray(frames.positions(0))[is_anion], frames.cell(0)) * periods[0]
        (side,) = ends
        way = 1.0 if side == "above" else -1.0
        far = float((way * (along - found.electrode_middle_angstrom[0]) % periods[0]).max()) * (periods / periods[0])
        left = (far - way * ends[side])[:, None]
    used_up = np.isnan(found.electrolyte_side_angstrom).all(axis=1) & (found.electrode_left_angstrom > 0)
    left[_long_runs(used_up, median_frames(len(used_up)))] = 0.0
    return left


def _interpolated(time_ps: FloatArray, values: FloatArray) -> FloatArray:
    """Return a series without gaps, constant beyond its ends; NaN if nothing is known."""
    known = np.isfinite(values)
    return np.interp(time_ps, time_ps[known], values[known]) if known.any() else values


def _long_runs(flags: BoolArray, longest: int) -> BoolArray:
    """Return the flags without runs of up to `longest` flags, except at the end."""
    kept = np.zeros(len(flags), dtype=bool)
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        kept[begin:end] = end - begin > longest or end == len(flags)
    return kept
