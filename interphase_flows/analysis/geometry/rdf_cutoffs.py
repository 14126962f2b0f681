"""How far the first shell of each pair of elements reaches in a trajectory, measured once for all parts of a survey."""

import numpy as np

from interphase_flows.analysis.geometry.progress_frames import CountedFrames
from interphase_flows.analysis.speciation.element_roles import bond_cutoff_angstrom

MOST_FRAMES, MOST_ATOMS = 20, 20_000
"""From which g(r) is taken: so many frames, or fewer that have so many atoms together; two at least."""


class PairCutoffs:
    """Longest bonds by pair, as `bond_cutoff_angstrom` tells them.

    Parameters
    ----------
    frames
        The trajectory; reading it here is not told as progress.
    """

    def __init__(self, frames: CountedFrames) -> None:
        self._frames = frames
        n_frames = int(np.clip(MOST_ATOMS // frames.n_atoms, 2, MOST_FRAMES))
        self._every = max(1, frames.n_frames // n_frames)
        self._found: dict[tuple[str, str], float] = {}

    def __call__(self, first: str, second: str) -> float:
        """Return the cut-off of a pair in Å.

        Raises
        ------
        AnalysisError
            The trajectory lacks an element.
        """
        if (first, second) not in self._found:
            stage, self._frames.stage = self._frames.stage, ""
            try:
                self._found[first, second] = bond_cutoff_angstrom(
                    self._frames, first, second, every=self._every
                )
            finally:
                self._frames.stage = stage
        return self._found[first, second]
