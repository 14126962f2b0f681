"""Boundaries, thickness and composition of interphases against time.

From the electrode, an interphase begins in the first slab parallel to the interface that contains an anion (an element
of the electrolyte that the electrode lacks). It ends before the next slab with the composition of the bulk electrolyte
within a tolerance. Both depend on the width and the position of the slabs, so every frame is cut into slabs of several
widths and phases. Boundaries are means over these cuts, and spreads their standard deviations. The boundary of a cut
is the middle of its first slab with an anion, or of its last slab that is not bulk, which is unbiased on average over
the phases.

The definition is that of the published study of Na | Na3PS4, whose "within 2 %" is a difference of atomic fractions of
at most 0.02. Slabs narrower than the period of a crystal do not have its composition: an unreacted Li | Li7P3S11 cut
at 3 to 8 Å would have an interphase of 10 Å. The tolerance of a width is therefore at least the deviation from the
bulk of 95 % of the slabs of that width in the middle of the electrolyte in the first frame.

In a periodic cell an electrode slab has two interfaces: `above` towards +c and `below` towards -c. A surface in contact
with vacuum is not an interface.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_masses
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.analysis.geometry.frames import FrameSource, chosen_frames, elements_of, mask_of
from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.analysis.geometry.slices import heights, wrapped_index
from interphase_flows.analysis.interfaces.slab_scan import LARGEST_SCATTER, SlabCuts
from interphase_flows.exceptions import AnalysisError, SlabWidthError

PUBLISHED_TOLERANCE = 0.02
"""Largest difference of an atomic fraction from the bulk in the published definition."""
MIDDLE_SHARES = (0.5, 0.25)
"""Fractions of the electrolyte, around its middle, that are tried in turn as bulk in the first frame."""
DEFAULT_WIDTHS_ANGSTROM = (4.0, 5.0, 6.0, 7.0, 8.0, 9.0)
VACUUM_ANGSTROM = 6.0
"""Minimum length of a region without atoms that is vacuum."""


@dataclass(frozen=True)
class TwoSides:
    """Elements of the electrode and composition of the electrolyte.

    Parameters
    ----------
    electrode
        Elements of the electrode.
    electrolyte
        Atoms of each element in a formula unit of the electrolyte: {"Li": 7, "P": 3, "S": 11}.

    Raises
    ------
    AnalysisError
        A side is empty, or the electrolyte has no element that the electrode lacks.
    """

    electrode: Collection[str]
    electrolyte: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.electrode or not self.anions or any(not count > 0 for count in self.electrolyte.values()):
            raise AnalysisError(
                f"electrode {sorted(self.electrode)} and electrolyte {dict(self.electrolyte)}: the electrolyte needs "
                "an element that the electrode lacks, and a positive number of atoms of each"
            )

    @property
    def anions(self) -> tuple[str, ...]:
        """Elements of the electrolyte that the electrode lacks."""
        return tuple(sorted(set(self.electrolyte) - set(self.electrode)))


@dataclass(frozen=True)
class BoundarySeries:
    """Boundaries of each interphase, frame by frame; means and spreads are over widths and phases of slabs.

    NaN where no cut finds bulk electrolyte, or no electrode is left. Heights are in Å along the normal from the middle
    of the electrode in the first frame; the drift of the reference atoms is removed. `electrode_middle_angstrom` plus
    a height is a plane for `interfaces.plane_flux.crossings` with the same reference.
    """

    time_ps: FloatArray
    """(n_frames,), ps."""
    sides: tuple[str, ...]
    """Names of the interphases: above, below, or one of them."""
    elements: tuple[str, ...]
    """Chemical symbols, in the order of `population`."""
    electrode_side_angstrom: FloatArray
    """(n_frames, n_sides), start of the interphase, Å."""
    electrode_side_spread_angstrom: FloatArray
    """(n_frames, n_sides), Å."""
    electrolyte_side_angstrom: FloatArray
    """(n_frames, n_sides), end of the interphase, Å."""
    electrolyte_side_spread_angstrom: FloatArray
    """(n_frames, n_sides), Å."""
    thickness_angstrom: FloatArray
    """(n_frames, n_sides), Å."""
    thickness_spread_angstrom: FloatArray
    """(n_frames, n_sides), Å."""
    population: FloatArray
    """(n_frames, n_sides, n_elements), atoms between the mean boundaries."""
    population_spread: FloatArray
    """(n_frames, n_sides, n_elements), atoms."""
    tolerances: FloatArray
    """(n_widths,), tolerance of atomic fractions; NaN for rejected widths."""
    found_share: FloatArray
    """(n_frames, n_sides), fraction of the cuts that find bulk electrolyte; means are over these."""
    electrode_left_angstrom: FloatArray
    """(n_frames,), remaining thickness of the electrode, the region without anions with most atoms, Å; 0 if it is thinner
    than the narrowest slab."""
    electrode_middle_angstrom: FloatArray
    """(n_frames,), origin of heights above the lower ab face, Å; changes with the cell."""


def interphase_boundaries(
    frames: FrameSource,
    sides: TwoSides,
    *,
    widths_angstrom: Sequence[float] = DEFAULT_WIDTHS_ANGSTROM,
    n_phases: int = 20,
    tolerance: float = PUBLISHED_TOLERANCE,
    is_calibrated: bool = True,
    reference: BoolArray | None = None,
    every: int = 1,
) -> BoundarySeries:
    """Find the boundaries of each interphase.

    Parameters
    ----------
    frames
        Trajectory with unwrapped positions.
    sides
        Electrode and electrolyte.
    widths_angstrom
        Widths of slabs in Å.
    n_phases
        Number of evenly spaced positions at which slabs of one width are cut.
    tolerance
        Largest difference of any atomic fraction from the bulk.
    is_calibrated
        Increase the tolerance of a width where slabs of bulk differ more. Without calibration, the definition is the
        published one.
    reference
        Atoms whose mean displacement is the drift, (n_atoms,); by default all, weighted by mass.
    every
        Stride between the frames used; the last one is always used.

    Raises
    ------
    AnalysisError
        The trajectory is empty or contains other elements, or there is no interface.
    SlabWidthError
        In the first frame, slabs are wider than the electrode, do not fit into the electrolyte or show no bulk.
    """
    chosen = chosen_frames(frames, every)
    elements = elements_of(frames)
    _check(sides, elements, reference, tolerance)
    bulk = _fractions(sides, elements)
    cuts = SlabCuts(
        height_angstrom=float(face_distances(frames.cell(0))[2]),
        widths_angstrom=widths_angstrom,
        n_phases=n_phases,
        anion_rows=[elements.index(element) for element in sides.anions if element in elements],
        bulk_fractions=bulk,
        tolerance=tolerance,
    )
    row_of = np.searchsorted(np.unique(frames.numbers), frames.numbers) * cuts.n_fine
    is_anion = mask_of(frames.numbers, sides.anions)
    weights = atomic_masses[frames.numbers] if reference is None else np.asarray(reference, dtype=float)
    weights = weights / weights.sum()

    directions: list[int] = []
    names: tuple[str, ...] = ()
    first_middle, start_height, last_middle = 0.0, 0.0, 0.0
    left = np.full(len(chosen), np.nan)
    periods = np.empty(len(chosen))
    results: list[list[FloatArray]] = []
    for row, index in enumerate(chosen):
        cell = np.asarray(frames.cell(index), dtype=float)
        period = periods[row] = float(face_distances(cell)[2])
        along_c = heights(frames.positions(index), cell)
        mean_height = float(weights @ along_c)
        if row == 0:
            start_height = mean_height
        along_c -= mean_height - start_height
        electrode = _electrode(along_c, is_anion)
        left[row] = electrode.width * period
        if row == 0:
            _check_electrode(electrode, period, max(widths_angstrom), sides)
            directions = [way for way in (1, -1) if not _vacuum(electrode, way, period)]
            if not directions:
                raise AnalysisError(
                    "there is vacuum on both sides of the electrode, so there is no interface. Hint: check the structure"
                )
            names = tuple("above" if way == 1 else "below" for way in directions)
            first_middle = last_middle = electrode.middle
        # the periodic image of the middle nearest to that of the last frame
        last_middle = electrode.middle + round(last_middle - electrode.middle)
        fine = np.bincount(
            row_of + wrapped_index(along_c - electrode.middle, cuts.n_fine),
            minlength=len(elements) * cuts.n_fine,
        ).reshape(len(elements), cuts.n_fine)
        if row == 0 and is_calibrated:
            _calibrate(cuts, fine, float(electrode.above[-1]), 1.0 - float(electrode.below[-1]), bulk)
        if left[row] < cuts.narrowest_angstrom:
            left[row] = 0.0
            results.append([np.full((4 + len(elements), 2), np.nan) for _ in directions])
            for missing in results[-1]:
                missing[3] = 0.0
            continue
        offset = (last_middle - first_middle) * period
        results.append([cuts.summary(fine[:, ::way], period, offset, way, left[row]) for way in directions])
    found = np.array(results)
    return BoundarySeries(
        time_ps=np.asarray(frames.time_fs, dtype=float)[chosen] / 1000.0,
        sides=names,
        elements=elements,
        electrode_side_angstrom=found[:, :, 0, 0],
        electrode_side_spread_angstrom=found[:, :, 0, 1],
        electrolyte_side_angstrom=found[:, :, 1, 0],
        electrolyte_side_spread_angstrom=found[:, :, 1, 1],
        thickness_angstrom=found[:, :, 2, 0],
        thickness_spread_angstrom=found[:, :, 2, 1],
        tolerances=cuts.tolerances,
        found_share=found[:, :, 3, 0],
        population=found[:, :, 4:, 0],
        population_spread=found[:, :, 4:, 1],
        electrode_left_angstrom=left,
        electrode_middle_angstrom=(first_middle % 1.0) * periods,
    )


@dataclass(frozen=True)
class _Electrode:
    """The region without anions with most other atoms, in fractions of the period."""

    middle: float
    width: float
    below: FloatArray
    """Distances from the middle down to the atoms in the region and to its end, ascending from 0."""
    above: FloatArray


def _electrode(along_c: FloatArray, is_anion: BoolArray) -> _Electrode:
    anions = np.sort(along_c[is_anion] % 1.0)
    others = along_c[~is_anion] % 1.0
    # by periodicity, the region below the first anion is that above the last one
    stretch = (np.searchsorted(anions, others) - 1) % len(anions)
    fullest = int(np.bincount(stretch, minlength=len(anions)).argmax())
    low = float(anions[fullest])
    width = float((anions[(fullest + 1) % len(anions)] - low) % 1.0) if len(anions) > 1 else 1.0
    inside = np.sort((others[stretch == fullest] - low) % 1.0)
    inside = inside[inside < width - 1e-9]  # without atoms in the plane of the upper anion
    middle = float(inside.mean()) if len(inside) else 0.5 * width
    return _Electrode(
        middle=low + middle,
        width=width,
        below=middle - np.array([middle, *inside[inside < middle][::-1], 0.0]),
        above=np.array([middle, *inside[inside >= middle], width]) - middle,
    )


def _vacuum(electrode: _Electrode, way: int, period: float) -> bool:
    """Return whether there is vacuum between the middle of the electrode and the first anion."""
    places = electrode.above if way == 1 else electrode.below
    return bool(np.diff(places).max() * period > VACUUM_ANGSTROM)


def _check(sides: TwoSides, elements: tuple[str, ...], reference: BoolArray | None, tolerance: float) -> None:
    unknown = sorted(set(elements) - set(sides.electrode) - set(sides.electrolyte))
    if unknown or not set(sides.anions) & set(elements):
        raise AnalysisError(
            f"the trajectory contains {', '.join(elements)}; the electrode is of {', '.join(sorted(sides.electrode))} "
            f"and the electrolyte of {', '.join(sorted(sides.electrolyte))}. Hint: list all elements of both sides"
        )
    if reference is not None and not np.any(reference):
        raise AnalysisError("the reference of the drift selects no atom")
    if not tolerance > 0:
        raise AnalysisError(f"tolerance {tolerance}: must be positive, such as 0.02")


def _check_electrode(electrode: _Electrode, period: float, widest_angstrom: float, sides: TwoSides) -> None:
    if electrode.width * period < widest_angstrom or len(electrode.above) + len(electrode.below) <= 4:
        raise SlabWidthError(
            f"no electrode: the largest region without {', '.join(sides.anions)} is {electrode.width * period:.1f} Å "
            f"thick in the first frame, and slabs of up to {widest_angstrom:g} Å need as much"
        )


def _calibrate(cuts: SlabCuts, fine: NDArray[np.integer], low: float, high: float, bulk: FloatArray) -> None:
    """Calibrate the tolerances in the middle of the electrolyte, which lies between fractions of the period.

    Raises
    ------
    AnalysisError
        The middle of the electrolyte has another composition.
    SlabWidthError
        Single slabs have.
    """
    errors = []
    for share in MIDDLE_SHARES:
        margin = 0.5 * (1.0 - share) * (high - low)
        try:
            return cuts.calibrate(fine, low + margin, high - margin)
        except SlabWidthError as error:
            errors.append(error)
    counts = fine[:, round((low + margin) * fine.shape[1]) : round((high - margin) * fine.shape[1])].sum(axis=1)
    differs = np.abs(counts / max(1, counts.sum()) - bulk).max()
    if counts.sum() and differs > LARGEST_SCATTER:
        raise AnalysisError(
            f"the middle of the electrolyte differs from its composition by {differs:.2f} in an atomic fraction in the "
            "first frame: it has reacted already, or has another composition. Hint: check --electrolyte, or begin with "
            "an earlier frame"
        )
    raise errors[0]


def _fractions(sides: TwoSides, elements: tuple[str, ...]) -> FloatArray:
    counts: NDArray[np.float64] = np.array([sides.electrolyte.get(element, 0.0) for element in elements])
    return counts / sum(sides.electrolyte.values())
