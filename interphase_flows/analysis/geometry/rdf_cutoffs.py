"""Bond cutoffs of pairs of elements from radial distribution functions of a trajectory, cached by pair."""

import numpy as np
from ase.data import covalent_radii
from scipy.ndimage import gaussian_filter1d

from interphase_flows.analysis.geometry.coordination import (
    RadialDistribution,
    first_minimum,
    radial_distribution,
)
from interphase_flows.analysis.geometry.frames import FrameSource, mask_of, numbers_of
from interphase_flows.analysis.geometry.progress_frames import ProgressFrames
from interphase_flows.exceptions import AnalysisError

MOST_FRAMES, MOST_ATOMS = 20, 20_000
"""Maximum number of frames for g(r), and of atoms in all of them together; at least two frames are used."""


class PairCutoffs:
    """Cutoffs of `bond_cutoff_angstrom`, computed once for each pair.

    Parameters
    ----------
    frames
        The trajectory; reading it here emits no progress.
    found
        Cutoffs of pairs that are known already, which new ones are added to. Replicas share them, because species that
        are defined by different bonds cannot be averaged.
    """

    def __init__(self, frames: ProgressFrames, found: dict[tuple[str, str], float] | None = None) -> None:
        self._frames = frames
        n_frames = int(np.clip(MOST_ATOMS // frames.n_atoms, 2, MOST_FRAMES))
        self._every = max(1, frames.n_frames // n_frames)
        self._found = {} if found is None else found

    def __call__(self, first: str, second: str) -> float:
        """Return the cutoff of a pair in Å.

        Raises
        ------
        AnalysisError
            The trajectory lacks an element.
        """
        if (first, second) not in self._found:
            stage, self._frames.stage = self._frames.stage, ""
            try:
                self._found[first, second] = bond_cutoff_angstrom(self._frames, first, second, every=self._every)
            finally:
                self._frames.stage = stage
        return self._found[first, second]


SHORTEST_CUTOFF, LONGEST_CUTOFF = 1.12, 1.5
"""Limits of a bond cutoff in multiples of the sum of the covalent radii (Cordero 2008)."""


def bond_cutoff_angstrom(frames: FrameSource, first: str, second: str, *, every: int = 1) -> float:
    """Return the bond cutoff of a pair of elements in Å: the end of the first shell of g(r), within limits.

    Raises
    ------
    AnalysisError
        The trajectory is empty or lacks an element.
    """
    radii = sum(float(covalent_radii[n]) for n in numbers_of((first, second)))
    low, high = SHORTEST_CUTOFF * radii, LONGEST_CUTOFF * radii
    if first == second and int(mask_of(frames.numbers, {first}).sum()) < 2:
        return 0.5 * (low + high)
    rdf = radial_distribution(frames, centre=first, neighbour=second, r_max_angstrom=2.0 * high, every=every)
    try:
        shell_end = first_minimum(rdf)
    except AnalysisError:  # fewer than two shells, so no minimum between shells
        return _emptiest(rdf, low, high)
    return shell_end if low <= shell_end <= high else _emptiest(rdf, low, high)


def _emptiest(rdf: RadialDistribution, low: float, high: float) -> float:
    """Return the middle of the first interval of lowest g(r) between two distances."""
    g = gaussian_filter1d(rdf.g, 1.0, mode="nearest")
    inside = np.flatnonzero((rdf.r_angstrom >= low) & (rdf.r_angstrom <= high))
    lowest = inside[g[inside] <= g[inside].min() + 1e-3]
    # the first connected interval; another shell may follow
    gap = np.flatnonzero(np.diff(lowest) > 1)
    last = lowest[gap[0]] if len(gap) else lowest[-1]
    return float(0.5 * (rdf.r_angstrom[lowest[0]] + rdf.r_angstrom[last]))
