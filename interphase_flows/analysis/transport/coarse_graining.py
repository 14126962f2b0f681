"""Choice of the coarse-graining step of the covariance estimator, by the plateau of its estimates.

A step must be longer than the memory of the motion, but as short as possible, because the error grows with the square
root of the step. Candidates are 1, 2, 4, ... frames that leave enough steps. The rule:

1. A step passes if it is at least as long as a vibration (`LEAST_STEP_PS`), and if doubling it changes N_i D*_i of no
   species by more than a quarter of the standard error of the collective rate, beyond three standard errors of the
   self-diffusion coefficient. Memory is detected much earlier in the motion of single atoms than in the collective
   sum, which is one number per frame.
2. It must also agree with the collective rate of every longer candidate within 3.5 standard errors of the difference,
   and every longer step must pass too.
3. Of the steps that pass, the one with the smallest predicted relative variances v is taken, as if atoms with these
   moments were independent: averages over longer blocks remove vibration that the shortest step still contains. The
   criterion is the sum over species of v / (1 + v), so that a framework that only vibrates, which no step resolves,
   does not cost the mobile ions their precision. Errors of the collective rates are not used, because they are smallest
   where the estimate is low by chance.
4. The step is doubled if the window holds enough steps. Memory too small to be detected in few atoms may still matter;
   its remainder falls with the third power of the step, while the error grows by a factor of 1.3 to 1.4.

A window in which no step passes is not diffusive yet and supports no coefficient.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.transport.covariance_estimator import StepStatistics, block_steps
from interphase_flows.analysis.transport.self_moments import SelfRung, self_diffusion_angstrom2_per_ps
from interphase_flows.exceptions import UnsupportedWindowError

LEAST_STEP_PS = 0.1
"""Atoms in condensed matter turn back after half a vibration, 30 to 60 fs; within shorter steps their motion is
ballistic. A step that the user requests may be shorter."""
MIN_SAMPLES = 150
"""Minimum of steps times axes: 50 steps in three dimensions, 18 % relative error of a diagonal coefficient."""
MEMORY_PER_ERROR = 0.25
"""Largest tolerated memory in the motion of single atoms, per standard error of the collective rate."""
SELF_ERRORS = 3.0
COLLECTIVE_ERRORS = 3.5


@dataclass(frozen=True)
class PlateauPoint:
    """Rates that one candidate step gives."""

    step_ps: float
    n_steps: int
    rate_angstrom2_per_ps: FloatArray
    """(n_species,), diagonal of Lambda: kB T V L_ii."""
    standard_error_angstrom2_per_ps: FloatArray
    self_rate_angstrom2_per_ps: FloatArray
    """(n_species,), N_i D*_i."""
    passes: bool
    """Whether this step and all longer ones agree."""


def given_step(displacement_angstrom: FloatArray, interval_ps: float, step_ps: float) -> StepStatistics:
    """Take the requested step, rounded up to 1, 2, 4, ... frames, without a search for a plateau.

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
) -> tuple[StepStatistics, tuple[PlateauPoint, ...]]:
    """Choose the coarse-graining step by the rule of this module; return it and all candidates.

    Displacements are summed in the reference frame, (n_frames, n_species, n_axes). `rungs` are the moments of single
    atoms of these species, by the exponent of the step, `axes` those of the moments that correspond to the
    displacements. Raises UnsupportedWindowError if the window is too short, or its motion has not become diffusive.
    """
    n_frames, n_axes = len(displacement_angstrom), displacement_angstrom.shape[2]
    candidates: list[StepStatistics] = []
    while True:
        frames = 2 ** len(candidates)
        if (n_frames // frames - 1) * n_axes < MIN_SAMPLES:
            break
        candidates.append(block_steps(displacement_angstrom, frames, interval_ps))
    shortest_ps = LEAST_STEP_PS * (1.0 - 1e-6)
    if candidates and candidates[-1].step_ps < shortest_ps:
        raise UnsupportedWindowError(
            f"a window of {n_frames * interval_ps:g} ps supports no transport coefficient: it holds too few steps of "
            f"{LEAST_STEP_PS:g} ps, and within shorter steps atoms vibrate. Hint: use a window of "
            f"{_frames_needed(n_axes) * LEAST_STEP_PS:g} ps or more"
        )
    if not candidates:
        raise UnsupportedWindowError(
            f"a window of {n_frames} frames supports no transport coefficient: {n_axes} "
            f"{'axes need' if n_axes > 1 else 'axis needs'} {_frames_needed(n_axes)} frames or more, and "
            "several hundred independent steps for an error of 10 %. Hint: use a longer window or write frames more "
            "often"
        )

    own: list[tuple[FloatArray, FloatArray]] = []
    for exponent, rung in enumerate(rungs[: len(candidates) + 1]):
        value, error = self_diffusion_angstrom2_per_ps(
            rung, counts=counts, step_ps=2**exponent * interval_ps, axes=axes
        )
        own.append((counts * value, counts * error))

    rates = [np.diagonal(each.rate_angstrom2_per_ps) for each in candidates]
    errors = [np.diagonal(each.standard_error) for each in candidates]
    passes = np.array([each.step_ps >= shortest_ps for each in candidates])
    for i in range(len(candidates)):
        memory = np.abs(own[i + 1][0] - own[i][0])
        # few steps estimate their own scatter poorly, and doubling the step at least doubles the variance
        own_error = np.maximum(own[i + 1][1], np.sqrt(2.0) * own[i][1])
        passes[i] &= (memory <= MEMORY_PER_ERROR * errors[i] + SELF_ERRORS * own_error).all()
        for j in range(i + 1, len(candidates)):
            apart = np.abs(rates[j] - rates[i])
            # the more precise estimate accounts for part of the error of the other (Hausman's test)
            both = np.stack([errors[i], errors[j]]) ** 2
            unexplained = np.sqrt(np.maximum(np.ptp(both, axis=0), 0.1 * both.max(axis=0)))
            passes[i] &= (apart <= COLLECTIVE_ERRORS * unexplained).all()
    passes = np.logical_and.accumulate(passes[::-1])[::-1]
    plateau = tuple(
        PlateauPoint(each.step_ps, each.n_steps, rates[i], errors[i], own[i][0], bool(passes[i]))
        for i, each in enumerate(candidates)
    )
    if not passes.any():
        longest = candidates[-1]
        raise UnsupportedWindowError(
            f"a window of {n_frames * interval_ps:g} ps supports no transport coefficient: steps of up to "
            f"{longest.step_ps:g} ps still disagree with longer ones, so the motion is not yet diffusive. Hint: use a "
            f"window of at least {2 * n_frames * interval_ps:g} ps, or a higher temperature"
        )
    shortest = int(np.flatnonzero(passes)[0])
    value, error = own[shortest]
    diffusion = np.where(value > SELF_ERRORS * error, value, 0.0) / counts
    predicted = [_predicted_loss(rung, each, axes, diffusion) for rung, each in zip(rungs, candidates, strict=False)]
    best = min(range(shortest, len(candidates)), key=lambda i: predicted[i])
    return candidates[min(best + 1, len(candidates) - 1)], plateau


def _predicted_loss(
    rung: SelfRung, step: StepStatistics, axes: Sequence[int], diffusion_angstrom2_per_ps: FloatArray
) -> float:
    """Return the sum over species of v / (1 + v), v the relative variance that independent atoms would give.

    A species without resolved diffusion contributes 1 at every step.
    """
    columns = list(axes)
    rung = rung.without_drift()
    zero = rung.squared_angstrom2[:, :, columns].mean(axis=(0, 2))
    one = rung.lagged_angstrom2[:, :, columns].mean(axis=(0, 2))
    variance = 2.0 * (3.0 * zero**2 + 8.0 * zero * one + 8.0 * one**2) / (step.n_steps * len(columns))
    square = (2.0 * step.step_ps * np.maximum(diffusion_angstrom2_per_ps, 0.0)) ** 2
    still = variance + square == 0.0
    return float(np.sum(np.where(still, 0.0, variance) / np.where(still, 1.0, variance + square)))


def _frames_needed(n_axes: int) -> int:
    return -(-MIN_SAMPLES // n_axes) + 1
