"""Phase labels against height and time, and the phase composition of the interphase."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import t as student

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.analysis.geometry.slices import wrapped_index
from interphase_flows.analysis.interfaces.detection import NO_INTERFACE, Interface
from interphase_flows.analysis.interfaces.layers import layer_of
from interphase_flows.analysis.phases.results import LabelShares, LabelsResult
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.statistics.autocorrelation import (
    LARGEST_SHARE_FITTED_AWAY,
    statistical_inefficiency,
)
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.exceptions import AnalysisError

SLAB_ANGSTROM = 2.5
MOST_SLABS = 60
LEAST_LABELLED = 4
"""Minimum number of frames for an interval of their mean."""


class PhaseMap:
    """Count labels of atoms by slab and by interphase, frame by frame.

    A slab is a fixed fraction of the cell, whose height may change.

    Parameters
    ----------
    labels
        Labels by code.
    cell
        Lattice vectors of the first frame in Å as rows.
    interfaces
        Tracked interphases.
    """

    def __init__(self, labels: Sequence[str], cell: np.ndarray, interfaces: Sequence[Interface]) -> None:
        self.labels = tuple(labels)
        self._interfaces = interfaces
        self._first_period = float(face_distances(cell)[2])
        self.n_slabs = int(np.clip(round(self._first_period / SLAB_ANGSTROM), 4, MOST_SLABS))
        self._edges = np.linspace(0.0, self._first_period, self.n_slabs + 1)
        self._periods: list[float] = []
        self._times: list[float] = []
        self._map: list[np.ndarray] = []
        self._inside: dict[str, list[np.ndarray]] = {each.name: [] for each in interfaces}
        self._ends: dict[str, list[tuple[float, float]]] = {each.name: [] for each in interfaces}

    def add(
        self,
        frame: int,
        time_ps: float,
        along: FloatArray,
        codes: np.ndarray,
        *,
        zero: float,
        period_angstrom: float,
        drift: float,
    ) -> None:
        """Add a frame.

        Parameters
        ----------
        frame, time_ps
            Index and time of the frame.
        along
            Heights of the atoms as fractions of the cell, (n_atoms,).
        codes
            Labels of the atoms, (n_atoms,).
        zero, drift
            Origin of the map, and drift of the centre of mass, as fractions of the cell.
        period_angstrom
            Height of the cell in Å.
        """
        n = len(self.labels)
        slab = wrapped_index(along - zero, self.n_slabs)
        counts = np.bincount(codes.astype(np.int64) * self.n_slabs + slab, minlength=n * self.n_slabs)
        self._times.append(time_ps)
        self._periods.append(period_angstrom)
        self._map.append(counts.reshape(n, self.n_slabs))
        for each in self._interfaces:
            layer = layer_of(each, frame, period_angstrom, drift)
            if layer is None:
                self._ends[each.name].append((np.nan, np.nan))
                continue
            low, high = layer
            inside = (along - low) % 1.0 <= high - low
            begin = (low - zero) % 1.0
            self._inside[each.name].append(np.bincount(codes[inside], minlength=n))
            self._ends[each.name].append((begin * period_angstrom, (begin + high - low) * period_angstrom))

    def values(self) -> LabelsResult:
        """Return the phase composition of the cell and of each interphase, over the last third of the frames."""
        table = np.array(self._map)
        sides: dict[str, LabelShares | Unavailable] = {}
        for name, rows in self._inside.items():
            try:
                sides[name] = self._shares(np.array(rows))
            except AnalysisError as error:
                sides[name] = Unavailable.from_error(error)
        return LabelsResult(
            names=list(self.labels),
            n_labelled=len(table),
            slab_angstrom=float(self._edges[1]),
            entire_cell=self._shares(table.sum(axis=2)),
            sides=sides or Unavailable(reason=NO_INTERFACE),
        )

    def shares_of_the_cell(self) -> tuple[FloatArray, dict[str, FloatArray]]:
        """Return the times of the labelled frames in ps, and the fraction of all atoms with each label."""
        counts = np.array(self._map, dtype=float).sum(axis=2)
        shares = counts / counts.sum(axis=1, keepdims=True)
        return np.array(self._times), dict(zip(self.labels, shares.T, strict=True))

    def arrays(self) -> Mapping[str, FloatArray]:
        """Return the map in atoms, (n_labelled, n_labels, n_slabs), its edges, and the interphase boundaries, Å.

        Edges are those in the first frame. The boundaries are in Å of their frames, whose cells have the heights
        ``map_period_angstrom``.
        """
        found = {
            "phases.map_time_ps": np.array(self._times),
            "phases.map_edges_angstrom": self._edges,
            "phases.map_period_angstrom": np.array(self._periods),
            "phases.map_atoms": np.array(self._map, dtype=float),
        }
        for name, ends in self._ends.items():
            found[f"phases.interphase_{name}_angstrom"] = np.array(ends).reshape(-1, 2)
        return found

    def _shares(self, counts: np.ndarray) -> LabelShares:
        """Return fractions of atoms by label with intervals, from counts (n_frames, n_labels)."""
        total = counts.sum(axis=1) if len(counts) else np.zeros(0)
        counts, total = counts[total > 0], total[total > 0]
        if not len(counts):
            raise AnalysisError("no labelled frame has atoms between the boundaries")
        last = slice(-max(1, len(counts) // 3), None)
        shares = (counts / total[:, None])[last]
        return LabelShares(
            n_frames=len(shares),
            n_atoms=float(total[last].mean()),
            shares={
                label: mean_with_interval(column)
                for label, column in zip(self.labels, shares.T, strict=True)
                if column.any()
            },
        )


def mean_with_interval(series: FloatArray) -> Estimate:
    """Return the mean of a fraction over correlated frames, with an interval within 0 to 1.

    The interval is Student's t for the number of independent frames, because a bootstrap is too narrow for few frames. It
    does not contain fluctuations slower than the series. Fewer than `LEAST_LABELLED` frames have no interval.
    """
    series = np.asarray(series, dtype=float)
    n, mean = len(series), float(series.mean())
    if n < LEAST_LABELLED:
        return Estimate.unknown(mean)
    independent = n / statistical_inefficiency(series - mean)
    variance = float(series.var()) / (1 - min(1 / independent, LARGEST_SHARE_FITTED_AWAY))
    quantile = float(student.ppf(0.5 + 0.5 * CONFIDENCE, max(independent - 1, 1.0)))
    return Estimate.symmetric(mean, float(np.sqrt(variance / independent)), quantile=quantile).clipped(0.0, 1.0)
