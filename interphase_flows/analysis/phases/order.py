"""Translational order of anion formers and mobile cations against time."""

from collections.abc import Mapping

import freud
import numpy as np
from scipy.stats import t as student

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.geometry.coordination import RadialDistribution
from interphase_flows.analysis.geometry.frames import mask_of
from interphase_flows.analysis.geometry.freud_boxes import centred, freud_box
from interphase_flows.analysis.geometry.neighbours import repeated
from interphase_flows.analysis.phases.results import OrderResult, PairOrder
from interphase_flows.analysis.phases.translational_order import translational_order
from interphase_flows.analysis.speciation.element_roles import Roles
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate

R_MAX_ANGSTROM, R_TAU_ANGSTROM, BIN_ANGSTROM = 8.0, 7.0, 0.1
N_WINDOWS = 12
"""Radial distributions are averaged within windows: what one frame's counting adds to tau is the same in all."""
LEAST_JACKKNIFED = 3
"""Frames of a window below which a change has no interval."""


class OrderSeries:
    """Takes frames; gives tau of each pair of an anion former with a mobile cation, window by window.

    Parameters
    ----------
    numbers
        Atomic numbers, (n_atoms,).
    roles
        Which elements.
    n_labelled
        Frames that will come.
    """

    def __init__(self, numbers: np.ndarray, roles: Roles, n_labelled: int) -> None:
        self._numbers = numbers
        self._pairs = [
            (centre, neighbour)
            for centre in sorted(roles.anion_formers)
            for neighbour in sorted(roles.mobile_cations)
            if mask_of(numbers, {centre}).any() and mask_of(numbers, {neighbour}).any()
        ]
        self._window = np.linspace(0, N_WINDOWS, n_labelled, endpoint=False).astype(int)
        self._times: list[float] = []
        self._g: dict[str, list[np.ndarray]] = {f"{b}-{a}": [] for a, b in self._pairs}
        self._r = np.empty(0)
        self._density: dict[str, list[float]] = {f"{b}-{a}": [] for a, b in self._pairs}

    def add(self, time_ps: float, positions: np.ndarray, cell: np.ndarray) -> None:
        """Take a frame."""
        self._times.append(time_ps)
        volume = abs(float(np.linalg.det(cell)))
        everywhere, box_cell = repeated(positions, cell, 2.0 * R_MAX_ANGSTROM * (1 + 1e-5))
        points, box = centred(everywhere, box_cell), freud_box(box_cell)
        kinds = np.tile(self._numbers, len(points) // len(self._numbers))
        for centre, neighbour in self._pairs:
            rdf = freud.density.RDF(round(R_MAX_ANGSTROM / BIN_ANGSTROM), R_MAX_ANGSTROM)
            around = points[: len(self._numbers)][mask_of(self._numbers, {centre})]
            rdf.compute((box, points[mask_of(kinds, {neighbour})]), query_points=around)
            name = f"{neighbour}-{centre}"
            self._r = np.asarray(rdf.bin_centers, dtype=float)
            self._g[name].append(np.array(rdf.rdf, dtype=float))
            self._density[name].append(float(mask_of(self._numbers, {neighbour}).sum()) / volume)

    def values(self) -> OrderResult:
        """Return tau of the first and the last window by pair, and the change between them with its interval."""
        return OrderResult(
            r_angstrom=R_TAU_ANGSTROM,
            frames_per_window=len(self._times) / len(np.unique(self._window[: len(self._times)])),
            pairs={
                name: PairOrder(start=float(tau[0]), end=float(tau[-1]), change=self._change(name))
                for name, (_, tau) in self._series().items()
            },
        )

    def arrays(self) -> Mapping[str, FloatArray]:
        """Return middles of the windows in ps, and tau by pair."""
        found = {}
        for name, (times, tau) in self._series().items():
            found["phases.order_time_ps"] = times
            found[f"phases.order {name}"] = tau
        return found

    def _series(self) -> dict[str, tuple[FloatArray, FloatArray]]:
        found = {}
        for name in self._g:
            rows = [self._rows(each) for each in self._windows()]
            times = [float(np.mean([self._times[i] for i in mine])) for mine in rows]
            found[name] = (np.array(times), np.array([self._tau(name, mine) for mine in rows]))
        return found

    def _windows(self) -> IntArray:
        return np.unique(self._window[: len(self._times)])

    def _rows(self, window: int) -> IntArray:
        return np.flatnonzero(self._window[: len(self._times)] == window)

    def _tau(self, name: str, rows: IntArray) -> float:
        """Tau of the mean g(r) of some frames."""
        mean = RadialDistribution("", "", self._r, np.mean([self._g[name][i] for i in rows], axis=0))
        density = float(np.mean([self._density[name][i] for i in rows]))
        limit = R_TAU_ANGSTROM * self._density[name][0] ** (1 / 3)
        return translational_order(mean, density, largest_reduced_distance=limit)

    def _change(self, name: str) -> Estimate:
        """Change from the first to the last window: its error by the jackknife over the frames of both."""
        rows = [self._rows(each) for each in self._windows()[[0, -1]]]
        start, end = (self._tau(name, mine) for mine in rows)
        fewest = min(len(mine) for mine in rows)
        if len(self._windows()) < 2 or fewest < LEAST_JACKKNIFED:
            return Estimate(end - start, np.nan, np.nan)
        variance = 0.0
        for mine in rows:
            without = np.array([self._tau(name, mine[mine != each]) for each in mine])
            variance += (len(mine) - 1) * float(without.var())
        half = float(student.ppf(0.5 + 0.5 * CONFIDENCE, 2 * (fewest - 1))) * np.sqrt(variance)
        return Estimate(end - start, end - start - half, end - start + half)
