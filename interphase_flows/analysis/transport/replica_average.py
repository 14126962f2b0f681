"""What replicas say together of transport, and whether they agree.

Three replicas or more are judged by their spread (mean ± t s / sqrt(R)), two by the errors within them. They agree on a
number if they scatter about their mean by no more than their errors make (a chi-square with R - 1 degrees of
freedom), at 5 % shared among all numbers (Bonferroni).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import chi2
from scipy.stats import t as student

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.statistics.replicas import LEAST_REPLICAS
from interphase_flows.analysis.transport.summary import bounds
from interphase_flows.analysis.transport.transport import TransportAnalysis
from interphase_flows.exceptions import AnalysisError

SIGNIFICANCE = 0.05


def pooled_transport(answers: Sequence[TransportAnalysis | None]) -> dict[str, Any]:
    """Pool coefficients of the whole cell, diffusion and conduction over replicas.

    Parameters
    ----------
    answers
        Of each replica; None where its transport was refused.

    Returns
    -------
    pooled
        Numbers with intervals, and ``apart``: on which of them replicas differ by more than their errors.

    Raises
    ------
    AnalysisError
        Fewer than two replicas have coefficients of the same species and frame.
    """
    results = [each.onsager for each in answers if each is not None and each.onsager is not None]
    if len(results) < 2:
        raise AnalysisError(
            f"{len(results)} of {len(answers)} replicas have coefficients of the whole cell; two are needed to pool"
        )
    if len({(each.species, each.frame, each.at_rest) for each in results}) > 1:
        raise AnalysisError(
            "the replicas hold other species or are in other frames; ask all of them the same"
        )
    species = results[0].species
    numbers: dict[str, list[Estimate]] = {
        "onsager_per_eV_angstrom_ps": [each.onsager for each in results],
        "beyond_frame_per_eV_angstrom_ps": [each.beyond_frame for each in results],
        "self_diffusion_cm2_per_s": [each.self_diffusion_cm2_per_s for each in results],
    }
    conduction = [each.conduction for each in answers if each is not None and each.conduction is not None]
    if len(conduction) == len(results):
        numbers["conductivity_S_per_m"] = [each.conductivity_S_per_m for each in conduction]
        numbers["nernst_einstein_S_per_m"] = [each.nernst_einstein_S_per_m for each in conduction]
    found: dict[str, Any] = {
        "species": species,
        "n_replicas": len(results),
        "n_asked": len(answers),
        "judged_by": "their spread" if len(results) >= LEAST_REPLICAS else "the errors within them",
    }
    found |= {name: bounds(over_replicas_of(values)) for name, values in numbers.items()}
    if len(conduction) == len(results):
        found["haven_ratio"] = bounds(_haven(numbers))
    probability = {
        name: agreement(values)
        for name, values in numbers.items()
        if name != "beyond_frame_per_eV_angstrom_ps"
    }
    n_tests = sum(_tested(each).sum() for each in probability.values())
    found["apart"] = [
        _named(name, index, species)
        for name, each in probability.items()
        for index in np.argwhere(_tested(each) & (each < SIGNIFICANCE / n_tests))
    ]
    found["smallest_p"] = min(float(np.nanmin(each)) for each in probability.values())
    found["n_tests"] = int(n_tests)
    return found


def over_replicas_of(values: Sequence[Estimate]) -> Estimate:
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
    """Return the probability of such differences between replicas if their errors alone make them.

    nan where an error is zero.
    """
    numbers = np.array([each.value for each in values], dtype=float)
    errors = np.array([each.standard_error for each in values], dtype=float)
    # errors of coefficients grow with their values, so weights of one's own would favour the low ones
    pooled = np.sqrt((errors**2).mean(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        q = ((numbers - numbers.mean(axis=0)) ** 2).sum(axis=0) / pooled**2
    return np.where(pooled > 0, chi2.sf(q, len(numbers) - 1), np.nan)


def _tested(probability: FloatArray) -> Any:
    """Return which numbers are tested: of a symmetric matrix one half."""
    known = np.isfinite(probability)
    return np.tril(known) if np.ndim(probability) == 2 else known


def _named(name: str, index: IntArray, species: Sequence[str]) -> str:
    what = {
        "onsager_per_eV_angstrom_ps": "L",
        "self_diffusion_cm2_per_s": "self-diffusion",
        "conductivity_S_per_m": "conductivity",
        "nernst_einstein_S_per_m": "conductivity of independent ions",
    }[name]
    of = "-".join(species[int(i)] for i in reversed(index))
    return f"{what} of {of}" if of else what


def _haven(numbers: dict[str, list[Estimate]]) -> Estimate:
    """Return the ratio of the pooled conductivities, errors added in squares on a logarithmic scale.

    The conductivity of independent ions has an error much smaller than the other's, so their correlation is nothing.
    """
    free, whole = (
        over_replicas_of(numbers[name]) for name in ("nernst_einstein_S_per_m", "conductivity_S_per_m")
    )
    value = free.value / whole.value if whole.value > 0 else np.array(np.nan)
    if not (whole.lower > 0 and free.lower > 0):
        return Estimate.unknown(value)
    fall = np.hypot(np.log(whole.upper / whole.value), np.log(free.value / free.lower))
    rise = np.hypot(np.log(whole.value / whole.lower), np.log(free.upper / free.value))
    relative = np.hypot(whole.standard_error / whole.value, free.standard_error / free.value)
    return Estimate(value, value * np.exp(-fall), value * np.exp(rise), standard_error=value * relative)
