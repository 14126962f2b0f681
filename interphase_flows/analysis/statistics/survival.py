"""How long atoms keep a label, such as "in LixP": survival by Kaplan and Meier.

A trajectory ends before many labels do; leaving those out, or counting them as ended, makes lifetimes short.
They are kept as longer than seen (right-censored), and the surviving share is that of Kaplan and Meier, J. Am.
Stat. Assoc. 53, 457 (1958), with Greenwood's variance on the log-log scale, both by scipy. Labels that were
there in the first frame have an unknown age and are left out.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import CensoredData, ecdf

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class Lifetimes:
    """Stretches of time for which atoms kept a label."""

    duration_ps: FloatArray
    """(n_stretches,), ps."""
    ended: BoolArray
    """(n_stretches,), False where the trajectory ended first."""
    atom: IntArray
    """(n_stretches,), index of the atom."""
    n_left_out: int
    """Stretches that were under way in the first frame."""


@dataclass(frozen=True)
class SurvivalCurve:
    """Share of labels that survive, against their age."""

    age_ps: FloatArray
    """(n_ages,), ps, from 0."""
    surviving_share: FloatArray
    """(n_ages,), right-continuous steps."""
    lower: FloatArray
    """(n_ages,), of the 95 % interval."""
    upper: FloatArray
    """(n_ages,)."""
    median_ps: Estimate
    """Age to which half survive; infinite where the trajectory does not show it."""
    n_stretches: int
    n_ended: int


def lifetimes(time_ps: ArrayLike, labelled: ArrayLike, *, longest_gap_ps: float = 0.0) -> Lifetimes:
    """Find the stretches for which atoms are labelled.

    A stretch goes from the first frame with the label to the first without it.

    Parameters
    ----------
    time_ps
        Times in ps, (n_frames,).
    labelled
        Which atoms have the label, (n_frames, n_atoms).
    longest_gap_ps
        A label that is back within this time was never lost: bonds near a cut-off flicker, and each flicker
        would end a life.

    Raises
    ------
    AnalysisError
        The shapes do not match, or no label begins after the first frame.
    """
    time, labels = np.asarray(time_ps, dtype=float), np.asarray(labelled, dtype=bool)
    if labels.ndim != 2 or len(labels) != len(time) or len(time) < 2:
        raise AnalysisError(
            f"labels of shape {labels.shape} for {len(time)} times; give (n_frames, n_atoms), two frames at least"
        )
    change = np.diff(labels.astype(np.int8), axis=0, prepend=0)
    atom, first = np.nonzero(change.T == 1)
    _, last = np.nonzero(np.vstack([change, np.where(labels[-1:], -1, 0)])[1:].T == -1)
    # a stretch lasts until the frame after its last labelled one, if there is one
    until = np.minimum(last + 1, len(time) - 1)
    ended = last + 1 < len(time)

    same = np.flatnonzero((atom[1:] == atom[:-1]) & (time[first[1:]] - time[until[:-1]] <= longest_gap_ps))
    if longest_gap_ps > 0 and len(same):
        starts, stops = np.ones(len(atom), dtype=bool), np.ones(len(atom), dtype=bool)
        starts[same + 1], stops[same] = False, False
        atom, first, until, ended = atom[starts], first[starts], until[stops], ended[stops]
    # lost too shortly before the end to know whether for good
    ended &= time[-1] - time[until] >= longest_gap_ps
    known = first > 0
    if not known.any():
        raise AnalysisError(
            "no label begins after the first frame, so no age is known; give a longer trajectory"
        )
    return Lifetimes(
        duration_ps=(time[until] - time[first])[known],
        ended=ended[known],
        atom=atom[known],
        n_left_out=int((~known).sum()),
    )


def survival(lives: Lifetimes, *, atoms_together: float = 1.0) -> SurvivalCurve:
    """Return the share of labels that reach an age.

    Parameters
    ----------
    lives
        Stretches of a label.
    atoms_together
        How many stretches end together, such as those of the S of one anion, and say as much as one; intervals take
        them to be independent where it is 1.

    Raises
    ------
    AnalysisError
        Every label begins in the last frame.
    """
    seen = lives.duration_ps > 0  # a label of the last frame alone has been seen for no time
    if not seen.any():
        raise AnalysisError("every label begins in the last frame; give a longer trajectory")
    duration, ended = lives.duration_ps[seen], lives.ended[seen]
    curve = ecdf(CensoredData.right_censored(duration, ~ended)).sf
    with warnings.catch_warnings():
        # there is none before the first label ends and after the last; see below
        warnings.filterwarnings("ignore", message="The confidence interval is undefined")
        bounds = curve.confidence_interval(CONFIDENCE, method="log-log")
    lower, upper = (
        _widened(curve.probabilities, each.probabilities, atoms_together)
        for each in (bounds.low, bounds.high)
    )
    upper[curve.probabilities == 1] = lower[curve.probabilities == 1] = 1.0
    # that none is left of few says little of the rest: the bound stays where it was
    gone = curve.probabilities == 0
    lower[gone], upper[gone] = 0.0, min(upper[~gone], default=1.0)
    age, share, lower, upper = (
        np.concatenate([[first], each])
        for first, each in ((0.0, curve.quantiles), (1.0, curve.probabilities), (1.0, lower), (1.0, upper))
    )
    return SurvivalCurve(
        age_ps=age,
        surviving_share=share,
        lower=lower,
        upper=upper,
        # where the steps of the curve and of its bounds pass one half: Brookmeyer and Crowley (1982)
        median_ps=Estimate(*(_passes_half(age, each) for each in (share, lower, upper))),
        n_stretches=int(seen.sum()),
        n_ended=int(ended.sum()),
    )


def restricted_mean_ps(curve: SurvivalCurve, horizon_ps: float) -> float:
    """Return the mean lifetime up to a horizon, ps: the area under the curve, which censoring leaves known."""
    inside = curve.age_ps < horizon_ps
    age = np.concatenate([curve.age_ps[inside], [horizon_ps]])
    return float(curve.surviving_share[inside] @ np.diff(age))


def _widened(share: FloatArray, bound: FloatArray, atoms_together: float) -> FloatArray:
    """Move a bound as far as a variance so many times larger does on the log-log scale: bound = share^exp(±z error)."""
    moved = np.array(bound, dtype=float)
    inside = (share > 0) & (share < 1) & (bound > 0) & (bound < 1)
    exponent = np.log(bound[inside]) / np.log(share[inside])
    moved[inside] = share[inside] ** exponent ** np.sqrt(atoms_together)
    return moved


def _passes_half(age: FloatArray, share: FloatArray) -> float:
    below = np.flatnonzero(share <= 0.5)
    return float(age[below[0]]) if len(below) else float("inf")
