"""Choice of the coarse-graining step of the covariance estimator.

A step must be longer than the memory of the motion, but not longer than needed, because the error grows with the square
root of the step. Candidates are 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, ... frames, at least as long as a vibration
(`LEAST_STEP_PS`), up to the longest that leave enough steps. The rule:

1. The bias of every step follows from the motion of single atoms, which is measured much better than the collective
   sum: models of diffusion with vibration of several memories are fitted to their moments (`vibration`). The bias of
   atoms that vibrate independently is subtracted from the rates. A step fails if it is significantly larger than
   the standard error of a diagonal rate.
2. The collective rates of longer steps must agree with that of the step. The error of their difference is computed at
   the rate of the *shorter* step: a longer step whose rate is low by chance also claims too small an error.
3. Of the steps that pass, the one with the smallest predicted relative variances v is taken: longer blocks average
   over vibration, shorter ones leave more steps. The error of the subtracted bias is part of v: that of the fit and
   `DEPENDENCE`, because atoms of a crystal vibrate together. All steps are compared at the rates of the shortest one
   that passes, or of independent atoms if it does not resolve them, again because own errors are smallest where the
   estimate is low by chance. The criterion is the sum over species of
   v / (1 + v), so that a framework that only vibrates, which no step resolves, does not cost the mobile ions their
   precision.

A window in which no step passes is not diffusive yet and supports no coefficient.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.transport.covariance_estimator import (
    SlowVibration,
    StepStatistics,
    block_steps,
    diffusive_lags,
    gaussian_variance,
)
from interphase_flows.analysis.transport.self_moments import ATOMS_PER_GROUP, SelfRung
from interphase_flows.analysis.transport.vibration import Vibration, fit_vibration
from interphase_flows.exceptions import UnsupportedWindowError

LEAST_STEP_PS = 0.1
"""Atoms in condensed matter turn back after half a vibration, 30 to 60 fs; within shorter steps their motion is
ballistic. A step that the user requests may be shorter."""
MIN_SAMPLES = 150
"""Minimum of steps times axes: 50 steps in three dimensions, 18 % relative error of a diagonal coefficient."""
BIAS_PER_ERROR = 1.0
"""Largest tolerated bias by vibration before it is subtracted, per standard error of the collective rate."""
BIAS_PER_ERROR_UNRESOLVED = 0.5
"""The same for a rate that is not resolved, of which the upper bound matters."""
SIGNIFICANT_ERRORS = 2.0
"""Standard errors of the bias by which it must exceed what is tolerated to reject a step."""
DEPENDENCE = 0.3
"""Relative standard error of the subtracted bias, because atoms do not vibrate independently."""
COLLECTIVE_ERRORS = 4.0
RESOLVED_ERRORS = 3.0


@dataclass(frozen=True)
class StepCandidate:
    """Rates that one candidate step gives, before vibration is subtracted."""

    step_ps: float
    n_steps: int
    rate_angstrom2_per_ps: FloatArray
    """(n_species,), diagonal of Lambda: kB T V L_ii."""
    standard_error_angstrom2_per_ps: FloatArray
    vibration_bias_angstrom2_per_ps: FloatArray
    """(n_species,), what vibration adds to the rate, from the motion of single atoms."""
    passes: bool
    """Whether this bias is within the standard error and longer steps agree."""


def given_step(displacement_angstrom: FloatArray, interval_ps: float, step_ps: float) -> StepStatistics:
    """Take the requested step, rounded up to 1, 2, 4, ... frames, without a test for bias.

    Raises UnsupportedWindowError if the window holds too few such steps.
    """
    n_frames, n_axes = len(displacement_angstrom), displacement_angstrom.shape[2]
    frames = 2 ** max(int(np.ceil(np.log2(step_ps / interval_ps) - 1e-6)), 0)
    if (n_frames // frames - 1) * n_axes < MIN_SAMPLES:
        raise UnsupportedWindowError(
            f"a window of {n_frames * interval_ps:g} ps holds too few steps of {frames * interval_ps:g} ps. "
            f"Hint: choose a shorter step_ps, or a window of {_frames_needed(n_axes) * frames * interval_ps:g} ps"
        )
    return block_steps(displacement_angstrom, frames, interval_ps)


def choose_step(
    displacement_angstrom: FloatArray,
    interval_ps: float,
    rungs: Sequence[SelfRung],
    counts: IntArray,
    axes: Sequence[int],
    frame: FloatArray,
) -> tuple[StepStatistics, tuple[StepCandidate, ...], Vibration]:
    """Choose the coarse-graining step by the rule of this module; return it, all candidates and the vibration.

    Displacements are summed in the reference frame with the matrix `frame`, (n_frames, n_species, n_axes). `rungs` are
    the moments of single atoms of these species, by the exponent of the step, `axes` those of the moments that
    correspond to the displacements. Raises UnsupportedWindowError if the window is too short, or its motion has not
    become diffusive.
    """
    n_frames, n_axes = len(displacement_angstrom), displacement_angstrom.shape[2]
    largest = n_frames // _frames_needed(n_axes)
    if not largest:
        raise UnsupportedWindowError(
            f"a window of {n_frames} frames supports no transport coefficient: {n_axes} "
            f"{'axes need' if n_axes > 1 else 'axis needs'} {_frames_needed(n_axes)} frames or more, and "
            "several hundred independent steps for an error of 10 %. Hint: use a longer window or write frames more "
            "often"
        )
    least = int(np.ceil(LEAST_STEP_PS / interval_ps - 1e-6))
    candidates = [block_steps(displacement_angstrom, k, interval_ps) for k in _lengths(least, largest)]
    if not candidates:
        raise UnsupportedWindowError(
            f"a window of {n_frames * interval_ps:g} ps supports no transport coefficient: it holds too few steps of "
            f"{LEAST_STEP_PS:g} ps, and within shorter steps atoms vibrate. Hint: use a window of "
            f"{_frames_needed(n_axes) * LEAST_STEP_PS:g} ps or more"
        )
    first = max(least - 1, 0).bit_length()
    vibration = fit_vibration(rungs, first, interval_ps, np.minimum(counts, ATOMS_PER_GROUP), axes)
    per_atom = frame**2 * counts
    rates, errors = (np.array(each) for each in zip(*(each.diagonal for each in candidates), strict=True))
    lags = np.array([[per_atom @ lag for lag in vibration.lags(each.block_frames)] for each in candidates])
    by_atom = [vibration.bias(each.block_frames) for each in candidates]
    bias = np.array([per_atom @ rate for rate, _ in by_atom])
    bias_error = np.sqrt([per_atom**2 @ variance for _, variance in by_atom])
    resolved = rates > RESOLVED_ERRORS * errors
    tolerated = np.where(resolved, BIAS_PER_ERROR, BIAS_PER_ERROR_UNRESOLVED) * errors
    passes = (bias <= tolerated + SIGNIFICANT_ERRORS * bias_error).all(axis=1)
    described = min(int(vibration.shortest_step_frames.max()), candidates[-1].block_frames)
    passes &= np.array([each.block_frames >= described for each in candidates])
    for i in np.flatnonzero(passes):
        passes[i] = _longer_steps_agree(candidates[i:], lags[i:], rates[i:], errors[i])
    plateau = tuple(
        StepCandidate(each.step_ps, each.n_steps, rates[i], errors[i], bias[i], bool(passes[i]))
        for i, each in enumerate(candidates)
    )
    if not passes.any():
        raise UnsupportedWindowError(
            f"a window of {n_frames * interval_ps:g} ps supports no transport coefficient: atoms still vibrate within "
            f"steps of {candidates[-1].step_ps:g} ps, so the motion is not yet diffusive. Hint: use a "
            f"window of at least {2 * n_frames * interval_ps:g} ps, or a higher temperature"
        )
    shortest = int(np.flatnonzero(passes)[0])
    independent = per_atom @ vibration.diffusion_angstrom2_per_ps
    rate = np.where(resolved[shortest], rates[shortest], independent)
    # vibrations of a species may cancel in its sum, which then moves less than independent atoms
    steps = candidates[shortest]
    expected = (
        diffusive_lags(steps.block_frames)[0] * 2.0 * steps.step_ps * np.maximum(rate, independent) + lags[shortest, 0]
    )
    moved = (steps.steps**2).mean(axis=(0, 2))
    share = np.minimum(moved / np.maximum(expected, 1e-300), 1.0)
    lags = lags * share
    variances = _predicted_variances(candidates, lags, rate)
    variances += share**2 * (bias_error**2 + (DEPENDENCE * bias) ** 2)
    loss = (variances / np.maximum(variances + rate**2, 1e-300)).sum(axis=1)
    best = int(np.where(passes, loss, np.inf).argmin())
    # scaled by species before the frame, which preserves its null vectors
    own, own_variance = by_atom[best][0] * counts * share, by_atom[best][1] * (counts * share) ** 2
    slow = SlowVibration(frame, own, own_variance + (DEPENDENCE * own) ** 2)
    return replace(candidates[best], vibration=slow), plateau, vibration


def _predicted_variances(candidates: Sequence[StepStatistics], lags: FloatArray, rate: FloatArray) -> FloatArray:
    """Return the variances that steps would have at one rate with this vibration, (n_candidates, n_species)."""
    alpha, beta = np.array([diffusive_lags(each.block_frames) for each in candidates]).T[..., None]
    double_ps = 2.0 * np.array([[each.step_ps] for each in candidates])
    spread = double_ps * np.maximum(rate, 0.0)
    n_terms = np.array([[each.n_steps * each.n_axes] for each in candidates])
    return gaussian_variance(alpha * spread + lags[:, 0], beta * spread + lags[:, 1], n_terms) / double_ps**2


def _longer_steps_agree(
    candidates: Sequence[StepStatistics], lags: FloatArray, rates: FloatArray, error: FloatArray
) -> bool:
    """Return whether the rates of the first candidate, with their errors, agree with those of all longer ones."""
    variances = _predicted_variances(candidates, lags, rates[0])
    # the more precise estimate accounts for part of the error of the other (Hausman's test)
    unexplained = np.maximum(variances - variances[0], 0.1 * np.maximum(variances, error**2))
    return bool((np.abs(rates - rates[0]) <= COLLECTIVE_ERRORS * np.sqrt(unexplained)).all())


def _lengths(least: int, largest: int) -> Iterator[int]:
    """Yield 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, ... from the least to the largest, and the largest."""
    powers = range(largest.bit_length())
    for length in sorted({1, 2, 3, largest} | {base << power for base in (4, 5, 6) for power in powers}):
        if least <= length <= largest:
            yield length


def _frames_needed(n_axes: int) -> int:
    return -(-MIN_SAMPLES // n_axes) + 1
