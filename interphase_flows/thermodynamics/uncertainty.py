"""Uncertainty of predicted reactions and windows, by Monte Carlo over errors of the phase energies.

Each energy is drawn from an independent normal distribution with its standard error, and hull, kinks and window are
computed again. Errors that all phases share, such as those of a functional, are not independent: they cancel in part
and are not sampled here. A stable phase may leave the hull in a sample, so every reaction has an interval and the
fraction of samples that predict it.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from pymatgen.core import Composition

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.exceptions import AnalysisError
from interphase_flows.thermodynamics.electrochemical_window import electrochemical_window
from interphase_flows.thermodynamics.hull import (
    PhaseEnergies,
    formula_units,
    lowest_polymorphs,
    reduced_formula,
)
from interphase_flows.thermodynamics.reactions import predict_reaction
from interphase_flows.thermodynamics.results import Kink, KinkUncertainty, PredictionUncertainty

TAILS_PERCENT = (2.5, 97.5)
"""Percentiles of the samples at the bounds of an interval."""


def prediction_uncertainty(
    energies: PhaseEnergies,
    errors_eV_per_atom: Mapping[str, float],
    *,
    electrode: str,
    electrolyte: str,
    element: str | None = None,
    ion_charge: int | None = None,
    n_samples: int = 300,
    seed: int = 0,
) -> PredictionUncertainty:
    """Sample the energies within their errors and predict reactions and window for each sample.

    Without an element no window is sampled.

    Parameters
    ----------
    errors_eV_per_atom
        Standard error of the energy of each phase, by name; zero for other phases.
    n_samples
        Number of samples; 300 give the bounds of an interval to a tenth of a standard error.

    Raises
    ------
    AnalysisError
        An error is negative, not finite or of an unknown phase; the prediction fails; there are fewer than 20 samples.
    """
    _check(energies, errors_eV_per_atom, n_samples)
    central = predict_reaction(energies, electrode=electrode, electrolyte=electrolyte)
    rng = np.random.default_rng(seed)
    per_unit: list[list[float]] = [[] for _ in central.kinks]
    n_predicted: Counter[str] = Counter()
    driving, above, reductions, oxidations = [], [], [], []
    for _ in range(n_samples):
        drawn = {
            phase: (counts, energy + rng.normal() * errors_eV_per_atom.get(phase, 0.0) * sum(counts.values()))
            for phase, (counts, energy) in energies.items()
        }
        sample = predict_reaction(drawn, electrode=electrode, electrolyte=electrolyte)
        n_predicted.update(kink.reaction for kink in sample.kinks)
        driving.append(min((kink.energy_eV_per_atom for kink in sample.kinks), default=0.0))
        above.append(sample.electrolyte_above_hull_eV_per_atom)
        for kink, values in zip(central.kinks, per_unit, strict=True):
            values.append(_energy_of(kink, drawn, central.electrode, central.electrolyte))
        if element is not None:
            drawn_window = electrochemical_window(
                drawn, element=element, electrolyte=electrolyte, ion_charge=ion_charge
            )
            reductions.append(drawn_window.reduction_V)
            oxidations.append(np.nan if drawn_window.oxidation_V is None else drawn_window.oxidation_V)
    kinks = tuple(
        KinkUncertainty(
            x_electrode=kink.x_electrode,
            reaction=kink.reaction,
            energy_eV_per_atom=_interval(kink.energy_eV_per_atom, np.array(values) / _atoms_of(kink)),
            energy_eV_per_formula_unit=_interval(kink.energy_eV_per_formula_unit, np.array(values)),
            share_of_samples=n_predicted[kink.reaction] / n_samples,
        )
        for kink, values in zip(central.kinks, per_unit, strict=True)
    )
    own = {kink.reaction for kink in kinks}
    window = (
        electrochemical_window(energies, element=element, electrolyte=electrolyte, ion_charge=ion_charge)
        if element is not None
        else None
    )
    return PredictionUncertainty(
        n_samples=n_samples,
        kinks=kinks,
        other_reactions={r: n / n_samples for r, n in n_predicted.most_common() if r not in own},
        driving_force_eV_per_atom=_interval(
            min((k.energy_eV_per_atom for k in central.kinks), default=0.0), np.array(driving)
        ),
        above_hull_eV_per_atom=_interval(central.electrolyte_above_hull_eV_per_atom, np.array(above)),
        share_on_hull=float(np.mean(np.array(above) <= 1e-8)),
        reduction_V=None if window is None else _interval(window.reduction_V, np.array(reductions)),
        oxidation_V=None
        if window is None or window.oxidation_V is None
        else _interval(window.oxidation_V, np.array(oxidations)),
    )


def _check(energies: PhaseEnergies, errors: Mapping[str, float], n_samples: int) -> None:
    for phase, error in errors.items():
        if phase not in energies:
            raise AnalysisError(
                f"error of an unknown phase {phase!r}; phases of this hull are {', '.join(sorted(energies))}"
            )
        if not (np.isfinite(error) and error >= 0):
            raise AnalysisError(f"the error of {phase!r} is {error}: must be a standard error in eV/atom, zero or more")
    if n_samples < 20:
        raise AnalysisError(f"n_samples = {n_samples}: must be 20 or more")


def _energy_of(kink: Kink, energies: PhaseEnergies, electrode: str, electrolyte: str) -> float:
    """Return the energy of a reaction of the lowest polymorphs in eV per formula unit of electrolyte."""

    def unit_eV(formula: str) -> float:
        counts, energy_eV = energies[lowest[reduced_formula(Composition(formula))]]
        return energy_eV / formula_units(counts)

    lowest = lowest_polymorphs(energies)
    after = sum(float(n) * unit_eV(name) for name, n in kink.products.items())
    return after - unit_eV(electrolyte) - float(kink.electrode_units) * unit_eV(electrode)


def _atoms_of(kink: Kink) -> float:
    """Return the number of atoms of mixture per formula unit of electrolyte."""
    return kink.energy_eV_per_formula_unit / kink.energy_eV_per_atom


def _interval(value: float, samples: np.ndarray) -> Estimate:
    """Return the percentile interval of the finite samples."""
    lower, upper = np.nanpercentile(samples, TAILS_PERCENT)
    return Estimate(float(value), float(lower), float(upper))
