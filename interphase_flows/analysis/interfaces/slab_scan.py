"""Cut a frame into slabs of several widths and phases, and find the two boundaries of each cut.

Atoms are counted once, in slices of about 0.05 Å from the middle of the electrode. Every slab is a difference of two
cumulative sums of these counts. The opposite direction uses the slices in reverse order.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import BoolArray, FloatArray
from interphase_flows.exceptions import AnalysisError

FINE_ANGSTROM = 0.05
LARGEST_SCATTER = 0.1
"""Largest deviation of atomic fractions within the bulk; wider scatter does not identify bulk electrolyte."""


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
        There are no widths or phases, or a width is too small or larger than a quarter of the cell.
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
        if not all(4 * FINE_ANGSTROM <= width <= height_angstrom / 4 for width in widths_angstrom):
            raise AnalysisError(
                f"slabs of {', '.join(f'{width:g}' for width in widths_angstrom)} Å in a cell of "
                f"{height_angstrom:.1f} Å; widths must be from {4 * FINE_ANGSTROM} Å to a quarter of the cell"
            )
        self.n_fine = round(height_angstrom / FINE_ANGSTROM)
        self.widest_angstrom = max(widths_angstrom)
        self._anion_rows = list(anion_rows)
        self._bulk = bulk_fractions[:, None, None]
        self._edges, self._width_of = self._cut(height_angstrom, widths_angstrom, n_phases)
        self.tolerances: FloatArray = np.full(len(widths_angstrom), tolerance)
        """Tolerance of each width, (n_widths,)."""

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
        """Increase the tolerance of each width to the deviation of slabs within the bulk electrolyte.

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
        AnalysisError
            No width is left.
        """
        fractions, counts = self._composition(fine)
        inside = (self._edges[:, :-1] >= low * self.n_fine) & (self._edges[:, 1:] <= high * self.n_fine)
        inside &= counts.sum(axis=0) > 0
        scatter = np.where(inside, np.abs(fractions - self._bulk).max(axis=0), 0.0).max(axis=1)
        known: BoolArray = np.asarray(inside.any(axis=1))
        for width in range(len(self.tolerances)):
            own = self._width_of == width
            worst = float(scatter[own].max()) if known[own].any() else np.inf
            self.tolerances[width] = max(self.tolerances[width], worst) if worst <= LARGEST_SCATTER else np.nan
        kept = np.isfinite(self.tolerances[self._width_of])
        if not kept.any():
            raise AnalysisError(
                "slabs in the middle of the electrolyte differ from its composition by more than "
                f"{LARGEST_SCATTER} in an atomic fraction in the first frame. Hint: check the composition, begin with an "
                "unreacted frame, or use wider slabs, because narrow slabs of a crystal contain single planes"
            )
        self._edges, self._width_of = self._edges[kept], self._width_of[kept]

    def _composition(self, fine: NDArray[np.integer]) -> tuple[FloatArray, FloatArray]:
        """Return atomic fractions, (n_elements, n_cuts, n_slabs), 0 where empty, and counts of each slab."""
        counts = np.diff(_running(fine)[:, self._edges], axis=2)
        return counts / np.maximum(counts.sum(axis=0), 1.0), counts

    def summary(self, fine: NDArray[np.integer], period_angstrom: float, offset: float, way: int) -> FloatArray:
        """Find both boundaries with every cut; return means and standard deviations.

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

        Returns
        -------
        summary
            (4 + n_elements, 2), mean and standard deviation of: start and end in Å, thickness in Å, fraction of the cuts
            with an end, atoms of each element between the mean boundaries and the deviation over cuts.
        """
        fractions, counts = self._composition(fine)
        limit = self.tolerances[self._width_of][:, None]
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
        edges = self._edges[ended]
        cut = np.arange(len(edges))
        begin, end = (0.5 * (edges[cut, slab] + edges[cut, slab + 1]) for slab in (first, last))
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
