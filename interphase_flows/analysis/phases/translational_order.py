"""Translational order parameter tau of pairs of elements, of one radial distribution and against time."""

from collections.abc import Mapping

import numpy as np
from scipy.integrate import trapezoid
from scipy.stats import t as student

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.geometry.coordination import RadialDistribution, radial_distribution
from interphase_flows.analysis.geometry.frames import ArrayFrames, mask_of
from interphase_flows.analysis.phases.results import OrderResult, PairOrder
from interphase_flows.analysis.speciation.element_roles import Roles
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.exceptions import AnalysisError

R_MAX_ANGSTROM, R_TAU_ANGSTROM, BIN_ANGSTROM = 8.0, 7.0, 0.1
N_WINDOWS = 12
"""Radial distributions are averaged over windows of equal length, so that counting noise adds the same to every tau."""
LEAST_JACKKNIFED = 3
"""Minimum number of frames of a window for an interval of a change."""


def translational_order(
    rdf: RadialDistribution, density_per_angstrom3: float, *, largest_reduced_distance: float | None = None
) -> float:
    """Return tau = (1/x_c) ∫ |g(x) - 1| dx from 0 to x_c, with x = r density^(1/3).

    Truskett, Torquato and Debenedetti, Phys. Rev. E 62, 993 (2000). It is 0 for an ideal gas and increases with order.
    Compare only values of equal x_c and bin width, because that of a crystal increases with finer bins.

    Parameters
    ----------
    rdf
        Radial distribution of the pair, such as Li around S.
    density_per_angstrom3
        Number density of the neighbours in 1/Å³.
    largest_reduced_distance
        x_c; the entire range by default.

    Raises
    ------
    AnalysisError
        The density is not positive, or the radial distribution ends before x_c.
    """
    if not density_per_angstrom3 > 0:
        raise AnalysisError(f"density {density_per_angstrom3} 1/Å³: must be positive")
    x = rdf.r_angstrom * density_per_angstrom3 ** (1 / 3)
    limit = x[-1] if largest_reduced_distance is None else largest_reduced_distance
    if not 0 < limit <= x[-1] + 1e-9:
        raise AnalysisError(
            f"x_c = {limit}, but g(r) ends at {x[-1]:.2f}. Hint: choose a smaller x_c or a larger r_max_angstrom"
        )
    inside = x <= limit + 1e-9
    # |g - 1| is 1 at x = 0
    grid = np.concatenate([[0.0], x[inside]])
    return float(trapezoid(np.concatenate([[1.0], np.abs(rdf.g[inside] - 1.0)]), grid) / grid[-1])


class OrderSeries:
    """Compute tau of mobile cations around anion formers, in consecutive windows of a trajectory.

    Parameters
    ----------
    numbers
        Atomic numbers, (n_atoms,).
    roles
        Elements by role.
    n_frames
        Number of frames that will be added.
    """

    def __init__(self, numbers: np.ndarray, roles: Roles, n_frames: int) -> None:
        self._numbers = numbers
        self._pairs = {
            f"{neighbour}-{centre}": (centre, neighbour)
            for centre in sorted(roles.anion_formers)
            for neighbour in sorted(roles.mobile_cations)
            if mask_of(numbers, {centre}).any() and mask_of(numbers, {neighbour}).any()
        }
        self._window = np.linspace(0, N_WINDOWS, n_frames, endpoint=False).astype(int)
        self._times: list[float] = []
        self._rdfs: dict[str, list[RadialDistribution]] = {name: [] for name in self._pairs}
        self._density: dict[str, list[float]] = {name: [] for name in self._pairs}

    def add(self, time_ps: float, positions: np.ndarray, cell: np.ndarray) -> None:
        """Add a frame."""
        self._times.append(time_ps)
        frame = ArrayFrames(self._numbers, np.zeros(1), np.asarray(positions)[None], np.asarray(cell))
        volume = abs(float(np.linalg.det(cell)))
        for name, (centre, neighbour) in self._pairs.items():
            self._rdfs[name].append(
                radial_distribution(
                    frame,
                    centre=centre,
                    neighbour=neighbour,
                    r_max_angstrom=R_MAX_ANGSTROM,
                    bin_width_angstrom=BIN_ANGSTROM,
                )
            )
            self._density[name].append(float(mask_of(self._numbers, {neighbour}).sum()) / volume)

    def values(self) -> OrderResult:
        """Return tau of the first and the last window by pair, and the change between them with its interval."""
        windows = self._windows()
        return OrderResult(
            r_angstrom=R_TAU_ANGSTROM,
            frames_per_window=len(self._times) / len(windows),
            pairs={
                name: PairOrder(
                    start=self._tau(name, windows[0]),
                    end=self._tau(name, windows[-1]),
                    change=self._change(name),
                )
                for name in self._pairs
            },
        )

    def arrays(self) -> Mapping[str, FloatArray]:
        """Return the mean times of the windows in ps, and tau by pair."""
        windows = self._windows()
        found: dict[str, FloatArray] = {}
        if self._pairs:
            found["phases.order_time_ps"] = np.array([np.array(self._times)[rows].mean() for rows in windows])
        for name in self._pairs:
            found[f"phases.order {name}"] = np.array([self._tau(name, rows) for rows in windows])
        return found

    def _windows(self) -> list[IntArray]:
        """Return the frames of each window."""
        window = self._window[: len(self._times)]
        return [np.flatnonzero(window == each) for each in np.unique(window)]

    def _tau(self, name: str, rows: IntArray) -> float:
        """Return tau of the mean g(r) of some frames."""
        rdfs, density = self._rdfs[name], self._density[name]
        centre, neighbour = self._pairs[name]
        mean = RadialDistribution(centre, neighbour, rdfs[0].r_angstrom, np.mean([rdfs[i].g for i in rows], axis=0))
        limit = R_TAU_ANGSTROM * density[0] ** (1 / 3)
        return translational_order(mean, float(np.mean([density[i] for i in rows])), largest_reduced_distance=limit)

    def _change(self, name: str) -> Estimate:
        """Return the change from the first to the last window, with a jackknife error over the frames of both."""
        windows = self._windows()
        ends = [windows[0], windows[-1]]
        start, end = (self._tau(name, rows) for rows in ends)
        fewest = min(len(rows) for rows in ends)
        if len(windows) < 2 or fewest < LEAST_JACKKNIFED:
            return Estimate.unknown(end - start)
        variance = 0.0
        for rows in ends:
            without = np.array([self._tau(name, rows[rows != each]) for each in rows])
            variance += (len(rows) - 1) * float(without.var())
        quantile = float(student.ppf(0.5 + 0.5 * CONFIDENCE, 2 * (fewest - 1)))
        return Estimate.symmetric(end - start, float(np.sqrt(variance)), quantile=quantile)
