"""Coefficients and conduction as the numbers that a survey tells."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.analysis.transport.conduction import IonicConduction, ionic_conduction
from interphase_flows.analysis.transport.results import OnsagerResult
from interphase_flows.exceptions import AnalysisError

LARGEST_NET_CHARGE = 0.05
"""Of the sum of all charges without their signs, beyond which atoms have no ionic conductivity."""


def told(result: OnsagerResult, charges_e: Mapping[str, float] | None) -> dict[str, Any]:
    """Return what a window, or a slab in it, says of transport.

    Parameters
    ----------
    result
        Its coefficients.
    charges_e
        Of every species, in units of e; without them nothing is said of conduction. It is refused where they do
        not add up to zero: metal of an electrode is no ion, and what reacted has other charges than the electrolyte.
    """
    found = {
        "species": result.species,
        "n_atoms": result.n_atoms,
        "onsager_per_eV_angstrom_ps": bounds(result.onsager),
        "beyond_frame_per_eV_angstrom_ps": bounds(result.beyond_frame),
        "self_diffusion_cm2_per_s": bounds(result.self_diffusion_cm2_per_s),
        "n_independent": result.n_independent,
        "step_ps": result.step_ps,
        "n_steps": result.n_steps,
        "advection_angstrom_per_ps": bounds(result.advection_angstrom_per_ps),
        "stationary": result.stationary,
        "half_window_z": result.half_window_z,
    }
    if charges_e is None:
        return found
    charges = {symbol: charges_e[symbol] for symbol in result.species}
    net, is_charged = net_charge(result, charges)
    if is_charged:
        found["conduction"] = {
            "refused": f"charges add up to {net:.4g} e, not to zero: the number would depend on the frame"
        }
        return found
    try:
        found["conduction"] = conduction_of(ionic_conduction(result, charges))
    except AnalysisError as error:  # every charge of what is here is zero
        found["conduction"] = {"refused": str(error)}
    return found


def net_charge(result: OnsagerResult, charges_e: Mapping[str, float]) -> tuple[float, bool]:
    """Return the sum of the charges, e, and whether it is too far from zero for an ionic conductivity."""
    each = result.n_atoms * np.array([charges_e[symbol] for symbol in result.species])
    return float(each.sum()), bool(abs(each.sum()) > LARGEST_NET_CHARGE * np.abs(each).sum())


def conduction_of(found: IonicConduction) -> dict[str, Any]:
    """Return conduction with the interval of each number."""
    return {
        "conductivity_S_per_m": bounds(found.conductivity_S_per_m),
        "nernst_einstein_S_per_m": bounds(found.nernst_einstein_S_per_m),
        "haven_ratio": bounds(found.haven_ratio),
        "transference": {symbol: bounds(found.transference[i]) for i, symbol in enumerate(found.species)},
        "net_charge_e": found.net_charge_e,
    }


def bounds(estimate: Estimate) -> dict[str, Any]:
    """Return value and interval without the standard error, which the interval holds."""
    return {"value": estimate.value, "lower": estimate.lower, "upper": estimate.upper}
