"""Onsager coefficients of a window: L_ij = lim 1/(6 kB T V) d/dt < R_i(t) . R_j(t) >.

R_i is the summed displacement of species i in a declared reference frame. The window is read once; see `collective` for
the displacements, `coarse_graining` for the step, `covariance_estimator` for the estimates and their errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypedDict, get_args

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.geometry.frames import FrameSource
from interphase_flows.analysis.statistics.estimate import Estimate, normal_quantile
from interphase_flows.analysis.transport.coarse_graining import MIN_SAMPLES, choose_step, given_step
from interphase_flows.analysis.transport.collective import CollectiveMotion, collective_motion
from interphase_flows.analysis.transport.covariance_estimator import StepStatistics, block_steps
from interphase_flows.analysis.transport.cross_displacement import short_lag_rate
from interphase_flows.analysis.transport.groups import by_species
from interphase_flows.analysis.transport.momentum_constraint import (
    difference,
    independent_atoms,
    without_barycentre,
    without_momentum_constraint,
)
from interphase_flows.analysis.transport.reference_frames import (
    ReferenceFrame,
    frame_matrix,
)
from interphase_flows.analysis.transport.results import OnsagerResult
from interphase_flows.analysis.transport.self_moments import self_diffusion_angstrom2_per_ps
from interphase_flows.exceptions import AnalysisError
from interphase_flows.units import KB_EV_PER_K

Directions = Literal["all", "in_plane", "normal"]
AXES: dict[str, list[int]] = {"all": [0, 1, 2], "in_plane": [0, 1], "normal": [2]}
STATIONARY_Z = 3.0
"""Largest difference between the halves of a stationary window, in standard errors."""
LONGEST_LAG_STEPS = 3
"""The short-lag estimate is fitted from one to this number of steps."""


class OnsagerOptions(TypedDict, total=False):
    """Options of `onsager_matrix` that all windows share."""

    species: Sequence[str] | None
    frame: ReferenceFrame
    at_rest: Sequence[str]
    step_ps: float | None
    confidence: float


@dataclass(frozen=True)
class OnsagerRequest:
    """Settings that all windows share, as in `onsager_matrix`."""

    temperature_K: float
    species: Sequence[str] | None = None
    frame: ReferenceFrame = "barycentric"
    at_rest: Sequence[str] = ()
    step_ps: float | None = None
    confidence: float = 0.95

    def __post_init__(self) -> None:
        normal_quantile(self.confidence)
        if not self.temperature_K > 0:
            raise AnalysisError(f"temperature_K = {self.temperature_K}: it must be positive")
        if self.step_ps is not None and not self.step_ps > 0:
            raise AnalysisError(f"step_ps = {self.step_ps}: it must be positive, or None")


def onsager_matrix(
    frames: FrameSource,
    *,
    temperature_K: float,
    species: Sequence[str] | None = None,
    frame: ReferenceFrame = "barycentric",
    at_rest: Sequence[str] = (),
    directions: Directions = "all",
    first_frame: int = 0,
    end_frame: int | None = None,
    step_ps: float | None = None,
    confidence: float = 0.95,
) -> OnsagerResult:
    """Measure Onsager coefficients of a trajectory, or of a window of it.

    Parameters
    ----------
    frames
        The trajectory: positions unwrapped, frames equally spaced. In a changing cell, displacements are differences
        of fractional coordinates times the mean cell of the window, and the volume is the mean.
    temperature_K
        Temperature of the dynamics.
    species
        Chemical symbols to report, in this order; all by default. All atoms count in the barycentre.
    frame, at_rest
        Reference frame: centre of mass (``barycentric``), the species of a host (``lattice``) or one (``hittorf``) at
        rest.
    directions
        Axes that are averaged: ``all``, those ``in_plane`` with a and b, or the one ``normal`` to them.
    first_frame, end_frame
        The window, end excluded.
    step_ps
        Coarse-graining step, rounded up to 1, 2, 4, ... frames; chosen by `coarse_graining` by default.
    confidence
        Of the intervals.

    Raises
    ------
    UnsupportedWindowError
        The window is too short, its frames are not equally spaced, its cell drifts by more than
        `collective.LARGEST_CELL_DRIFT`, or motion in it has not become diffusive.
    AnalysisError
        The trajectory is empty, or a species or frame does not exist.
    """
    request = OnsagerRequest(temperature_K, species, frame, at_rest, step_ps, confidence)
    if directions not in get_args(Directions):
        raise AnalysisError(f"directions = {directions}: choose from {', '.join(get_args(Directions))}")
    motion = collective_motion(
        frames,
        by_species(frames),
        first_frame=first_frame,
        end_frame=end_frame,
        along_normal=True,
    )
    return window_result(motion, 0, motion.volume_angstrom3, directions, request)


def window_result(
    motion: CollectiveMotion,
    domain: int,
    volume_angstrom3: float,
    directions: Directions,
    request: OnsagerRequest,
) -> OnsagerResult:
    """Reduce the collective motion of one domain, along the axes of `groups.normal_axes`, to coefficients.

    Raises UnsupportedWindowError if the window supports no coefficient, AnalysisError if a species or frame does not
    exist in the domain.
    """
    chosen = motion.groups.of_domain(domain)
    present = [motion.groups.species[each] for each in chosen]
    wanted = tuple(present if request.species is None else request.species)
    absent = [symbol for symbol in wanted if symbol not in present]
    if absent:
        raise AnalysisError(f"no atom of {', '.join(absent)} among {', '.join(present)}")
    rows = np.array([present.index(symbol) for symbol in wanted])
    counts, masses = motion.groups.counts[chosen], motion.groups.masses_u[chosen]
    axes = AXES[directions]
    laboratory = motion.displacement_angstrom[:, chosen][:, :, axes]
    frame = frame_matrix(request.frame, present, counts, masses, request.at_rest)
    moved = np.einsum("ij,tjx->tix", frame, laboratory)

    rungs = [each.of_groups(chosen) for each in motion.self_rungs]
    if request.step_ps is None:
        steps, plateau, vibration = choose_step(moved, motion.interval_ps, rungs, counts, axes, frame)
    else:
        steps, plateau, vibration = given_step(moved, motion.interval_ps, request.step_ps), (), None
    statistics = steps.combined(np.eye(len(present))[rows])
    quantile = normal_quantile(request.confidence)
    self_frames = _self_block_frames(steps.block_frames, len(moved), len(axes))
    own, own_error = self_diffusion_angstrom2_per_ps(
        rungs[self_frames.bit_length() - 1],
        counts=counts,
        step_ps=self_frames * motion.interval_ps,
        axes=axes,
    )
    if vibration is not None:
        added, variance = vibration.bias(self_frames)
        own, own_error = own - added, np.sqrt(own_error**2 + variance)
    alone, alone_error = (counts * each for each in without_barycentre(own, own_error, counts, masses))
    independent, independent_error = independent_atoms(alone, alone_error, frame)
    every_species = np.arange(len(present))
    free = without_momentum_constraint(
        steps.estimate(request.confidence)[every_species, every_species], alone, alone_error, frame, quantile
    )

    per_rate = 1.0 / (KB_EV_PER_K * request.temperature_K * volume_angstrom3)
    rates = statistics.estimate(request.confidence)
    onsager, smallest = _positive_semidefinite(rates)
    self_diffusion = Estimate.symmetric(own, own_error, confidence=request.confidence)
    self_part = self_diffusion.scaled(counts)[rows]
    among = np.ix_(rows, rows)
    diagonal = rates[np.arange(len(rows)), np.arange(len(rows))]
    error = diagonal.standard_error
    with np.errstate(divide="ignore", invalid="ignore"):
        n_independent = np.where(error > 0, 2.0 * diagonal.value**2 / (len(axes) * error**2), np.inf)
    z = _half_window_z(moved[:, rows], steps.block_frames, motion.interval_ps)
    first_lag = steps.block_frames
    last_lag = max(min(LONGEST_LAG_STEPS * first_lag, len(moved) - 1), first_lag + 1)
    short_lag = short_lag_rate(moved[:, rows], motion.interval_ps, first_lag, last_lag)
    return OnsagerResult(
        species=wanted,
        frame=request.frame,
        at_rest=tuple(request.at_rest),
        directions=directions,
        temperature_K=request.temperature_K,
        volume_angstrom3=volume_angstrom3,
        n_atoms=counts[rows],
        start_ps=float(motion.time_ps[0]),
        end_ps=float(motion.time_ps[-1]),
        step_ps=steps.step_ps,
        n_steps=steps.n_steps,
        confidence=request.confidence,
        onsager=onsager.scaled(per_rate),
        smallest_eigenvalue=smallest * per_rate,
        n_independent=n_independent,
        self_part=self_part.scaled(per_rate),
        distinct_part=difference(diagonal, self_part.value, self_part.standard_error, quantile).scaled(per_rate),
        beyond_frame=difference(rates, independent[among], independent_error[among], quantile).scaled(per_rate),
        constraint_free=free[rows].scaled(per_rate),
        short_lag_onsager=short_lag * per_rate,
        self_step_ps=self_frames * motion.interval_ps,
        self_diffusion_angstrom2_per_ps=self_diffusion[rows],
        advection_angstrom_per_ps=_advection(statistics, counts[rows], request.confidence),
        frame_drift_angstrom_per_ps=_frame_drift(laboratory, moved, counts, motion),
        axes=motion.axes[axes],
        half_window_z=z,
        stationary=bool((np.abs(z) < STATIONARY_Z).all()),
        plateau=plateau,
        statistics=statistics,
    )


def _self_block_frames(block_frames: int, n_frames: int, n_axes: int) -> int:
    """Return the block for single atoms, a power of two: four times the collective one where the window holds enough.

    Memory that is negligible against the error of the collective sum is not so against the much smaller error of the
    mean over atoms.
    """
    shortest = 1 << (block_frames - 1).bit_length()
    for frames in (4 * shortest, 2 * shortest, shortest):
        if (n_frames // frames - 1) * n_axes >= MIN_SAMPLES:
            return frames
    return 1 << (block_frames.bit_length() - 1)


def _positive_semidefinite(rates: Estimate) -> tuple[Estimate, float]:
    """Return the nearest positive semidefinite matrix and the smallest eigenvalue before the projection.

    Higham, Linear Algebra Appl. 103, 103 (1988): negative eigenvalues become zero. Null vectors of the
    frame are kept.
    """
    values, vectors = np.linalg.eigh(rates.value)
    if values[0] >= 0.0:
        return rates, float(values[0])
    kept = (vectors * np.maximum(values, 0.0)) @ vectors.T
    value = 0.5 * (kept + kept.T)
    lower, upper = np.minimum(rates.lower, value), np.maximum(rates.upper, value)
    return replace(rates, value=value, lower=lower, upper=upper), float(values[0])


def _half_window_z(moved: FloatArray, block_frames: int, interval_ps: float) -> FloatArray:
    """Compare the diagonal of the halves of a window, (n_species,), in standard errors."""
    middle = len(moved) // 2
    first, second = (block_steps(half, block_frames, interval_ps) for half in (moved[:middle], moved[middle:]))
    apart = np.diagonal(second.rate_angstrom2_per_ps - first.rate_angstrom2_per_ps)
    error = np.hypot(np.diagonal(first.standard_error), np.diagonal(second.standard_error))
    return np.divide(apart, error, out=np.zeros(len(apart)), where=error > 0)


def _advection(statistics: StepStatistics, counts: IntArray, confidence: float) -> Estimate:
    """Return the mean velocity of each species, (n_species, n_axes), Å/ps."""
    per_atom = counts[:, None] * statistics.step_ps
    return Estimate.symmetric(
        statistics.drift_angstrom / per_atom,
        statistics.drift_error_angstrom / per_atom,
        confidence=confidence,
    )


def _frame_drift(laboratory: FloatArray, moved: FloatArray, counts: IntArray, motion: CollectiveMotion) -> FloatArray:
    """Return the velocity of the frame, (n_axes,), Å/ps, which was subtracted from every atom."""
    taken = (laboratory[-1, 0] - moved[-1, 0]) / counts[0]
    return taken / (motion.time_ps[-1] - motion.time_ps[0])
