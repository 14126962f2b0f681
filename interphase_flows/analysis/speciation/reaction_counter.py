"""Count reactions and lifetimes of labels frame by frame.

Memory does not grow with the number of frames: a few numbers are kept for each atom, and two for each label that ended.
"""

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import IntArray
from interphase_flows.analysis.speciation.reaction_graph import UNSETTLED, ReactionGraph
from interphase_flows.analysis.statistics.survival import Lifetimes, SurvivalCurve, survival
from interphase_flows.exceptions import AnalysisError


class ReactionCounter:
    """Count changes of labels; labels that hold for too few consecutive frames are ignored.

    Parameters
    ----------
    labels
        Names.
    n_atoms
        Number of atoms.
    least_frames
        Consecutive frames that a label must hold.
    """

    def __init__(self, labels: Sequence[str], n_atoms: int, least_frames: int = 3) -> None:
        self._labels, self._least = tuple(labels), least_frames
        n = len(self._labels)
        self._n_events = np.zeros((n, n), dtype=np.int64)
        self._squares = np.zeros((n, n), dtype=np.int64)
        """Sum of squares of the number of atoms that reacted together."""
        self._at_risk = np.zeros(n)
        self._code = np.full(n_atoms, UNSETTLED)
        self._length = np.zeros(n_atoms, dtype=np.int64)
        self._began = np.zeros(n_atoms)
        self._settled = np.full(n_atoms, UNSETTLED)
        self._settled_at = np.zeros(n_atoms)
        self._has_settled = np.zeros(n_atoms, dtype=bool)
        self._is_first = np.ones(n_atoms, dtype=bool)
        self._anion = np.arange(n_atoms)
        self._left = np.arange(n_atoms)
        """Last anion of each atom with its persistent label, numbered over all frames."""
        self._n_anions = 0
        self._ended = [(array("d"), array("q")) for _ in range(n)]
        """By label: durations in ps and atoms of the labels that ended."""
        self._first_ps = self._last_ps = np.nan
        self._n_frames = 0

    def add(self, time_ps: float, codes: NDArray[np.integer], anions: IntArray | None = None) -> None:
        """Add the next frame.

        Parameters
        ----------
        time_ps
            Its time.
        codes
            Position in ``labels`` of each atom's label, -1 for none, (n_atoms,).
        anions
            Index of each atom's anion in this frame, (n_atoms,): atoms that leave one together are one independent event.
            By default atoms are independent.

        Raises
        ------
        AnalysisError
            Time does not increase.
        """
        if self._n_frames and not time_ps > self._last_ps:
            raise AnalysisError(f"a frame at {time_ps:g} ps after one at {self._last_ps:g} ps: time must increase")
        if not self._n_frames:
            self._first_ps = time_ps
        self._n_frames += 1
        self._last_ps = time_ps
        continues = (codes == self._code) & (self._length > 0)
        self._left = np.where(~continues & (self._code == self._settled), self._anion, self._left)
        self._length = np.where(continues, self._length + 1, 1)
        self._began = np.where(continues, self._began, time_ps)
        self._code = np.array(codes, dtype=np.int64)
        own = np.arange(len(self._code)) if anions is None else np.asarray(anions, dtype=np.int64)
        self._anion = self._n_anions + own
        self._n_anions += int(own.max(initial=-1)) + 1
        is_other = (self._code != self._settled) | ~self._has_settled
        self._change(np.flatnonzero((self._length == self._least) & is_other))

    def graph(self, confidence: float = 0.95) -> ReactionGraph:
        """Return the reaction graph of the frames so far.

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
        n_independent = self._n_events**2 / np.maximum(1, self._squares)
        return ReactionGraph(self._labels, self._n_events.copy(), at_risk, confidence, n_independent)

    def lifetimes(self) -> dict[str, SurvivalCurve]:
        """Return the survival curve (Kaplan-Meier) of each label that began after the first frame.

        Labels of the first frame have an unknown age and are left out, as are labels that began in the last frame. Atoms
        that leave one anion together widen the intervals.
        """
        found = {}
        for code, (durations, atoms) in enumerate(self._ended):
            now = np.flatnonzero(~self._is_first & (self._settled == code))
            lives = Lifetimes(
                duration_ps=np.concatenate([durations, self._last_ps - self._settled_at[now]]),
                ended=np.arange(len(durations) + len(now)) < len(durations),
                atom=np.concatenate([np.array(atoms, dtype=np.int64), now]),
                n_left_out=0,
            )
            if lives.duration_ps.max(initial=0.0) > 0:
                label = self._labels[code]
                found[label] = survival(lives, atoms_together=self.atoms_together(label))
        return found

    def atoms_together(self, label: str) -> float:
        """Return the mean number of atoms that lose a label together: sum(k²) / sum(k) over groups of k."""
        code = self._labels.index(label)
        return max(1.0, float(self._squares[code].sum() / max(1, self._n_events[code].sum())))

    def _change(self, atoms: IntArray) -> None:
        """Record the persistent labels of atoms."""
        is_new = ~self._has_settled[atoms]  # assigned from the first frame on
        new, old = atoms[is_new], atoms[~is_new]
        before, after, began = self._settled[old], self._code[old], self._began[old]
        lasted = began - self._settled_at[old]
        known = before >= 0
        np.add.at(self._at_risk, before[known], lasted[known])
        real = known & (after >= 0)
        groups, size = np.unique(
            np.stack([before[real], after[real], self._left[old[real]]]), axis=1, return_counts=True
        )
        np.add.at(self._n_events, (groups[0], groups[1]), size)
        np.add.at(self._squares, (groups[0], groups[1]), size**2)
        for code in np.unique(before[known]):
            mine = (before == code) & ~self._is_first[old]
            durations, whose = self._ended[code]
            durations.extend(lasted[mine])
            whose.extend(old[mine])
        self._is_first[old], self._has_settled[atoms] = False, True
        self._settled[atoms] = self._code[atoms]
        self._settled_at[old], self._settled_at[new] = began, self._first_ps
