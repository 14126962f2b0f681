"""Coordination numbers, radial distribution functions and the limit of the first coordination shell.

Coordination numbers of ideal crystals (Li2S: 8 Li around S at 2.47 Å; Li3P: 11 Li around P within 3.1 Å) move
by about one at 300 K, so they do not distinguish phases.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.frames import FrameSource, chosen_frames, mask_of
from interphase_flows.analysis.geometry.neighbours import PeriodicTree, pairs_within
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class RadialDistribution:
    """A partial radial distribution function g(r), averaged over frames."""

    centre: str
    neighbour: str
    r_angstrom: FloatArray
    """Centres of the bins in Å, (n_bins,)."""
    g: FloatArray
    """g(r), 1 at the mean density, (n_bins,)."""


def coordination_numbers(
    positions: NDArray[np.floating],
    cell: NDArray[np.floating],
    numbers: NDArray[np.integer],
    *,
    centre: str,
    neighbour: str,
    cutoff_angstrom: float,
) -> NDArray[np.int64]:
    """Count the neighbours of one element around each atom of another.

    Parameters
    ----------
    positions, cell
        Atoms (n_atoms, 3), wrapped or not, and lattice vectors as rows (3, 3) in Å.
    numbers
        Atomic numbers, (n_atoms,).
    centre, neighbour
        Chemical symbols: P and S count the S around each P.
    cutoff_angstrom
        Radius of the shell in Å, such as the first minimum of g(r).

    Returns
    -------
    coordination
        (n_centres,), in the order of the atoms of the element `centre`.

    Raises
    ------
    AnalysisError
        An element is unknown or missing, the cutoff is not positive, or the cell has no volume.
    """
    is_centre, is_neighbour = mask_of(numbers, {centre}), mask_of(numbers, {neighbour})
    if not is_centre.any():
        raise AnalysisError(f"no atom of {centre} in the structure")
    used = np.flatnonzero(is_centre | is_neighbour)
    pairs = pairs_within(np.asarray(positions)[used], cell, cutoff_angstrom)
    counted = pairs.first[is_neighbour[used][pairs.second]]
    return np.bincount(counted, minlength=len(used))[is_centre[used]]


def radial_distribution(
    frames: FrameSource,
    *,
    centre: str,
    neighbour: str,
    r_max_angstrom: float = 6.0,
    bin_width_angstrom: float = 0.05,
    every: int = 1,
) -> RadialDistribution:
    """Average g(r) of a pair of elements over a trajectory.

    g(r) = n(r) V / (4 pi r² dr N_a N_b), with n(r) the directed pairs in a shell (Allen and Tildesley,
    *Computer Simulation of Liquids*, 2nd ed. 2017, section 8.2); N_b is one less for a pair of equal
    elements.

    Raises
    ------
    AnalysisError
        The trajectory is empty or lacks an element, or the bins are wider than the range.
    """
    chosen = chosen_frames(frames, every)
    is_centre, is_neighbour = mask_of(frames.numbers, {centre}), mask_of(frames.numbers, {neighbour})
    n_pairs = int(is_centre.sum()) * (int(is_neighbour.sum()) - (centre == neighbour))
    if n_pairs < 1:
        raise AnalysisError(f"the trajectory has no pair {centre}-{neighbour}")
    if not 0 < bin_width_angstrom < r_max_angstrom:
        raise AnalysisError(
            f"bins of {bin_width_angstrom} Å do not divide a range of {r_max_angstrom} Å. Hint: choose 0.02-0.1 Å"
        )
    edges = np.linspace(0.0, r_max_angstrom, round(r_max_angstrom / bin_width_angstrom) + 1)
    shell_volumes = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    total = np.zeros(len(edges) - 1)
    for index in chosen:
        cell = frames.cell(index)
        positions = np.asarray(frames.positions(index))
        tree = PeriodicTree(positions[is_neighbour], cell, r_max_angstrom)
        pairs = tree.all_within(r_max_angstrom, None if centre == neighbour else positions[is_centre])
        histogram, _ = np.histogram(pairs.distance_angstrom, bins=edges)
        total += histogram * abs(np.linalg.det(cell)) / (shell_volumes * n_pairs)
    return RadialDistribution(centre, neighbour, 0.5 * (edges[1:] + edges[:-1]), total / len(chosen))


def first_minimum(rdf: RadialDistribution, *, smoothing_angstrom: float = 0.05) -> float:
    """Return the distance in Å at which the first shell of g(r) ends.

    Peaks are maxima above a tenth of the highest maximum. The first shell ends in the middle of the lowest interval
    before the next peak, if the minimum is below half of the lower of the two peaks; shallower minima are ripples of
    the same shell. In a crystal g(r) is zero in that interval.

    Parameters
    ----------
    rdf
        Radial distribution function over at least two shells.
    smoothing_angstrom
        Standard deviation in Å of the Gaussian that removes counting noise.

    Raises
    ------
    AnalysisError
        g(r) has no peak, or no minimum after it within the range.
    """
    step = rdf.r_angstrom[1] - rdf.r_angstrom[0]
    g = gaussian_filter1d(rdf.g, smoothing_angstrom / step, mode="nearest")
    pair = f"{rdf.centre}-{rdf.neighbour}"
    if not g.max() > 0:
        raise AnalysisError(f"g(r) of {pair} is empty up to {rdf.r_angstrom[-1]:.2f} Å. Hint: use a longer range")
    inner = np.arange(1, len(g) - 1)
    peaks = inner[(g[1:-1] >= g[:-2]) & (g[1:-1] > g[2:]) & (g[1:-1] > 0.1 * g.max())]
    if len(peaks) == 0:
        raise AnalysisError(f"g(r) of {pair} has no peak up to {rdf.r_angstrom[-1]:.2f} Å. Hint: use a longer range")
    first = peaks[0]
    # ripples on the shoulder of a peak are noise; the next shell is separated by a deep minimum
    for nxt in peaks[1:]:
        valley = g[first:nxt].min()
        if valley < 0.5 * min(g[first], g[nxt]):
            lowest = np.flatnonzero(g[first:nxt] <= valley + 1e-3 * g[first]) + first
            return float(0.5 * (rdf.r_angstrom[lowest[0]] + rdf.r_angstrom[lowest[-1]]))
        if g[nxt] > g[first]:
            first = nxt
    raise AnalysisError(
        f"g(r) of {pair} has no minimum between {rdf.r_angstrom[first]:.2f} and {rdf.r_angstrom[-1]:.2f} Å. "
        "Hint: use a longer range or more frames"
    )
