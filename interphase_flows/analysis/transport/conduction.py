"""Ionic conduction from Onsager coefficients: conductivity, transference numbers, Haven ratio.

With z_i the charge of species i,

    sigma = e² sum_ij z_i z_j L_ij,    t_i = e² sum_j z_i z_j L_ij / sigma,
    H = e² sum_i z_i² N_i D*_i / (kB T V) / sigma.

The numerator of H is the Nernst-Einstein conductivity, that of independent ions. sigma is the coefficient of one more
displacement, that of the charge, so its interval is computed like that of a diagonal L_ii. Transference numbers are
those in the reference frame of the coefficients.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.results import Result
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.results import OnsagerResult
from interphase_flows.exceptions import AnalysisError
from interphase_flows.units import S_PER_M_PER_E2_PER_EV_ANGSTROM_PS


class IonicConduction(Result):
    """Conduction of a window, in the reference frame of its Onsager coefficients."""

    conductivity_S_per_m: Estimate
    nernst_einstein_S_per_m: Estimate
    """Of independent ions."""
    haven_ratio: Estimate
    """NaN with a lower bound only if the conductivity is not distinct from zero."""
    transference: dict[str, Estimate]
    """By species, adding up to 1; NaN if the conductivity is not distinct from zero."""
    net_charge_e: float
    """Sum over the atoms; the conductivity depends on the frame unless it is zero."""


def ionic_conduction(result: OnsagerResult, charges_e: Mapping[str, float]) -> IonicConduction:
    """Derive ionic conduction from Onsager coefficients of a window and the charge of each species in units of e.

    Raises AnalysisError if a species has no charge, a charge has no species, or all are zero.
    """
    if set(charges_e) != set(result.species):
        raise AnalysisError(
            f"charges_e holds {', '.join(charges_e)}, but the coefficients are of "
            f"{', '.join(result.species)}. Hint: give one charge for each species, 0 for neutral species"
        )
    charges = np.array([charges_e[symbol] for symbol in result.species], dtype=float)
    if not charges.any():
        raise AnalysisError("all charges are zero, so there is no ionic conductivity. Hint: give charges in units of e")
    to_S_per_m = S_PER_M_PER_E2_PER_EV_ANGSTROM_PS / result.kT_volume_eV_angstrom3
    total = result.statistics.combined(charges[None]).estimate(result.confidence)[0, 0]
    conductivity = replace(total, value=np.maximum(total.value, 0.0)).scaled(to_S_per_m)
    squares = charges**2
    independent = Estimate.symmetric(
        squares @ result.self_part.value,
        np.hypot.reduce(squares * result.self_part.standard_error),
        confidence=result.confidence,
    ).scaled(S_PER_M_PER_E2_PER_EV_ANGSTROM_PS)
    transference = _transference(result, charges, bool(conductivity.lower > 0))
    return IonicConduction(
        conductivity_S_per_m=conductivity,
        nernst_einstein_S_per_m=independent,
        haven_ratio=_ratio(independent, conductivity),
        transference={symbol: transference[i] for i, symbol in enumerate(result.species)},
        net_charge_e=float(charges @ result.n_atoms),
    )


def _transference(result: OnsagerResult, charges: FloatArray, resolved: bool) -> Estimate:
    """Propagate the covariance of the rates to first order."""
    if not resolved:
        return Estimate.unknown(np.full(len(charges), np.nan))
    statistics = result.statistics
    products = np.outer(charges, charges)
    shares = (products * statistics.rate_angstrom2_per_ps).sum(axis=1)
    total = shares.sum()
    # covariance of the shares A_i = sum_j z_i z_j Lambda_ij
    covariance = np.einsum("ij,kl,ijkl->ik", products, products, statistics.covariance)
    gradient = (np.eye(len(charges)) - (shares / total)[:, None]) / total
    variance = np.einsum("ai,ik,ak->a", gradient, covariance, gradient)
    return Estimate.symmetric(shares / total, np.sqrt(np.maximum(variance, 0.0)), confidence=result.confidence)


def _ratio(numerator: Estimate, denominator: Estimate) -> Estimate:
    """Divide two positive quantities, relative errors added in squares on a logarithmic scale."""
    if not (denominator.lower > 0 and numerator.value > 0):
        lower = np.array(max(float(numerator.lower), 0.0) / denominator.upper if denominator.upper > 0 else 0.0)
        return Estimate(np.array(np.nan), lower, np.array(np.inf), standard_error=np.array(np.nan))
    value = numerator.value / denominator.value
    own = (numerator.upper - numerator.value) / numerator.value
    fall = np.hypot(np.log(denominator.upper / denominator.value), own)
    rise = np.hypot(np.log(denominator.value / denominator.lower), own)
    relative = np.hypot(numerator.standard_error / numerator.value, denominator.standard_error / denominator.value)
    return Estimate(value, value * np.exp(-fall), value * np.exp(rise), standard_error=value * relative)
