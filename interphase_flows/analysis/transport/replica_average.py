"""Transport coefficients averaged over replicas, and a test of whether the replicas agree.

With three replicas or more, intervals come from the spread between replicas (mean ± t s / sqrt(R)); with two, from the
errors within them. Replicas agree on a quantity if their scatter is compatible with their errors (chi-square with R - 1
degrees of freedom) at a significance of 5 % shared among all quantities (Bonferroni).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import chi2
from scipy.stats import t as student

from interphase_flows.analysis.array_types import BoolArray, FloatArray, IntArray
from interphase_flows.analysis.results import Unavailable
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.replicas import LEAST_REPLICAS
from interphase_flows.analysis.transport.conduction import IonicConduction
from interphase_flows.analysis.transport.summary import (
    TransportAverage,
    TransportResult,
)
from interphase_flows.exceptions import AnalysisError

SIGNIFICANCE = 0.05
TESTED = {
    "onsager_per_eV_angstrom_ps": "L",
    "self_diffusion_cm2_per_s": "self-diffusion",
    "conductivity_S_per_m": "conductivity",
    "nernst_einstein_S_per_m": "conductivity of independent ions",
}
"""Quantities whose agreement is tested, with their names in messages."""


def average_transport(replicas: Sequence[TransportResult | Unavailable | None]) -> TransportAverage:
    """Average the coefficients of the entire cell over replicas, counting the ones without coefficients only.

    Raises AnalysisError if fewer than two replicas have coefficients, or they differ in species or frame.
    """
    available = [
        (each, each.entire_cell)
        for each in replicas
        if isinstance(each, TransportResult) and not isinstance(each.entire_cell, Unavailable)
    ]
    if len(available) < 2:
        raise AnalysisError(
            f"{len(available)} of {len(replicas)} replicas have coefficients of the entire cell; an average needs two"
        )
    if len({(cell.species, each.frame, each.at_rest) for each, cell in available}) > 1:
        raise AnalysisError(
            "the replicas differ in species or reference frame; analyse all of them with the same settings"
        )
    cells = [cell for _, cell in available]
    quantities: dict[str, list[Estimate]] = {
        "onsager_per_eV_angstrom_ps": [each.onsager_per_eV_angstrom_ps for each in cells],
        "beyond_frame_per_eV_angstrom_ps": [each.beyond_frame_per_eV_angstrom_ps for each in cells],
        "self_diffusion_cm2_per_s": [each.self_diffusion_cm2_per_s for each in cells],
    }
    conduction = [each.conduction for each in cells if isinstance(each.conduction, IonicConduction)]
    if len(conduction) == len(cells):
        quantities["conductivity_S_per_m"] = [each.conductivity_S_per_m for each in conduction]
        quantities["nernst_einstein_S_per_m"] = [each.nernst_einstein_S_per_m for each in conduction]
    averages = {name: average_of(estimates) for name, estimates in quantities.items()}
    probability = {name: agreement(quantities[name]) for name in TESTED if name in quantities}
    n_tests = int(sum(_tested(each).sum() for each in probability.values()))
    species = cells[0].species
    return TransportAverage(
        species=species,
        n_replicas=len(cells),
        n_total=len(replicas),
        error_source="spread between replicas" if len(cells) >= LEAST_REPLICAS else "errors within replicas",
        **averages,
        haven_ratio=_haven(averages) if len(conduction) == len(cells) else None,
        differing=tuple(
            _label(name, index, species)
            for name, each in probability.items()
            for index in np.argwhere(_tested(each) & (each < SIGNIFICANCE / n_tests))
        ),
        smallest_p=min(float(np.nanmin(each)) for each in probability.values()),
        n_tests=n_tests,
    )


def average_of(values: Sequence[Estimate]) -> Estimate:
    """Return the mean over replicas with its interval, of the shape of each estimate."""
    stacked = np.array([each.value for each in values], dtype=float)
    n = len(stacked)
    mean = stacked.mean(axis=0)
    if n >= LEAST_REPLICAS:
        error = stacked.std(axis=0, ddof=1) / np.sqrt(n)
        return Estimate.symmetric(mean, error, quantile=float(student.ppf(0.975, n - 1)))
    errors = np.array([each.standard_error for each in values], dtype=float)
    return Estimate.symmetric(mean, np.sqrt((errors**2).sum(axis=0)) / n)


def agreement(values: Sequence[Estimate]) -> FloatArray:
    """Return the p-value of the differences between replicas, given their errors; NaN where an error is zero."""
    numbers = np.array([each.value for each in values], dtype=float)
    errors = np.array([each.standard_error for each in values], dtype=float)
    # errors of coefficients grow with their values, so individual weights would favour low values
    pooled = np.sqrt((errors**2).mean(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        q = ((numbers - numbers.mean(axis=0)) ** 2).sum(axis=0) / pooled**2
    return np.where(pooled > 0, chi2.sf(q, len(numbers) - 1), np.nan)


def _tested(probability: FloatArray) -> BoolArray:
    """Return a mask of the elements that are tested: one half of a symmetric matrix."""
    known = np.isfinite(probability)
    return np.tril(known) if np.ndim(probability) == 2 else known


def _label(name: str, index: IntArray, species: Sequence[str]) -> str:
    of = "-".join(species[int(i)] for i in reversed(index))
    return f"{TESTED[name]} of {of}" if of else TESTED[name]


def _haven(averages: Mapping[str, Estimate]) -> Estimate:
    """Return the ratio of the averaged conductivities, errors added in squares on a logarithmic scale.

    The Nernst-Einstein conductivity has the much smaller error, so the correlation of the two is neglected.
    """
    free, total = averages["nernst_einstein_S_per_m"], averages["conductivity_S_per_m"]
    value = free.value / total.value if total.value > 0 else np.array(np.nan)
    if not (total.lower > 0 and free.lower > 0):
        return Estimate.unknown(value)
    fall = np.hypot(np.log(total.upper / total.value), np.log(free.value / free.lower))
    rise = np.hypot(np.log(total.value / total.lower), np.log(free.upper / free.value))
    relative = np.hypot(total.standard_error / total.value, free.standard_error / free.value)
    return Estimate(value, value * np.exp(-fall), value * np.exp(rise), standard_error=value * relative)
