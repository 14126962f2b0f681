"""The reaction graph and lifetimes of labels, frame by frame: what `reaction_graph` and `label_lifetimes` say of a table.

A table of labels grows with the trajectory; this keeps a few numbers for each atom, and one for each reaction.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.passivation.survival import Lifetimes, SurvivalCurve, survival
from interphase_flows.analysis.phases.reaction_graph import UNSETTLED, ReactionGraph
from interphase_flows.exceptions import AnalysisError


class ReactionCounter:
    """Counts changes of label.

    Parameters
    ----------
    labels
        Names.
    n_atoms
        Atoms that are counted.
    least_frames
        Frames in a row that make a label count.
    """

    def __init__(self, labels: Sequence[str], n_atoms: int, least_frames: int = 3) -> None:
        self._labels, self._least = tuple(labels), least_frames
        n = len(self._labels)
        self._n_events = np.zeros((n, n), dtype=np.int64)
        self._at_risk = np.zeros(n)
        self._code = np.full(n_atoms, UNSETTLED)
        self._length = np.zeros(n_atoms, dtype=np.int64)
        self._began = np.zeros(n_atoms)
        self._settled = np.full(n_atoms, UNSETTLED)
        self._settled_at = np.zeros(n_atoms)
        self._is_first = np.ones(n_atoms, dtype=bool)
        self._stretches: list[tuple[int, float, bool, int]] = []
        self._first_ps = self._last_ps = np.nan
        self._n_frames = 0

    def add(self, time_ps: float, codes: NDArray[np.integer]) -> None:
        """Take the next frame: its time, and the position in ``labels`` of each atom's label, (n_atoms,).

        Raises
        ------
        AnalysisError
            Time does not increase.
        """
        if self._n_frames and not time_ps > self._last_ps:
            raise AnalysisError(
                f"a frame at {time_ps:g} ps after one at {self._last_ps:g} ps: time must increase"
            )
        if not self._n_frames:
            self._first_ps = time_ps
        self._n_frames += 1
        self._last_ps = time_ps
        goes_on = (codes == self._code) & (self._length > 0)
        self._length = np.where(goes_on, self._length + 1, 1)
        self._began = np.where(goes_on, self._began, time_ps)
        self._code = np.array(codes, dtype=np.int64)
        for atom in np.flatnonzero((self._length == self._least) & (self._code != self._settled)):
            self._change(int(atom))

    def graph(self, confidence: float = 0.95) -> ReactionGraph:
        """Return the reactions so far, as `reaction_graph` does.

        Raises
        ------
        AnalysisError
            There are fewer than two frames.
        """
        if self._n_frames < 2:
            raise AnalysisError(f"{self._n_frames} frames show no reaction; two are needed at least")
        at_risk = self._at_risk.copy()
        known = self._settled >= 0
        np.add.at(at_risk, self._settled[known], self._last_ps - self._settled_at[known])
        return ReactionGraph(self._labels, self._n_events.copy(), at_risk, confidence)

    def lifetimes(self) -> dict[str, SurvivalCurve]:
        """Return the survival of each label that began within the run, as `label_lifetimes` does.

        Labels that began in the last frame alone, of which no age is known, are left out.
        """
        now = np.flatnonzero(~self._is_first & (self._settled >= 0))
        stretches = self._stretches + [
            (int(self._settled[i]), float(self._last_ps - self._settled_at[i]), False, int(i)) for i in now
        ]
        found = {}
        for code in sorted({each[0] for each in stretches}):
            mine = [each for each in stretches if each[0] == code]
            lives = Lifetimes(
                duration_ps=np.array([each[1] for each in mine]),
                ended=np.array([each[2] for each in mine]),
                atom=np.array([each[3] for each in mine]),
                n_left_out=0,
            )
            if lives.duration_ps.max() > 0:
                found[self._labels[code]] = survival(lives)
        return found

    def _change(self, atom: int) -> None:
        before, after = int(self._settled[atom]), int(self._code[atom])
        if before < 0:  # nothing lasted before: it was so from the first frame on
            self._settled[atom], self._settled_at[atom] = after, self._first_ps
            return
        began = float(self._began[atom])
        lasted = began - float(self._settled_at[atom])
        self._at_risk[before] += lasted
        if after >= 0:
            self._n_events[before, after] += 1
        if not self._is_first[atom]:
            self._stretches.append((before, lasted, True, atom))
        self._is_first[atom] = False
        self._settled[atom], self._settled_at[atom] = after, began
