"""Cut a frame into slabs of several widths and phases, and find the two boundaries of each cut.

Atoms are counted once, in slices of about 0.05 Å from the middle of the electrode. Every slab is a difference of two
cumulative sums of these counts. The opposite direction uses the slices in reverse order.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.exceptions import AnalysisError, SlabWidthError

FINE_ANGSTROM = 0.05
BULK_QUANTILE = 0.95
"""Fraction of the slabs of bulk electrolyte whose composition is within the tolerance. In one cut of twenty, a slab of
bulk is missed and the interphase ends one slab later; with the largest deviation of all it would end far too early."""
GOOD_SCATTER, LARGEST_SCATTER = 0.06, 0.1
"""Largest tolerances of atomic fractions, if any width and if no width has a good one: a wide tolerance takes the outer
part of an interphase for bulk."""


class SlabCuts:
    """Cuts of cells of similar height into slabs.

    Parameters
    ----------
    height_angstrom
        Period along the normal in Å; widths scale with it in other frames.
    widths_angstrom
        Widths of slabs in Å.
    n_phases
        Number of cuts of each width.
    anion_rows
        Rows of the counts of anions.
    bulk_fractions
        Atomic fractions of the bulk electrolyte, (n_elements,).
    tolerance
        Largest difference of an atomic fraction from the bulk.

    Raises
    ------
    AnalysisError
        There are no widths or phases, or a width is too small.
    SlabWidthError
        A width is larger than a quarter of the cell.
    """

    def __init__(
        self,
        *,
        height_angstrom: float,
        widths_angstrom: Sequence[float],
        n_phases: int,
        anion_rows: Sequence[int],
        bulk_fractions: FloatArray,
        tolerance: float,
    ) -> None:
        if n_phases < 1 or not widths_angstrom:
            raise AnalysisError("boundaries need at least one slab width and one phase")
        if min(widths_angstrom) < 4 * FINE_ANGSTROM:
            raise AnalysisError(f"slabs of {min(widths_angstrom):g} Å: widths must be {4 * FINE_ANGSTROM} Å or more")
        if max(widths_angstrom) > height_angstrom / 4:
            raise SlabWidthError(
                f"the cell is {height_angstrom:.1f} Å high along the normal, and slabs of up to "
                f"{max(widths_angstrom):g} Å, a quarter of the cell, need {4 * max(widths_angstrom):g} Å"
            )
        self.n_fine = round(height_angstrom / FINE_ANGSTROM)
        self._widths_angstrom = np.array(widths_angstrom, dtype=float)
        self._is_calibrated = False
        self._anion_rows = list(anion_rows)
        self._bulk = bulk_fractions[:, None, None]
        self._edges, self._width_of = self._cut(height_angstrom, widths_angstrom, n_phases)
        self.tolerances: FloatArray = np.full(len(widths_angstrom), tolerance)
        """Tolerance of each width, (n_widths,); NaN for rejected widths."""

    @property
    def narrowest_angstrom(self) -> float:
        """Smallest width that is not rejected, Å."""
        return float(self._widths_angstrom[np.isfinite(self.tolerances)].min())

    def _cut(
        self, height_angstrom: float, widths_angstrom: Sequence[float], n_phases: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the edges of each cut in fine slices, (n_cuts, n_edges), padded with the last one, and its width."""
        cuts = []
        for width in widths_angstrom:
            fine = round(width / height_angstrom * self.n_fine)
            for phase in range(n_phases):
                # the first slab begins at or before the middle of the electrode
                first = round((phase + 0.5) / n_phases * fine) - fine
                cuts.append(np.arange(first, self.n_fine + fine, fine))
        longest = max(len(cut) for cut in cuts)
        edges = np.full((len(cuts), longest), self.n_fine, dtype=np.int64)
        for row, cut in enumerate(cuts):
            edges[row, : len(cut)] = cut
        return np.clip(edges, 0, self.n_fine), np.repeat(np.arange(len(widths_angstrom)), n_phases)

    def calibrate(self, fine: NDArray[np.integer], low: float, high: float) -> None:
        """Increase the tolerance of each width to the `BULK_QUANTILE` of the deviations within the bulk electrolyte.

        Narrow slabs of a crystal contain different planes. Widths with too large deviations are rejected: their tolerance
        becomes NaN.

        Parameters
        ----------
        fine
            Atoms of each element in fine slices, (n_elements, n_fine).
        low, high
            Limits of the bulk electrolyte as fractions of the period.

        Raises
        ------
        SlabWidthError
            No width is left.
        """
        fractions, counts = self._composition(fine)
        inside = (self._edges[:, :-1] >= low * self.n_fine) & (self._edges[:, 1:] <= high * self.n_fine)
        inside &= counts.sum(axis=0) > 0
        deviation = np.abs(fractions - self._bulk).max(axis=0)
        usual = np.full(len(self.tolerances), np.inf)
        for width in range(len(usual)):
            own = self._width_of == width
            if inside[own].any():
                usual[width] = np.quantile(deviation[own][inside[own]], BULK_QUANTILE)
        if not inside.any():
            raise SlabWidthError("no slab fits into the middle of the electrolyte in the first frame")
        if usual.min() > LARGEST_SCATTER:
            raise SlabWidthError(
                f"slabs in the middle of the electrolyte differ from its composition by {usual.min():.2f} in an atomic "
                f"fraction in the first frame, and at most {LARGEST_SCATTER} identifies the bulk"
            )
        limit = GOOD_SCATTER if usual.min() <= GOOD_SCATTER else LARGEST_SCATTER
        self.tolerances = np.where(usual <= limit, np.maximum(self.tolerances, usual), np.nan)
        self._is_calibrated = True
        kept = np.isfinite(self.tolerances[self._width_of])
        self._edges, self._width_of = self._edges[kept], self._width_of[kept]

    def _composition(
        self, fine: NDArray[np.integer], cuts: NDArray[np.bool_] | slice = slice(None)
    ) -> tuple[FloatArray, FloatArray]:
        """Return atomic fractions, (n_elements, n_cuts, n_slabs), 0 where empty, and counts of each slab."""
        counts = np.diff(_running(fine)[:, self._edges[cuts]], axis=2)
        return counts / np.maximum(counts.sum(axis=0), 1.0), counts

    def summary(
        self,
        fine: NDArray[np.integer],
        period_angstrom: float,
        offset: float,
        way: int,
        widest_angstrom: float = np.inf,
    ) -> FloatArray:
        """Find both boundaries with every cut; return means and standard deviations, NaN without bulk electrolyte.

        Parameters
        ----------
        fine
            Atoms of each element in fine slices from the middle of the electrode, (n_elements, n_fine).
        period_angstrom
            Period along the normal in this frame, Å.
        offset
            Height of the electrode's middle, Å.
        way
            1 upwards, -1 downwards.
        widest_angstrom
            Width of the widest slabs that are used, Å: the electrode must contain one.

        Returns
        -------
        summary
            (4 + n_elements, 2), mean and standard deviation of: start and end in Å, thickness in Å, fraction of the cuts
            with an end, atoms of each element between the mean boundaries and the deviation over cuts.
        """
        cuts = self._widths_angstrom[self._width_of] <= widest_angstrom
        fractions, counts = self._composition(fine, cuts)
        limit = self.tolerances[self._width_of[cuts]][:, None]
        is_bulk = (np.abs(fractions - self._bulk) <= limit).all(axis=0)
        first = (counts[self._anion_rows].sum(axis=0) > 0).argmax(axis=1)
        is_bulk &= np.arange(is_bulk.shape[1]) >= first[:, None]
        ended = is_bulk.any(axis=1)
        share = float(ended.mean())
        if not ended.any():
            empty = np.full((4 + len(fine), 2), np.nan)
            empty[3] = share, 0.0
            return empty
        first = first[ended]
        last = np.maximum(is_bulk[ended].argmax(axis=1) - 1, first)
        edges = self._edges[cuts][ended]
        cut = np.arange(len(edges))
        begin, end = (0.5 * (edges[cut, slab] + edges[cut, slab + 1]) for slab in (first, last))
        if self._is_calibrated:  # the published definition has this bias
            end = np.minimum(end + self._bias_of_thin_bulk(cuts, ended), self.n_fine)
        heights = np.stack([begin, end, end - begin]) * (period_angstrom / self.n_fine)
        heights[:2] = offset + way * heights[:2]
        running = _running(fine)
        between = _at(running, end) - _at(running, begin)
        samples = np.concatenate([heights, np.full((1, len(cut)), share), between])
        summary = np.stack([samples.mean(axis=1), samples.std(axis=1)], axis=1)
        summary[3] = share, 0.0
        # counts of single cuts are biased, counts between the mean boundaries are not
        summary[4:, 0] = (_at(running, end.mean(keepdims=True)) - _at(running, begin.mean(keepdims=True)))[:, 0]
        return np.asarray(summary)

    def _bias_of_thin_bulk(self, cuts: NDArray[np.bool_], ended: NDArray[np.bool_]) -> FloatArray:
        """Return the shift of the end of each cut with one that removes a bias, in fine slices.

        Slabs of width w find bulk of a thickness W below 2 w in a fraction W / w - 1 = p of the cuts, and then on average
        w (1 - p) / 2 too close to the electrode.
        """
        widths = self._width_of[cuts]
        n_widths = len(self._widths_angstrom)
        found = np.bincount(widths[ended], minlength=n_widths) / np.maximum(np.bincount(widths, minlength=n_widths), 1)
        slices = (self._edges[:, 2] - self._edges[:, 1])[cuts]
        return np.asarray(0.5 * slices[ended] * (1.0 - found[widths[ended]]))


def _running(fine: NDArray[np.integer]) -> FloatArray:
    """Return cumulative counts at the edges of the fine slices, (n_elements, n_fine + 1)."""
    running = np.zeros((len(fine), fine.shape[1] + 1))
    np.cumsum(fine, axis=1, out=running[:, 1:])
    return running


def _at(running: FloatArray, place: FloatArray) -> FloatArray:
    """Return cumulative counts interpolated between the edges of fine slices, (n_elements, n_places)."""
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, running.shape[1] - 1)
    return running[:, low] + (place - low) * (running[:, high] - running[:, low])
