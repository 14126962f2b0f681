"""Detect the interfaces of a trajectory: thickness, boundaries and remaining amounts of both sides.

Slabs of 4 to 9 Å need a cell of 36 Å and an electrode of 9 Å. Smaller cells are cut into the widest set of narrower
slabs that the first frame supports, with a note.
"""

from dataclasses import dataclass

import numpy as np

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.analysis.geometry.frames import FrameSource, mask_of, require_frames
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.analysis.geometry.slices import heights, periods_angstrom
from interphase_flows.analysis.interfaces.boundaries import (
    DEFAULT_WIDTHS_ANGSTROM,
    BoundarySeries,
    TwoSides,
    interphase_boundaries,
)
from interphase_flows.analysis.results import without_hint
from interphase_flows.exceptions import AnalysisError

WIDTHS_ANGSTROM: tuple[tuple[float, ...], ...] = (
    DEFAULT_WIDTHS_ANGSTROM,
    (4.0, 5.0, 6.0, 7.0),
    (3.0, 4.0, 5.0),
    (2.0, 3.0, 4.0),
)
"""Sets of slab widths, tried in turn."""
NO_INTERFACE = "no interface with tracked boundaries; see the part boundaries"
"""Reason why a part that needs boundaries is unavailable."""
MOST_MISSING = 0.1
"""Largest fraction of frames without boundaries that are interpolated."""


@dataclass(frozen=True)
class Interface:
    """One interface from the first to the last frame with boundaries; missing frames are interpolated linearly."""

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


def find_interfaces(frames: FrameSource, sides: TwoSides) -> tuple[BoundarySeries, tuple[float, ...], list[str]]:
    """Find the boundaries with the widest slabs that the first frame supports.

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
        No set of widths is supported, or the first frame cannot be read.
    """
    require_frames(frames)
    first, rejections = ProgressFrames(frames, 1), []
    for widths in WIDTHS_ANGSTROM:
        try:
            interphase_boundaries(first, sides, widths_angstrom=widths)
        except AnalysisError as error:
            if first.damage is not None:  # not a matter of widths
                raise
            rejections.append(without_hint(error))
            continue
        notes = []
        if rejections:
            notes.append(
                f"slabs of {widths[0]:g} to {widths[-1]:g} Å instead of {DEFAULT_WIDTHS_ANGSTROM[0]:g} to "
                f"{DEFAULT_WIDTHS_ANGSTROM[-1]:g} Å, which makes boundaries less certain; wider slabs were rejected: "
                f"{rejections[0]}"
            )
        return interphase_boundaries(frames, sides, widths_angstrom=widths), widths, notes
    least_angstrom = 4 * DEFAULT_WIDTHS_ANGSTROM[-1]
    raise AnalysisError(
        f"boundaries cannot be tracked in this cell, not even with the narrowest slabs ({rejections[-1]}). Hint: use a "
        f"cell of {least_angstrom:g} Å or more along the normal, with electrode and electrolyte in the first frame"
    )


def interfaces_of(frames: FrameSource, sides: TwoSides, found: BoundarySeries) -> tuple[list[Interface], list[str]]:
    """Return each interface that can be tracked, and notes on the others and on missing frames."""
    interfaces, notes = [], []
    left = _electrolyte_left(frames, sides, found)
    for column, name in enumerate(found.sides):
        known = np.isfinite(found.thickness_angstrom[:, column])
        if not known.any():
            notes.append(f"{name}: no frame has bulk electrolyte behind the interphase")
            continue
        first, last = int(known.argmax()), len(known) - int(known[::-1].argmax())
        rows = slice(first, last)
        missing = float(1.0 - known[rows].mean())
        if last < len(known):
            notes.append(
                f"{name}: no boundaries are found after {found.time_ps[last] - found.time_ps[0]:g} ps, because too "
                "little of the electrode or of bulk electrolyte is left; earlier frames are used"
            )
        if missing > MOST_MISSING:
            notes.append(f"{name}: {100 * missing:.0f} % of the frames have no boundaries, too many to interpolate")
            continue
        if missing:
            notes.append(f"{name}: {100 * missing:.1f} % of the frames have no boundaries and are interpolated")

        def series(values: FloatArray, known: BoolArray = known, rows: slice = rows) -> FloatArray:
            return np.interp(found.time_ps[rows], found.time_ps[known], values[known])

        begin, end = found.electrode_side_angstrom[:, column], found.electrolyte_side_angstrom[:, column]
        interfaces.append(
            Interface(
                name=name,
                first_frame=first,
                is_found=known[rows],
                time_ps=found.time_ps[rows] - found.time_ps[0],
                thickness_angstrom=series(found.thickness_angstrom[:, column]),
                electrode_side_angstrom=found.electrode_middle_angstrom[rows] + series(begin),
                electrolyte_side_angstrom=found.electrode_middle_angstrom[rows] + series(end),
                reservoirs={
                    "electrode": _without_gaps(found.time_ps[rows], found.electrode_left_angstrom[rows]),
                    "electrolyte": _without_gaps(found.time_ps[rows], left[rows, column]),
                },
            )
        )
    return interfaces, notes


def _without_gaps(time_ps: FloatArray, left: FloatArray) -> FloatArray:
    """Interpolate a reservoir over frames without the boundary of either side, unless too many are missing."""
    known = np.isfinite(left)
    if known.mean() < 1.0 - MOST_MISSING:
        return left
    return np.interp(time_ps, time_ps[known], left[known])


def _electrolyte_left(frames: FrameSource, sides: TwoSides, found: BoundarySeries) -> FloatArray:
    """Return the thickness of bulk electrolyte behind each interphase, (n_frames, n_sides), Å."""
    ends = dict(zip(found.sides, found.electrolyte_side_angstrom.T, strict=True))
    periods = periods_angstrom(frames)
    if len(ends) == 2:
        # both interfaces share the electrolyte; bulk lies between them
        both = periods + ends["below"] - ends["above"]
        return np.stack([both, both], axis=1)
    # one interface: the electrolyte ends with its last anion before the vacuum, at a fixed fraction of the cell
    is_anion = mask_of(frames.numbers, sides.anions)
    along = heights(np.asarray(frames.positions(0))[is_anion], frames.cell(0)) * periods[0]
    way = 1.0 if found.sides == ("above",) else -1.0
    far = float((way * (along - found.electrode_middle_angstrom[0]) % periods[0]).max()) * (periods / periods[0])
    return far[:, None] - way * found.electrolyte_side_angstrom.reshape(-1, 1)
