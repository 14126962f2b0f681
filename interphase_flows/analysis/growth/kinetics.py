"""Growth kinetics: the law of a thickness or a phase fraction against time, with confidence intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.growth.laws.avrami import Avrami
from interphase_flows.analysis.growth.laws.constant import Constant
from interphase_flows.analysis.growth.laws.law import Law
from interphase_flows.analysis.growth.laws.linear import Linear
from interphase_flows.analysis.growth.laws.linear_then_parabolic import LinearThenParabolic
from interphase_flows.analysis.growth.laws.logarithmic import Logarithmic
from interphase_flows.analysis.growth.laws.parabolic import Parabolic
from interphase_flows.analysis.growth.laws.power import Power
from interphase_flows.analysis.growth.least_squares import LawFit, fit_law, fit_many
from interphase_flows.analysis.growth.model_selection import DECISIVE, LawScore, rivals_of_the_best, scores_of
from interphase_flows.analysis.growth.search_limits import parameter_at_a_limit
from interphase_flows.analysis.interfaces.depletion import Depletion, find_depletion
from interphase_flows.analysis.statistics.autocorrelation import statistical_inefficiency
from interphase_flows.analysis.statistics.block_bootstrap import block_length, resampled_noise
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.exceptions import AnalysisError

LAWS: tuple[Law, ...] = (
    Constant(),
    Linear(),
    Parabolic(),
    LinearThenParabolic(),
    Logarithmic(),
    Power(),
    Avrami(),
)
UNDECIDED = "undecided"
LEAST_FRAMES = 20
LEAST_INDEPENDENT = 20.0
"""Minimum number of independent samples for a choice among seven laws of up to four parameters."""
MOST_POINTS = 600
"""Maximum number of points of a fit; consecutive frames of longer series are averaged."""
SMALLEST_THICKNESS_CHANGE_ANGSTROM = 1.0
SMALLEST_FRACTION_CHANGE = 0.02


@dataclass(frozen=True)
class LawEstimate:
    """One law with its parameters."""

    law: str
    equation: str
    parameters: Mapping[str, Estimate]
    """By name, with units; 95 % intervals by block bootstrap."""
    block_frames: int
    """Number of frames of a bootstrap block."""


@dataclass(frozen=True)
class GrowthKinetics:
    """Growth kinetics of one trajectory."""

    decision: str
    """Name of the law, or ``undecided``."""
    reason: str
    candidates: tuple[LawEstimate, ...]
    """The selected law, or all laws that the data do not distinguish, by increasing BIC."""
    scores: tuple[LawScore, ...]
    """Every law by increasing BIC."""
    n_frames: int
    """Number of fitted frames."""
    n_independent: float
    """Number of independent samples among them."""
    fitted_until_ps: float
    depletion: Depletion | None
    """Exhausted reservoir; frames from its depletion are excluded."""


def thickness_kinetics(
    time_ps: ArrayLike,
    thickness_angstrom: ArrayLike,
    *,
    reservoirs: Mapping[str, ArrayLike] | None = None,
    laws: Sequence[Law] = LAWS,
    smallest_change_angstrom: float = SMALLEST_THICKNESS_CHANGE_ANGSTROM,
    n_resamples: int = 400,
    seed: int = 0,
) -> GrowthKinetics:
    """Find the growth law of an interphase.

    Parameters
    ----------
    time_ps
        Times in ps since the contact of the two sides, (n_frames,), increasing, not negative.
    thickness_angstrom
        Thickness in Å, (n_frames,).
    reservoirs
        Remaining amount of each side, as in `find_depletion`; frames from a depletion are excluded.
    laws
        Candidate laws.
    smallest_change_angstrom
        `constant` requires that the data exclude a larger change over the series.
    n_resamples
        Number of bootstrap resamples.
    seed
        Seed of the resamples.

    Raises
    ------
    AnalysisError
        The series do not match, are not finite, or have fewer than 20 frames.
    """
    return _kinetics(
        time_ps,
        thickness_angstrom,
        "angstrom",
        smallest_change_angstrom,
        reservoirs or {},
        laws,
        n_resamples,
        seed,
    )


def fraction_kinetics(
    time_ps: ArrayLike,
    phase_fraction: ArrayLike,
    *,
    reservoirs: Mapping[str, ArrayLike] | None = None,
    laws: Sequence[Law] = LAWS,
    smallest_change: float = SMALLEST_FRACTION_CHANGE,
    n_resamples: int = 400,
    seed: int = 0,
) -> GrowthKinetics:
    """Find the growth law of a phase fraction; arguments and errors as in `thickness_kinetics`."""
    return _kinetics(time_ps, phase_fraction, "fraction", smallest_change, reservoirs or {}, laws, n_resamples, seed)


def _kinetics(
    time_ps: ArrayLike,
    values: ArrayLike,
    unit: str,
    smallest_change: float,
    reservoirs: Mapping[str, ArrayLike],
    laws: Sequence[Law],
    n_resamples: int,
    seed: int,
) -> GrowthKinetics:
    time, series = _checked(time_ps, values)
    depletion = find_depletion(time, reservoirs)
    if depletion is not None:
        before = time < depletion.time_ps
        time, series = time[before], series[before]
        if len(time) < LEAST_FRAMES:
            reason = f"{len(time)} frames before {depletion.reservoir} was exhausted"
            return GrowthKinetics(UNDECIDED, reason, (), (), len(time), len(time), depletion.time_ps, depletion)
    n_frames, until = len(time), float(time[-1])
    time, series, per_point = _averaged(time, series)

    fits = {law.name: fit for law in laws if (fit := fit_law(law, time, series)) is not None}
    if not fits:
        raise AnalysisError(f"none of the laws {[law.name for law in laws]} fits the series")
    scores, g = scores_of(list(fits.values()), unit, float(np.abs(series).max()))
    independent = len(series) / g
    names = rivals_of_the_best(scores)
    random = np.random.default_rng(seed)
    estimates = {name: _estimate(fits[name], time, unit, per_point, n_resamples, random) for name in names}

    slope = None
    if names[0] == Constant.name:
        line = fits.get(Linear.name) or fit_law(Linear(), time, series)
        assert line is not None  # a straight line can always be fitted
        slope = _estimate(line, time, unit, per_point, n_resamples, random)
    decision, reason = _decided(names, independent, slope, time[-1] - time[0], smallest_change, unit)
    for i, score in enumerate(scores):
        intervals = estimates[score.law].parameters if score.law in estimates else None
        scores[i] = replace(score, limit=parameter_at_a_limit(fits[score.law], time, unit, intervals))
    if decision != UNDECIDED and scores[0].limit:
        decision, reason = UNDECIDED, scores[0].limit
    if slope is not None and decision == UNDECIDED:
        estimates[Linear.name] = slope
    return GrowthKinetics(
        decision=decision,
        reason=reason,
        candidates=tuple(estimates.values()),
        scores=tuple(scores),
        n_frames=n_frames,
        n_independent=independent,
        fitted_until_ps=until,
        depletion=depletion,
    )


def _decided(
    names: Sequence[str],
    independent: float,
    slope: LawEstimate | None,
    length_ps: float,
    smallest_change: float,
    unit: str,
) -> tuple[str, str]:
    """Return the decision and its reason; `names` are the best law and those not distinguished from it."""
    if independent < LEAST_INDEPENDENT:
        return UNDECIDED, (f"{independent:.0f} independent samples; a choice needs {LEAST_INDEPENDENT:.0f}")
    if len(names) > 1:
        return UNDECIDED, f"{', '.join(names)} are within {DECISIVE:g} in BIC"
    if slope is None:
        return names[0], f"every rival is worse by more than {DECISIVE:g} in BIC"
    change = slope.parameters[f"rate_{unit}_per_ps"].largest_magnitude * length_ps
    if change > smallest_change:
        return UNDECIDED, f"no growth is detected, but {change:.2g} {unit} over the series are not excluded"
    return names[0], f"growth by more than {change:.2g} {unit} over the series is excluded"


def _estimate(
    fit: LawFit,
    time: FloatArray,
    unit: str,
    per_point: int,
    n_resamples: int,
    random: np.random.Generator,
) -> LawEstimate:
    law = fit.law
    noise = resampled_noise(fit.residuals, law.n_parameters, n_resamples, random)
    again = fit_many(law, time, law.curve(time, fit.parameters) + noise, fit.parameters)
    tail = 50 * (1 - CONFIDENCE)
    lower, upper = np.percentile(again, [tail, 100 - tail], axis=0)
    return LawEstimate(
        law=law.name,
        equation=law.equation,
        parameters={
            name: Estimate(float(fit.parameters[i]), float(lower[i]), float(upper[i]))
            for i, name in enumerate(law.parameter_names(unit))
        },
        block_frames=per_point * block_length(len(time), statistical_inefficiency(fit.residuals, law.n_parameters)),
    )


def _checked(time_ps: ArrayLike, values: ArrayLike) -> tuple[FloatArray, FloatArray]:
    time, series = np.asarray(time_ps, dtype=float), np.asarray(values, dtype=float)
    if time.ndim != 1 or time.shape != series.shape:
        raise AnalysisError(
            f"times of shape {time.shape} and values of shape {series.shape}; one value per frame is required"
        )
    if len(time) < LEAST_FRAMES:
        raise AnalysisError(
            f"{len(time)} frames; a growth law needs at least {LEAST_FRAMES}. Hint: run longer, or write frames more "
            "often"
        )
    if not (np.isfinite(time).all() and np.isfinite(series).all()):
        raise AnalysisError("times or values are not finite. Hint: leave out frames without boundaries")
    if time[0] < 0 or not (np.diff(time) > 0).all():
        raise AnalysisError("times must increase and not be negative; they count from the contact of the two sides")
    return time, series


def _averaged(time: FloatArray, series: FloatArray) -> tuple[FloatArray, FloatArray, int]:
    """Average consecutive frames to at most `MOST_POINTS`; also return the number of frames per point."""
    per_point = -(-len(time) // MOST_POINTS)
    first = np.arange(0, len(time), per_point)
    counts = np.diff([*first, len(time)])
    return np.add.reduceat(time, first) / counts, np.add.reduceat(series, first) / counts, per_point
