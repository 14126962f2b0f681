"""Coefficients and conduction as the numbers that a survey tells."""

from collections.abc import Mapping
from typing import Any

from interphase_flows.analysis.transport.conduction import IonicConduction, ionic_conduction
from interphase_flows.analysis.transport.intervals import Estimate
from interphase_flows.analysis.transport.results import OnsagerResult
from interphase_flows.exceptions import AnalysisError


def told(result: OnsagerResult, charges_e: Mapping[str, float] | None) -> dict[str, Any]:
    """Return what a window, or a slab in it, says of transport.

    Parameters
    ----------
    result
        Its coefficients.
    charges_e
        Of every species, in units of e; without them nothing is said of conduction.
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
    if charges_e is not None:
        try:
            found["conduction"] = conduction_of(
                ionic_conduction(result, {symbol: charges_e[symbol] for symbol in result.species})
            )
        except AnalysisError as error:  # every charge of what is here is zero
            found["conduction"] = {"refused": str(error)}
    return found


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
