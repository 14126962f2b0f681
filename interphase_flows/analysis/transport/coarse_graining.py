"""Which step the covariance estimator takes: the plateau.

A step must be longer than the motion remembers, and no longer: error grows as the root of the step. Candidates
are 1, 2, 4, ... frames that leave enough steps. The rule:

1. A step passes if doubling it changes N_i D*_i of no species by more than a quarter of the standard error of
   the collective rate, beyond three standard errors of the self-diffusion coefficient itself. Single atoms
   know of memory long before the collective sum does, for it is one number per frame.
2. It also passes only if no longer candidate's collective rate differs by more than 3.5 standard errors of the
   difference, and if every longer step passes too.
3. Of those that pass, the one with the smallest errors (the smallest product over the species) is taken:
   averages over longer blocks shed vibration that the shortest step still carries.

A window in which none passes is not diffusive yet and supports no number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interphase_flows.analysis.frames import FloatArray, IntArray
from interphase_flows.analysis.transport.covariance_estimator import StepStatistics, block_steps
from interphase_flows.analysis.transport.self_diffusion import self_diffusion_angstrom2_per_ps
from interphase_flows.analysis.transport.self_moments import SelfRung
from interphase_flows.exceptions import UnsupportedWindowError

MIN_SAMPLES = 150
"""Fewest steps times axes: 50 steps in three dimensions, 18 % relative error of a diagonal coefficient."""
MEMORY_PER_ERROR = 0.25
"""Memory in the single atoms' motion that is let pass, per standard error of the collective rate."""
SELF_ERRORS = 3.0
COLLECTIVE_ERRORS = 3.5


@dataclass(frozen=True)
class PlateauPoint:
    """What one candidate step gives."""

    step_ps: float
    n_steps: int
    rate_angstrom2_per_ps: FloatArray
    """(n_species,), diagonal of Lambda: kB T V L_ii."""
    standard_error_angstrom2_per_ps: FloatArray
    """(n_species,)."""
    self_rate_angstrom2_per_ps: FloatArray
    """(n_species,), N_i D*_i."""
    passes: bool
    """Whether this step and all longer ones agree."""


@dataclass(frozen=True)
class StepChoice:
    """The step that was chosen, and every candidate."""

    statistics: StepStatistics
    plateau: tuple[PlateauPoint, ...]


def given_step(displacement_angstrom: FloatArray, interval_ps: float, step_ps: float) -> StepChoice:
    """Take the step asked for, rounded up to 1, 2, 4, ... frames, without looking for a plateau.

    Raises
    ------
    UnsupportedWindowError
        The window holds too few such steps.
    """
    n_frames, n_axes = len(displacement_angstrom), displacement_angstrom.shape[2]
    frames = 2 ** max(int(np.ceil(np.log2(step_ps / interval_ps) - 1e-6)), 0)
    if (n_frames // frames - 1) * n_axes < MIN_SAMPLES:
        raise UnsupportedWindowError(
            f"a window of {n_frames * interval_ps:g} ps holds too few steps of {frames * interval_ps:g} ps; "
            f"give a shorter step_ps, or a window of {_frames_needed(n_axes) * frames * interval_ps:g} ps"
        )
    return StepChoice(block_steps(displacement_angstrom, frames, interval_ps), ())


def choose_step(
    displacement_angstrom: FloatArray,
    interval_ps: float,
    rungs: Sequence[SelfRung],
    counts: IntArray,
    axes: Sequence[int],
    barycentric_drift_per_frame_angstrom: FloatArray,
) -> StepChoice:
    """Choose the coarse-graining step by the rule of this module.

    Parameters
    ----------
    displacement_angstrom
        Summed displacements in the reference frame, (n_frames, n_species, n_axes), Å.
    interval_ps
        Time between frames, ps.
    rungs
        Moments of single atoms of these species, by the exponent of the step.
    counts
        Atoms of each species, (n_species,).
    axes
        Axes of the moments that belong to the displacements.
    barycentric_drift_per_frame_angstrom
        Mean displacement per frame of each species' sum about the barycentre, (n_species, n_axes), Å.

    Raises
    ------
    UnsupportedWindowError
        The window is too short, or its motion has not become diffusive.
    """
    n_frames, n_axes = len(displacement_angstrom), displacement_angstrom.shape[2]
    candidates: list[StepStatistics] = []
    while True:
        frames = 2 ** len(candidates)
        if (n_frames // frames - 1) * n_axes < MIN_SAMPLES:
            break
        candidates.append(block_steps(displacement_angstrom, frames, interval_ps))
    if not candidates:
        raise UnsupportedWindowError(
            f"a window of {n_frames} frames supports no transport coefficient: {n_axes} "
            f"{'axes need' if n_axes > 1 else 'axis needs'} {_frames_needed(n_axes)} frames or more, and "
            "several hundred independent steps for an error of 10 %; take a longer window or write frames more "
            "often"
        )

    own: list[tuple[FloatArray, FloatArray]] = []
    for exponent, rung in enumerate(rungs[: len(candidates) + 1]):
        frames = 2**exponent
        value, error = self_diffusion_angstrom2_per_ps(
            rung,
            counts=counts,
            drift_angstrom=frames * barycentric_drift_per_frame_angstrom,
            step_ps=frames * interval_ps,
            axes=axes,
        )
        own.append((counts * value, counts * error))

    rates = [np.diagonal(each.rate_angstrom2_per_ps) for each in candidates]
    errors = [np.diagonal(each.standard_error) for each in candidates]
    passes = np.ones(len(candidates), dtype=bool)
    for i in range(len(candidates)):
        memory = np.abs(own[i + 1][0] - own[i][0])
        passes[i] = (memory <= MEMORY_PER_ERROR * errors[i] + SELF_ERRORS * own[i + 1][1]).all()
        for j in range(i + 1, len(candidates)):
            apart = np.abs(rates[j] - rates[i])
            # the shorter step's estimate is the better one, so errors subtract (Hausman's test)
            unexplained = np.sqrt(np.maximum(errors[j] ** 2 - errors[i] ** 2, 0.1 * errors[j] ** 2))
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
            f"{longest.step_ps:g} ps still disagree with longer ones, so motion is not diffusive yet; take a "
            f"window of at least {2 * n_frames * interval_ps:g} ps, or a higher temperature"
        )
    with np.errstate(divide="ignore"):
        log_errors = np.array([np.log(each[each > 0]).sum() for each in errors])
    best = min(np.flatnonzero(passes), key=lambda i: log_errors[i])
    return StepChoice(candidates[int(best)], plateau)


def _frames_needed(n_axes: int) -> int:
    return -(-MIN_SAMPLES // n_axes) + 1
