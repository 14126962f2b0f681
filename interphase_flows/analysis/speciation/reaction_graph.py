"""Which anion turns into which, how often and at what rate: PS4 -> ... -> isolated P and S.

Labels come frame by frame from `environment_series(..., keep_atom_codes=True)`. A bond that is stretched beyond its
cut-off for a moment would count as two reactions, so labels are debounced first: only those that hold for several
frames count. Rates are events over the time at risk; their intervals are exact for Poisson counts (Garwood,
Biometrika 28, 437 (1936)).

Atoms that leave one anion together are one event that is seen several times: four S of a PS4 say as much of its rate as
one. Of groups of k atoms, sum(k) events are worth sum(k)² / sum(k²) independent ones, as the variance of a compound
Poisson count is sum(k²), and intervals are those of so many.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.exceptions import AnalysisError

UNSETTLED = -1
"""Code of an atom that never keeps a label for long enough, and of atoms of no anion."""


@dataclass(frozen=True)
class Transition:
    """One arrow of the graph."""

    before: str
    after: str
    n_events: int
    """Atoms that went this way, counted each time."""
    rate_per_ps: float
    """Per atom that carries the label `before`."""
    lower_per_ps: float
    upper_per_ps: float
    n_independent: float
    """Independent events that these are worth; fewer where atoms of one anion went together."""


@dataclass(frozen=True)
class ReactionGraph:
    """Changes of label in a trajectory."""

    labels: tuple[str, ...]
    n_events: IntArray
    """(n_labels, n_labels): row before, column after."""
    at_risk_atom_ps: FloatArray
    """(n_labels,): time spent under each label, summed over atoms."""
    confidence: float
    n_independent: FloatArray
    """(n_labels, n_labels): how many independent events the events are worth."""

    def transitions(self) -> list[Transition]:
        """Return the arrows that occur, the most frequent first."""
        found = []
        for i, j in zip(*np.nonzero(self.n_events), strict=True):
            n, risk = int(self.n_events[i, j]), float(self.at_risk_atom_ps[i])
            worth = float(self.n_independent[i, j])
            lower, upper = (n / worth * end / risk for end in poisson_interval(worth, self.confidence))
            found.append(Transition(self.labels[i], self.labels[j], n, n / risk, lower, upper, worth))
        return sorted(found, key=lambda t: -t.n_events)

    def upper_bound_per_ps(self, before: str, after: str) -> float:
        """Return the upper end of a rate's interval, also of a reaction that was never seen; inf without time at risk.

        What was never seen is taken to happen to one atom at a time; of k that go together, it is k times as much.

        Raises
        ------
        AnalysisError
            A label is unknown.
        """
        unknown = {before, after} - set(self.labels)
        if unknown:
            raise AnalysisError(f"no label {sorted(unknown)}; choose from {', '.join(self.labels)}")
        i, j = self.labels.index(before), self.labels.index(after)
        if not self.at_risk_atom_ps[i] > 0:
            return float("inf")
        n, worth = int(self.n_events[i, j]), float(self.n_independent[i, j])
        together = n / worth if n else 1.0
        return together * poisson_interval(worth, self.confidence)[1] / float(self.at_risk_atom_ps[i])


def poisson_interval(n_events: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact central interval of the mean of a Poisson count; between whole counts it is continued."""
    tail = 0.5 * (1 - confidence)
    lower = 0.0 if n_events == 0 else 0.5 * float(chi2.ppf(tail, 2 * n_events))
    return lower, 0.5 * float(chi2.ppf(1 - tail, 2 * (n_events + 1)))


def debounced(codes: ArrayLike, least_frames: int) -> NDArray[np.int64]:
    """Replace labels that hold for fewer frames than asked by the lasting label before them.

    Parameters
    ----------
    codes
        (n_frames, n_atoms).
    least_frames
        Frames in a row that make a label count; 1 changes nothing.

    Returns
    -------
    codes
        (n_frames, n_atoms); before the first lasting label that label, and -1 for atoms without any.

    Raises
    ------
    AnalysisError
        The codes are not a table, or `least_frames` is below 1.
    """
    table = np.asarray(codes, dtype=np.int64)
    if table.ndim != 2 or least_frames < 1:
        raise AnalysisError(
            f"codes of shape {table.shape} and least_frames = {least_frames}: pass (n_frames, n_atoms) and 1 or more"
        )
    n_frames, n_atoms = table.shape
    if n_frames == 0:
        return table
    begins = np.ones((n_frames, n_atoms), dtype=bool)
    begins[1:] = table[1:] != table[:-1]
    # atom by atom in one row, each atom's first frame begins a run
    run = np.cumsum(begins.T.ravel()) - 1
    lasting = (np.bincount(run, minlength=1)[run] >= least_frames).reshape(n_atoms, n_frames).T
    rows = np.where(lasting, np.arange(n_frames)[:, None], -1)
    filled = np.maximum.accumulate(rows, axis=0)
    filled = np.where(filled < 0, np.argmax(lasting, axis=0)[None, :], filled)
    settled = np.take_along_axis(table, filled, axis=0)
    settled[:, ~lasting.any(axis=0)] = UNSETTLED
    return settled


def reaction_graph(
    time_ps: ArrayLike,
    codes: ArrayLike,
    labels: Sequence[str],
    *,
    atoms: BoolArray | None = None,
    least_frames: int = 3,
    confidence: float = 0.95,
) -> ReactionGraph:
    """Count changes of label.

    A table of labels does not say which atoms are of one anion, so intervals take events as independent: those of both P
    of P2S7 are narrow by sqrt(2), those of the S of PS4 by 2. `ReactionCounter` is told and does better.

    Parameters
    ----------
    time_ps
        Times of the frames in ps, (n_frames,), increasing.
    codes
        Position in `labels` of each atom's label, -1 for none, (n_frames, n_atoms).
    labels
        Names.
    atoms
        Which atoms to count, (n_atoms,): best the network formers. All by default.
    least_frames
        Frames in a row that make a label count.
    confidence
        Of the intervals.

    Raises
    ------
    AnalysisError
        Shapes differ, there are fewer than two frames, time does not increase, or a code has no label.
    """
    times, table = np.asarray(time_ps, dtype=float), np.asarray(codes)
    if table.ndim != 2 or times.shape != table.shape[:1] or len(times) < 2 or not np.all(np.diff(times) > 0):
        raise AnalysisError(
            f"times of shape {times.shape} and codes of shape {table.shape}: pass two or more increasing times and one "
            "row of codes for each"
        )
    if table.size and (table.max() >= len(labels) or table.min() < UNSETTLED):
        raise AnalysisError(
            f"codes reach from {table.min()} to {table.max()}, but there are {len(labels)} labels"
        )
    if not 0 < confidence < 1:
        raise AnalysisError(f"confidence = {confidence}: must be between 0 and 1, such as 0.95")
    chosen = table if atoms is None else table[:, np.asarray(atoms, dtype=bool)]
    settled = debounced(chosen, least_frames)
    n = len(labels)
    before, after = settled[:-1], settled[1:]
    changed = (before != after) & (before >= 0) & (after >= 0)
    events = np.bincount(before[changed] * n + after[changed], minlength=n * n).reshape(n, n)
    weights = np.broadcast_to(np.diff(times)[:, None], before.shape)
    known = before >= 0
    at_risk = np.bincount(before[known], weights=weights[known], minlength=n).astype(float)
    return ReactionGraph(tuple(labels), events, at_risk, confidence, events.astype(float))
