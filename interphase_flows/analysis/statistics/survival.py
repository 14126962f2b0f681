"""Survival analysis of labels of atoms, such as "in LixP": the Kaplan-Meier estimator.

Labels that outlast the trajectory are right-censored. The surviving fraction is that of Kaplan and Meier, J. Am. Stat.
Assoc. 53, 457 (1958), with Greenwood's variance on the log-log scale, both by SciPy. Labels of the first frame have an
unknown age and are left out.
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
    """Time intervals for which atoms kept a label."""

    duration_ps: FloatArray
    """(n_stretches,), ps."""
    ended: BoolArray
    """(n_stretches,), False where the trajectory ended first."""
    atom: IntArray
    """(n_stretches,), index of the atom."""
    n_left_out: int
    """Number of stretches that began in the first frame or before."""


@dataclass(frozen=True)
class SurvivalCurve:
    """Fraction of labels that survive, against their age."""

    age_ps: FloatArray
    """(n_ages,), ps, from 0."""
    surviving_fraction: Estimate
    """(n_ages,), right-continuous steps."""
    median_ps: Estimate
    """Median lifetime; infinite if it exceeds the trajectory."""
    n_stretches: int
    n_ended: int


def lifetimes(time_ps: ArrayLike, labelled: ArrayLike, *, longest_gap_ps: float = 0.0) -> Lifetimes:
    """Find the time intervals for which atoms keep a label.

    A stretch extends from the first frame with the label to the first frame without it.

    Parameters
    ----------
    time_ps
        Times in ps, (n_frames,).
    labelled
        Which atoms have the label, (n_frames, n_atoms).
    longest_gap_ps
        Interruptions up to this time are ignored, because bond lengths fluctuate around a cutoff.

    Raises
    ------
    AnalysisError
        The shapes do not match, or no label begins after the first frame.
    """
    time, labels = np.asarray(time_ps, dtype=float), np.asarray(labelled, dtype=bool)
    if labels.ndim != 2 or len(labels) != len(time) or len(time) < 2:
        raise AnalysisError(
            f"labels of shape {labels.shape} for {len(time)} times; (n_frames, n_atoms) and two frames are required"
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
    # interruptions just before the end may be temporary
    ended &= time[-1] - time[until] >= longest_gap_ps
    known = first > 0
    if not known.any():
        raise AnalysisError("no label begins after the first frame, so no age is known. Hint: use a longer trajectory")
    return Lifetimes(
        duration_ps=(time[until] - time[first])[known],
        ended=ended[known],
        atom=atom[known],
        n_left_out=int((~known).sum()),
    )


def survival(lives: Lifetimes, *, atoms_together: float = 1.0) -> SurvivalCurve:
    """Return the Kaplan-Meier survival curve of a label.

    Parameters
    ----------
    lives
        Stretches of a label.
    atoms_together
        Number of stretches that end together and count as one, such as those of the S of one anion.

    Raises
    ------
    AnalysisError
        Every label begins in the last frame.
    """
    observed = lives.duration_ps > 0  # without labels of the last frame only
    if not observed.any():
        raise AnalysisError("every label begins in the last frame. Hint: use a longer trajectory")
    duration, ended = lives.duration_ps[observed], lives.ended[observed]
    curve = ecdf(CensoredData.right_censored(duration, ~ended)).sf
    with warnings.catch_warnings():
        # it is undefined before the first and after the last end of a label; see below
        warnings.filterwarnings("ignore", message="The confidence interval is undefined")
        bounds = curve.confidence_interval(CONFIDENCE, method="log-log")
    lower, upper = (
        _widened(curve.probabilities, each.probabilities, atoms_together) for each in (bounds.low, bounds.high)
    )
    upper[curve.probabilities == 1] = lower[curve.probabilities == 1] = 1.0
    # after the last end, the upper bound keeps its last value
    gone = curve.probabilities == 0
    lower[gone], upper[gone] = 0.0, min(upper[~gone], default=1.0)
    age, share, lower, upper = (
        np.concatenate([[first], each])
        for first, each in ((0.0, curve.quantiles), (1.0, curve.probabilities), (1.0, lower), (1.0, upper))
    )
    return SurvivalCurve(
        age_ps=age,
        surviving_fraction=Estimate(share, lower, upper, CONFIDENCE),
        # where the curve and its bounds fall below one half: Brookmeyer and Crowley (1982)
        median_ps=Estimate(*(_passes_half(age, each) for each in (share, lower, upper))),
        n_stretches=int(observed.sum()),
        n_ended=int(ended.sum()),
    )


def restricted_mean_ps(curve: SurvivalCurve, horizon_ps: float) -> float:
    """Return the mean lifetime up to a horizon, ps: the area under the survival curve."""
    inside = curve.age_ps < horizon_ps
    age = np.concatenate([curve.age_ps[inside], [horizon_ps]])
    return float(curve.surviving_fraction.value[inside] @ np.diff(age))


def _widened(share: FloatArray, bound: FloatArray, atoms_together: float) -> FloatArray:
    """Widen a bound, share^exp(±z error) on the log-log scale, to a variance larger by `atoms_together`."""
    moved = np.array(bound, dtype=float)
    inside = (share > 0) & (share < 1) & (bound > 0) & (bound < 1)
    exponent = np.log(bound[inside]) / np.log(share[inside])
    moved[inside] = share[inside] ** exponent ** np.sqrt(atoms_together)
    return moved


def _passes_half(age: FloatArray, share: FloatArray) -> float:
    below = np.flatnonzero(share <= 0.5)
    return float(age[below[0]]) if len(below) else float("inf")
