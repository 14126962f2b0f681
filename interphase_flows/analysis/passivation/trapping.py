"""Kinetic trapping: lifetimes of environments such as LixP, compared with escape by diffusion.

The expected lifetime is that of diffusion without cross terms, D = kB T L_PP / c_P. Atoms that begin anywhere in a
layer of width w and leave it through either face survive as

    S(t) = 8 / pi² sum over odd n of exp(-n² pi² D t / w²) / n²

(Crank, *The Mathematics of Diffusion* (1975), section 4.3: the uptake of a plane sheet). The momentum constraint must
be removed from L_PP, because masses determine a part of it in the barycentric frame.

If a label counts only after a minimum age, shorter lifetimes are missing. The expected survival is then that of atoms
that are still in the layer at that age: S(t) / S(least age).

Mean lifetimes are compared up to the longest age with enough labels at risk. The lifetimes of one atom are not
independent, so intervals are computed by resampling atoms. They are widened if atoms lose their label together, such as
those of one chain.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import norm

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate
from interphase_flows.analysis.statistics.survival import (
    Lifetimes,
    SurvivalCurve,
    restricted_mean_ps,
    survival,
)
from interphase_flows.exceptions import AnalysisError
from interphase_flows.units import KB_EV_PER_K

TrappingState = Literal["trapped", "not_trapped", "undecided"]

LEAST_WATCHED = 10
"""Minimum number of labels at risk at the horizon."""
LEAST_ESCAPED = 0.1
"""Minimum share that is expected to leave within the horizon."""
N_TERMS = 200


@dataclass(frozen=True)
class ExpectedEscape:
    """Escape of atoms from a layer by diffusion without cross terms.

    Parameters
    ----------
    onsager_per_eV_angstrom_ps
        L_PP with its interval, 1/(eV Å ps).
    density_per_angstrom3
        Number density of the labelled species in the layer, 1/Å³.
    width_angstrom
        Width of the layer, Å.
    temperature_K
        Temperature, K.
    least_age_ps
        Minimum age of a label in ps; shorter lifetimes are not observed.

    Raises
    ------
    AnalysisError
        A number that must be positive is not, or L_PP has no interval.
    """

    onsager_per_eV_angstrom_ps: Estimate
    density_per_angstrom3: float
    width_angstrom: float
    temperature_K: float
    least_age_ps: float = 0.0

    def __post_init__(self) -> None:
        onsager = self.onsager_per_eV_angstrom_ps
        if not min(self.density_per_angstrom3, self.width_angstrom, self.temperature_K, onsager.value) > 0:
            raise AnalysisError(f"L_PP = {onsager}, density, width and temperature must be positive: {self}")
        if not onsager.is_known:
            raise AnalysisError(f"L_PP = {onsager} has no interval. Hint: use a longer window")

    @property
    def diffusion_angstrom2_per_ps(self) -> Estimate:
        """D = kB T L_PP / c_P, Å²/ps."""
        factor = KB_EV_PER_K * self.temperature_K / self.density_per_angstrom3
        onsager = self.onsager_per_eV_angstrom_ps
        return Estimate(*(factor * max(x, 0.0) for x in (onsager.value, onsager.lower, onsager.upper)))

    def surviving_fraction(self, age_ps: FloatArray, diffusion_angstrom2_per_ps: float | None = None) -> FloatArray:
        """Return the fraction of atoms in the layer at each age, relative to the minimum age, (n_ages,)."""
        d = self.diffusion_angstrom2_per_ps.value if diffusion_angstrom2_per_ps is None else diffusion_angstrom2_per_ps
        n2, rate = self._modes(np.array([d]))
        # the truncated sum does not converge at age 0
        later = np.maximum(age_ps, self.least_age_ps)
        share = np.where(later > 0, 8 / np.pi**2 * (np.exp(-np.outer(later, rate[0])) / n2).sum(axis=1), 1.0)
        return share / float(self._staying_at_first(np.array([d]))[0])

    def restricted_mean_ps(self, horizon_ps: float, diffusion_angstrom2_per_ps: FloatArray) -> FloatArray:
        """Return the mean time in the layer up to a horizon, ps, for diffusion coefficients, (n,)."""
        n2, rate = self._modes(diffusion_angstrom2_per_ps)
        rest_ps = horizon_ps - self.least_age_ps
        with np.errstate(divide="ignore", invalid="ignore"):  # without diffusion all atoms stay
            mean = np.where(rate > 0, -np.expm1(-rate * rest_ps) / rate, rest_ps)
        later = 8 / np.pi**2 * (np.exp(-rate * self.least_age_ps) * mean / n2).sum(axis=1)
        return self.least_age_ps + later / self._staying_at_first(diffusion_angstrom2_per_ps)

    def _staying_at_first(self, diffusion: FloatArray) -> FloatArray:
        """Return the fraction in the layer at the minimum age, for diffusion coefficients, (n,)."""
        if self.least_age_ps == 0:
            return np.ones(len(diffusion))
        n2, rate = self._modes(diffusion)
        return 8 / np.pi**2 * (np.exp(-rate * self.least_age_ps) / n2).sum(axis=1)

    def _modes(self, diffusion: FloatArray) -> tuple[FloatArray, FloatArray]:
        n2 = np.arange(1, 2 * N_TERMS, 2, dtype=float) ** 2
        return n2, np.outer(diffusion, n2 * np.pi**2 / self.width_angstrom**2)


@dataclass(frozen=True)
class Trapping:
    """Comparison of lifetimes of labels with escape by diffusion."""

    state: TrappingState
    reason: str
    horizon_ps: float
    """Age up to which lifetimes are compared."""
    observed_ps: Estimate
    """Mean lifetime up to the horizon."""
    expected_ps: Estimate
    """Expected mean without cross terms, with the interval of L_PP."""
    ratio: Estimate
    """Observed over expected."""
    curve: SurvivalCurve


def kinetic_trapping(
    lives: Lifetimes,
    expected: ExpectedEscape,
    *,
    atoms_together: float = 1.0,
    n_resamples: int = 400,
    seed: int = 0,
) -> Trapping:
    """Compare lifetimes of a label with those expected without cross terms.

    Parameters
    ----------
    lives
        Lifetimes of the label.
    expected
        Escape by diffusion by L_PP alone.
    atoms_together
        Number of atoms that lose the label together and count as one: `ReactionCounter.atoms_together`.
    n_resamples
        Number of resamples of atoms and of L_PP.
    seed
        Seed of the resamples.

    Raises
    ------
    AnalysisError
        Too few labels begin within the trajectory.
    """
    curve = survival(lives, atoms_together=atoms_together)
    if len(lives.duration_ps) <= LEAST_WATCHED:
        raise AnalysisError(
            f"{len(lives.duration_ps)} labels begin within the trajectory; at least {LEAST_WATCHED + 1} are needed"
        )
    horizon = float(np.sort(lives.duration_ps)[-LEAST_WATCHED])
    random = np.random.default_rng(seed)
    observed = np.array([_resampled_mean(lives, horizon, random) for _ in range(n_resamples)])
    centre = restricted_mean_ps(curve, horizon)
    # lifetimes are truncated at the horizon
    observed = np.clip(centre + np.sqrt(atoms_together) * (observed - centre), 0.0, horizon)
    d = expected.diffusion_angstrom2_per_ps
    spread = (d.upper - d.lower) / (2 * norm.ppf(0.5 + CONFIDENCE / 2))
    free = expected.restricted_mean_ps(horizon, np.maximum(random.normal(d.value, spread, n_resamples), 0.0))
    observed_ps = _interval(centre, observed)
    expected_ps = _interval(float(expected.restricted_mean_ps(horizon, np.array([d.value]))[0]), free)
    ratio = _interval(observed_ps.value / expected_ps.value, observed / free)

    staying = float(expected.surviving_fraction(np.array([horizon]))[0])
    if 1 - staying < LEAST_ESCAPED:
        state, reason = (
            "undecided",
            f"only {1 - staying:.1%} are expected to leave by diffusion within {horizon:.3g} ps",
        )
    elif ratio.lower > 1:
        state, reason = "trapped", "labels outlive diffusion without cross terms"
    elif ratio.upper < 1:
        state, reason = "not_trapped", "labels end sooner than expected from diffusion without cross terms"
    else:
        state, reason = "undecided", "the interval of the ratio contains 1"
    return Trapping(state, reason, horizon, observed_ps, expected_ps, ratio, curve)  # type: ignore[arg-type]


def _resampled_mean(lives: Lifetimes, horizon_ps: float, random: np.random.Generator) -> float:
    atoms, index = np.unique(lives.atom, return_inverse=True)
    drawn = np.bincount(random.integers(0, len(atoms), len(atoms)), minlength=len(atoms))[index]
    again = Lifetimes(
        np.repeat(lives.duration_ps, drawn), np.repeat(lives.ended, drawn), np.repeat(lives.atom, drawn), 0
    )
    return restricted_mean_ps(survival(again), horizon_ps)


def _interval(value: float, samples: FloatArray) -> Estimate:
    tail = 50 * (1 - CONFIDENCE)
    lower, upper = np.percentile(samples, [tail, 100 - tail])
    return Estimate(value, float(lower), float(upper))
