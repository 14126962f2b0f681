"""All that thermodynamics says of one interface: reactions, window and their errors, as values to store."""

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from pymatgen.core import Composition

from interphase_flows.exceptions import AnalysisError
from interphase_flows.thermodynamics.electrochemical_window import (
    StabilityWindow,
    ion_charge_of,
    stability_window,
)
from interphase_flows.thermodynamics.hull import PhaseEnergies
from interphase_flows.thermodynamics.predicted_phases import mixing_line
from interphase_flows.thermodynamics.reactions import ReactionPrediction, predict_reaction
from interphase_flows.thermodynamics.uncertainty import PredictionErrors, prediction_errors


@dataclass(frozen=True)
class InterfaceThermodynamics:
    """What the hull says of an electrode and an electrolyte."""

    prediction: ReactionPrediction
    window: StabilityWindow | None
    """Against the electrode's element; None if the electrode is no element, or its ion's charge not known."""
    errors: PredictionErrors | None
    """None if the energies carry no errors."""
    notes: tuple[str, ...]


def predict_interface(
    energies: PhaseEnergies,
    *,
    electrode: str,
    electrolyte: str,
    volumes_angstrom3: dict[str, float] | None = None,
    error_eV_per_atom: float = 0.0,
) -> InterfaceThermodynamics:
    """Predict reactions and stability window, with intervals if the energies carry an error.

    Parameters
    ----------
    energies
        Phase name -> (atoms in the cell, total energy in eV).
    electrode, electrolyte
        Names of phases, or formulas. Of several polymorphs of a composition the lowest stands for it, whichever is named.
    volumes_angstrom3
        Phase name -> volume of the same cell in Å³.
    error_eV_per_atom
        Standard error of every phase's energy; 0 if it is not known.

    Raises
    ------
    AnalysisError
        An end or a pure element has no energy.
    """
    ends = [_formula(energies, name) for name in (electrode, electrolyte)]
    prediction = predict_reaction(
        energies, electrode=ends[0], electrolyte=ends[1], volumes_angstrom3=volumes_angstrom3
    )
    notes = []
    metal = Composition(prediction.electrode)
    element = metal.elements[0].symbol if metal.is_element else None
    if element is None:
        notes.append(
            f"no stability window: the electrode {prediction.electrode} is no element, so it fixes no chemical potential"
        )
    elif ion_charge_of(element) is None:
        notes.append(f"no stability window: {element} has no single common positive charge for a voltage")
        element = None
    window = stability_window(energies, element=element, electrolyte=ends[1]) if element is not None else None
    errors = (
        prediction_errors(
            energies,
            dict.fromkeys(energies, error_eV_per_atom),
            electrode=ends[0],
            electrolyte=ends[1],
            element=element,
        )
        if error_eV_per_atom > 0
        else None
    )
    return InterfaceThermodynamics(prediction, window, errors, tuple(notes))


def as_values(answer: InterfaceThermodynamics) -> dict[str, Any]:
    """Return the answer in JSON's types: fractions as floats and as text, intervals as value, lower, upper."""
    prediction, window, errors = answer.prediction, answer.window, answer.errors
    kinks = [
        {
            "x_electrode": float(kink.x_electrode),
            "x_electrode_exact": _as_reacted(kink.x_electrode, kink.electrode_units, prediction.electrode),
            "reaction": kink.reaction,
            "energy_eV_per_atom": kink.energy_eV_per_atom,
            "energy_eV_per_formula_unit": kink.energy_eV_per_formula_unit,
            "volume_change": kink.volume_change,
        }
        for kink in prediction.kinks
    ]
    return {
        "electrode": prediction.electrode,
        "electrolyte": prediction.electrolyte,
        "kinks": kinks,
        "full_reaction": prediction.full.reaction if prediction.kinks else "none",
        "electrolyte_above_hull_eV_per_atom": prediction.electrolyte_above_hull_eV_per_atom,
        "stable_phases": list(prediction.stable_phases),
        "mixing_line": [
            {"x_electrode": x, "atom_shares": dict(shares)} for x, shares in mixing_line(prediction)
        ],
        "window": None if window is None else _window_values(window),
        "errors": None if errors is None else _error_values(errors),
    }


def _window_values(window: StabilityWindow) -> dict[str, Any]:
    return {
        "element": window.element,
        "ion_charge": window.ion_charge,
        "is_on_hull": window.is_on_hull,
        "reduction_v": window.reduction_v,
        "oxidation_v": window.oxidation_v,
        "stages": [
            {
                "lower_v": stage.lower_v,
                "upper_v": stage.upper_v,
                "taken_up": float(stage.taken_up),
                "reaction": stage.reaction,
            }
            for stage in window.stages
        ],
    }


def _error_values(errors: PredictionErrors) -> dict[str, Any]:
    values = asdict(errors)
    for kink in values["kinks"]:
        kink["x_electrode"] = float(kink["x_electrode"])
    values["kinks"] = list(values["kinks"])
    return values


def _formula(energies: PhaseEnergies, name: str) -> str:
    """Return the formula of a phase, whose name may be anything; what is no phase must be a formula."""
    try:
        composition = Composition(energies[name][0] if name in energies else name)
    except ValueError as error:
        raise AnalysisError(
            f"{name} has no energy, so nothing can react with it: interphase query failures says why, or add it to "
            f"phases; energies are there for {', '.join(sorted(energies)) or 'no phase'}"
        ) from error
    return composition.elements[0].symbol if composition.is_element else composition.reduced_formula


def _as_reacted(x_electrode: Fraction, electrode_units: Fraction, electrode: str) -> str:
    """Write the share of the electrode's atoms as the balanced reaction has it: 24/45, not 8/15."""
    n_electrode = electrode_units.numerator * int(Composition(electrode).num_atoms)
    return f"{n_electrode}/{n_electrode / x_electrode}"
