"""How far errors of the phases' energies move what the hull predicts, by Monte Carlo.

Every phase's energy is drawn from a normal distribution of its own standard error, independently of the others, and
hull, kinks and window are found anew. Errors that all phases share, such as those of a functional, are not
independent: they cancel in part, and no sampling of this kind knows them. A stable phase may leave the hull in a
sample, so every reaction has, beside its interval, the share of samples that predict it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from pymatgen.core import Composition

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.exceptions import AnalysisError
from interphase_flows.thermodynamics.electrochemical_window import stability_window
from interphase_flows.thermodynamics.hull import PhaseEnergies, formula_units, lowest_polymorphs
from interphase_flows.thermodynamics.reactions import Kink, predict_reaction

TAILS_PERCENT = (2.5, 97.5)
"""Percentiles of the samples that bound an interval."""


@dataclass(frozen=True)
class KinkError:
    """A kink of the hull without errors, and what errors do to it."""

    x_electrode: Fraction
    reaction: str
    energy_eV_per_atom: Estimate
    """Of this reaction, whether or not a sample's hull has it."""
    energy_eV_per_formula_unit: Estimate
    share_of_samples: float
    """Of the samples whose hull predicts exactly this reaction."""


@dataclass(frozen=True)
class PredictionErrors:
    """Intervals of a prediction, 95 %, and how often the prediction stays the same."""

    n_samples: int
    kinks: tuple[KinkError, ...]
    other_reactions: dict[str, float]
    """Reactions that are kinks in some samples only -> share of the samples."""
    driving_force_eV_per_atom: Estimate
    """Of the strongest reaction of each sample, whichever it is."""
    above_hull_eV_per_atom: Estimate
    share_on_hull: float
    """Of the samples in which the electrolyte is stable."""
    reduction_v: Estimate | None
    oxidation_v: Estimate | None
    """None if no window was asked for, or the electrolyte has none of the element."""


def prediction_errors(
    energies: PhaseEnergies,
    errors_eV_per_atom: Mapping[str, float],
    *,
    electrode: str,
    electrolyte: str,
    element: str | None = None,
    ion_charge: int | None = None,
    n_samples: int = 300,
    seed: int = 0,
) -> PredictionErrors:
    """Draw energies within their errors and predict anew each time.

    Parameters
    ----------
    energies
        Phase name -> (atoms in the cell, total energy in eV).
    errors_eV_per_atom
        Phase name -> standard error of its energy; phases that are not named have none.
    electrode, electrolyte
        Chemical formulas, as for `predict_reaction`.
    element, ion_charge
        As for `stability_window`; without an element no window is sampled.
    n_samples
        The bounds of an interval are themselves uncertain, by a tenth of a standard error at 300.
    seed
        Of the random numbers: the same seed gives the same intervals.

    Raises
    ------
    AnalysisError
        An error is negative, not a number, or of an unknown phase; the prediction itself fails; too few samples.
    """
    _check(energies, errors_eV_per_atom, n_samples)
    central = predict_reaction(energies, electrode=electrode, electrolyte=electrolyte)
    rng = np.random.default_rng(seed)
    per_unit: list[list[float]] = [[] for _ in central.kinks]
    seen: Counter[str] = Counter()
    driving, above, reductions, oxidations = [], [], [], []
    for _ in range(n_samples):
        drawn = {
            phase: (counts, energy + rng.normal() * errors_eV_per_atom.get(phase, 0.0) * sum(counts.values()))
            for phase, (counts, energy) in energies.items()
        }
        sample = predict_reaction(drawn, electrode=electrode, electrolyte=electrolyte)
        seen.update(kink.reaction for kink in sample.kinks)
        driving.append(min((kink.energy_eV_per_atom for kink in sample.kinks), default=0.0))
        above.append(sample.electrolyte_above_hull_eV_per_atom)
        for kink, values in zip(central.kinks, per_unit, strict=True):
            values.append(_energy_of(kink, drawn, central.electrode, central.electrolyte))
        if element is not None:
            drawn_window = stability_window(
                drawn, element=element, electrolyte=electrolyte, ion_charge=ion_charge
            )
            reductions.append(drawn_window.reduction_v)
            oxidations.append(np.nan if drawn_window.oxidation_v is None else drawn_window.oxidation_v)
    kinks = tuple(
        KinkError(
            kink.x_electrode,
            kink.reaction,
            _interval(kink.energy_eV_per_atom, np.array(values) / _atoms_of(kink)),
            _interval(kink.energy_eV_per_formula_unit, np.array(values)),
            seen[kink.reaction] / n_samples,
        )
        for kink, values in zip(central.kinks, per_unit, strict=True)
    )
    own = {kink.reaction for kink in kinks}
    window = (
        stability_window(energies, element=element, electrolyte=electrolyte, ion_charge=ion_charge)
        if element is not None
        else None
    )
    return PredictionErrors(
        n_samples=n_samples,
        kinks=kinks,
        other_reactions={r: n / n_samples for r, n in seen.most_common() if r not in own},
        driving_force_eV_per_atom=_interval(
            min((k.energy_eV_per_atom for k in central.kinks), default=0.0), np.array(driving)
        ),
        above_hull_eV_per_atom=_interval(central.electrolyte_above_hull_eV_per_atom, np.array(above)),
        share_on_hull=float(np.mean(np.array(above) <= 1e-8)),
        reduction_v=None if window is None else _interval(window.reduction_v, np.array(reductions)),
        oxidation_v=None
        if window is None or window.oxidation_v is None
        else _interval(window.oxidation_v, np.array(oxidations)),
    )


def _check(energies: PhaseEnergies, errors: Mapping[str, float], n_samples: int) -> None:
    for phase, error in errors.items():
        if phase not in energies:
            raise AnalysisError(
                f"an error is given for {phase!r}, which is no phase of this hull: choose one of "
                f"{', '.join(sorted(energies))}"
            )
        if not (np.isfinite(error) and error >= 0):
            raise AnalysisError(
                f"the error of {phase!r} is {error}: give a standard error in eV/atom, zero or more"
            )
    if n_samples < 20:
        raise AnalysisError(f"n_samples = {n_samples}: an interval needs 20 samples or more")


def _energy_of(kink: Kink, energies: PhaseEnergies, electrode: str, electrolyte: str) -> float:
    """Return the energy of one reaction in eV per formula unit of electrolyte, by the lowest polymorphs."""

    def unit_eV(formula: str) -> float:
        counts, energy_eV = energies[lowest[_symbol_or(formula)]]
        return energy_eV / formula_units(counts)

    lowest = lowest_polymorphs(energies)
    after = sum(float(n) * unit_eV(name) for name, n in kink.products.items())
    return after - unit_eV(electrolyte) - float(kink.electrode_units) * unit_eV(electrode)


def _symbol_or(formula: str) -> str:
    """Symbol of an element, whatever its molecule; any other formula as it is."""
    composition = Composition(formula)
    return composition.elements[0].symbol if composition.is_element else formula


def _atoms_of(kink: Kink) -> float:
    """Atoms of mixture per formula unit of electrolyte."""
    return kink.energy_eV_per_formula_unit / kink.energy_eV_per_atom


def _interval(value: float, samples: np.ndarray) -> Estimate:
    """Return the interval of the finite samples."""
    lower, upper = np.nanpercentile(samples, TAILS_PERCENT)
    return Estimate(float(value), float(lower), float(upper))
