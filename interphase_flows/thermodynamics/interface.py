"""Thermodynamics of one interface: reactions, electrochemical window and their uncertainty."""

from collections.abc import Mapping

from pymatgen.core import Composition

from interphase_flows.exceptions import AnalysisError
from interphase_flows.thermodynamics.electrochemical_window import electrochemical_window, ion_charge_of
from interphase_flows.thermodynamics.hull import PhaseEnergies, reduced_formula
from interphase_flows.thermodynamics.predicted_phases import mixing_line
from interphase_flows.thermodynamics.reactions import predict_reaction
from interphase_flows.thermodynamics.results import ThermodynamicsResult
from interphase_flows.thermodynamics.uncertainty import prediction_uncertainty


def predict_interface(
    energies: PhaseEnergies,
    *,
    electrode: str,
    electrolyte: str,
    volumes_angstrom3: Mapping[str, float] | None = None,
    error_eV_per_atom: float = 0.0,
) -> ThermodynamicsResult:
    """Predict reactions and electrochemical window, with intervals if the energies have errors.

    Parameters
    ----------
    electrode, electrolyte
        Names of phases, or formulas. The lowest polymorph of a composition is used, whichever is named.

    Raises
    ------
    AnalysisError
        The electrode, the electrolyte or a pure element has no energy.
    """
    ends = [_formula(energies, name) for name in (electrode, electrolyte)]
    prediction = predict_reaction(energies, electrode=ends[0], electrolyte=ends[1], volumes_angstrom3=volumes_angstrom3)
    notes = []
    metal = Composition(prediction.electrode)
    element = metal.elements[0].symbol if metal.is_element else None
    if element is None:
        notes.append(
            f"no electrochemical window: the electrode {prediction.electrode} is not an element, so it fixes no chemical "
            "potential"
        )
    elif ion_charge_of(element) is None:
        notes.append(f"no electrochemical window: {element} has no single common positive charge")
        element = None
    errors = (
        prediction_uncertainty(
            energies,
            dict.fromkeys(energies, error_eV_per_atom),
            electrode=ends[0],
            electrolyte=ends[1],
            element=element,
        )
        if error_eV_per_atom > 0
        else None
    )
    return ThermodynamicsResult(
        **dict(prediction),
        full_reaction=prediction.full.reaction if prediction.kinks else "none",
        mixing_line=tuple(mixing_line(prediction)),
        window=None if element is None else electrochemical_window(energies, element=element, electrolyte=ends[1]),
        errors=errors,
        notes=tuple(notes),
    )


def _formula(energies: PhaseEnergies, name: str) -> str:
    """Return the formula of a phase of the hull; a name that is not a phase must be a formula."""
    try:
        composition = Composition(energies[name][0] if name in energies else name)
    except ValueError as error:
        raise AnalysisError(
            f"{name} has no energy; there are energies of {', '.join(sorted(energies)) or 'no phase'}. "
            "Hint: interphase query failures shows why, or add it to phases"
        ) from error
    return reduced_formula(composition)
