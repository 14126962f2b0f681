"""Reaction graph of anions: transitions between labels with their number and rate.

Labels are debounced: only labels that persist for several frames count, because a bond that exceeds its cutoff for a
moment would otherwise be counted as two reactions. Rates are events over the time at risk; their intervals are exact
for Poisson counts (Garwood, Biometrika 28, 437 (1936)).

Atoms that leave one anion together are one event. The variance of a compound Poisson count of groups of k atoms is
sum(k²), so sum(k) events are equivalent to sum(k)² / sum(k²) independent events, which determine the intervals.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.exceptions import AnalysisError

UNSETTLED = -1
"""Code of atoms without a persistent label, and of atoms of no anion."""


@dataclass(frozen=True)
class Transition:
    """Change from one label to another."""

    before: str
    after: str
    n_events: int
    """Number of changes, counted for each atom."""
    rate_per_ps: Estimate
    """Per atom with the label `before`; independent events are fewer if atoms of one anion react together."""


@dataclass(frozen=True)
class ReactionGraph:
    """Changes of label in a trajectory."""

    labels: tuple[str, ...]
    n_events: IntArray
    """(n_labels, n_labels): row before, column after."""
    at_risk_atom_ps: FloatArray
    """(n_labels,): time with each label, summed over atoms."""
    confidence: float
    n_independent: FloatArray
    """(n_labels, n_labels): number of independent events."""

    def transitions(self) -> list[Transition]:
        """Return the changes that occur, the most frequent first."""
        found = []
        for i, j in zip(*np.nonzero(self.n_events), strict=True):
            n, risk = int(self.n_events[i, j]), float(self.at_risk_atom_ps[i])
            n_independent = float(self.n_independent[i, j])
            lower, upper = (n / n_independent * end / risk for end in poisson_interval(n_independent, self.confidence))
            rate_per_ps = Estimate(n / risk, lower, upper, self.confidence, n_independent)
            found.append(Transition(self.labels[i], self.labels[j], n, rate_per_ps))
        return sorted(found, key=lambda t: -t.n_events)

    def upper_bound_per_ps(self, before: str, after: str) -> float:
        """Return the upper bound of a rate, also of a reaction without events; infinite without time at risk.

        Reactions without events are assumed to change one atom at a time.

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
        n, n_independent = int(self.n_events[i, j]), float(self.n_independent[i, j])
        together = n / n_independent if n else 1.0
        return together * poisson_interval(n_independent, self.confidence)[1] / float(self.at_risk_atom_ps[i])


def poisson_interval(n_events: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact central interval of the mean of a Poisson count; continuous between integers."""
    tail = 0.5 * (1 - confidence)
    lower = 0.0 if n_events == 0 else 0.5 * float(chi2.ppf(tail, 2 * n_events))
    return lower, 0.5 * float(chi2.ppf(1 - tail, 2 * (n_events + 1)))


def debounced(codes: ArrayLike, least_frames: int) -> NDArray[np.int64]:
    """Replace labels that hold for too few frames by the persistent label before them.

    Parameters
    ----------
    codes
        (n_frames, n_atoms).
    least_frames
        Consecutive frames that a label must hold; 1 changes nothing.

    Returns
    -------
    codes
        (n_frames, n_atoms): the first persistent label also before it begins; -1 for atoms without any.

    Raises
    ------
    AnalysisError
        The codes are not two-dimensional, or `least_frames` is below 1.
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
    # runs of equal labels, concatenated over atoms; the first frame of every atom begins a run
    run = np.cumsum(begins.T.ravel()) - 1
    lasting = (np.bincount(run, minlength=1)[run] >= least_frames).reshape(n_atoms, n_frames).T
    rows = np.where(lasting, np.arange(n_frames)[:, None], -1)
    filled = np.maximum.accumulate(rows, axis=0)
    filled = np.where(filled < 0, np.argmax(lasting, axis=0)[None, :], filled)
    settled = np.take_along_axis(table, filled, axis=0)
    settled[:, ~lasting.any(axis=0)] = UNSETTLED
    return settled
