"""Results of thermodynamics: reactions, electrochemical window, their uncertainty, and the document of all of them."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from interphase_flows.analysis.results import Result
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.exceptions import AnalysisError

_LARGEST_DENOMINATOR = 10**6
"""Floats of 53 bits distinguish all fractions up to this denominator."""

ExactNumber = Annotated[
    Fraction,
    BeforeValidator(lambda value: Fraction(value).limit_denominator(_LARGEST_DENOMINATOR)),
    PlainSerializer(float, return_type=float),
]
"""A fraction that documents store as a float; reading it back gives the same fraction."""


class Kink(Result):
    """A point of the mixing line where the products change."""

    x_electrode: ExactNumber
    """Fraction of the mixture's atoms from the electrode."""
    x_electrode_exact: str
    """The same with the numbers of atoms in the balanced reaction: ``24/45``, not 8/15."""
    reaction: str
    """Balanced in the smallest integers, such as ``Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P``."""
    electrode_units: ExactNumber
    """Formula units of electrode per formula unit of electrolyte."""
    products: Mapping[str, ExactNumber]
    """Formula units of each product per formula unit of electrolyte."""
    energy_eV_per_atom: float
    """Reaction energy per atom of the mixture; negative when energy is released."""
    energy_eV_per_formula_unit: float
    """Reaction energy per formula unit of electrolyte."""
    volume_change: float | None
    """(V_products - V_reactants) / V_reactants; None if a volume is unknown."""


class ReactionPrediction(Result):
    """Reactions between an electrode and an electrolyte on the convex hull."""

    electrode: str
    electrolyte: str
    kinks: tuple[Kink, ...]
    """From the electrolyte to the electrode, without the pure reactants."""
    electrolyte_above_hull_eV_per_atom: float
    """Zero for a stable electrolyte."""
    electrolyte_decomposition: Mapping[str, float]
    """Stable phases at the electrolyte's composition, and their fraction of its atoms."""
    stable_phases: tuple[str, ...]
    """Formulas on the hull."""

    @property
    def full(self) -> Kink:
        """The reaction that consumes as much electrode as the electrolyte can take up.

        Raises
        ------
        AnalysisError
            There is no reaction: the two coexist on the hull.
        """
        if not self.kinks:
            raise AnalysisError(
                f"{self.electrode} and {self.electrolyte} coexist on the hull: there is no reaction. "
                "Hint: check that the energies include all phases that could form"
            )
        return self.kinks[-1]

    @property
    def strongest(self) -> Kink:
        """The reaction that releases most energy per atom of mixture; raises like `full`."""
        return min((self.full, *self.kinks), key=lambda kink: kink.energy_eV_per_atom)


class WindowStage(Result):
    """A range of voltages in which the equilibrium products of the electrolyte do not change."""

    lower_V: float
    upper_V: float | None
    """None for the last stage, which has no upper bound."""
    taken_up: ExactNumber
    """Atoms of the element taken up per formula unit of electrolyte; negative when released."""
    products: Mapping[str, ExactNumber]
    """Formula units of each product per formula unit of electrolyte, without the element itself."""
    reaction: str


class ElectrochemicalWindow(Result):
    """Equilibrium products of an electrolyte as a function of the voltage against a pure element."""

    element: str
    ion_charge: int
    electrolyte: str
    is_on_hull: bool
    """False if the electrolyte is metastable: the window is that of its decomposition products."""
    reduction_V: float
    """Below this voltage the electrolyte takes up the element."""
    oxidation_V: float | None
    """Above this voltage the electrolyte releases the element; None if it contains none."""
    stages: tuple[WindowStage, ...]
    """By increasing voltage, from 0 V, the potential of the pure element."""

    @property
    def width_V(self) -> float | None:
        """Width of the window; zero if only one voltage exchanges nothing, None if it has no upper bound."""
        return None if self.oxidation_V is None else self.oxidation_V - self.reduction_V

    @property
    def charging_energy_eV(self) -> float:
        """Energy released by one formula unit that takes up the element stage by stage down to 0 V.

        It is the area under voltage against charge. It equals the energy of the full reaction with the element, less
        the decomposition energy of a metastable electrolyte.
        """
        uptake = [stage for stage in self.stages if stage.taken_up > 0]
        released = 0.0
        for i, stage in enumerate(uptake):
            upper = float(stage.upper_V) if stage.upper_V is not None else 0.0
            before = uptake[i + 1].taken_up if i + 1 < len(uptake) else Fraction(0)
            released += self.ion_charge * upper * float(stage.taken_up - before)
        return released


class KinkUncertainty(Result):
    """Effect of the errors of the energies on one kink."""

    x_electrode: ExactNumber
    reaction: str
    energy_eV_per_atom: Estimate
    """Energy of this reaction, whether or not it is on the hull of a sample."""
    energy_eV_per_formula_unit: Estimate
    share_of_samples: float
    """Fraction of the samples whose hull predicts exactly this reaction."""


class PredictionUncertainty(Result):
    """95 % intervals of a prediction, and the fraction of samples that agree with it."""

    n_samples: int
    kinks: tuple[KinkUncertainty, ...]
    other_reactions: Mapping[str, float]
    """Reactions that are kinks in some samples only, and the fraction of these samples."""
    driving_force_eV_per_atom: Estimate
    """Energy of the strongest reaction of each sample."""
    above_hull_eV_per_atom: Estimate
    share_on_hull: float
    """Fraction of the samples in which the electrolyte is stable."""
    reduction_V: Estimate | None
    oxidation_V: Estimate | None
    """None without a window, or if the electrolyte contains none of the element."""


class MixingLinePoint(Result):
    """Equilibrium phases of a mixture of electrode and electrolyte."""

    x_electrode: float
    """Fraction of the mixture's atoms from the electrode."""
    atom_shares: Mapping[str, float]
    """Fraction of the atoms in each phase."""


class ThermodynamicsResult(ReactionPrediction):
    """Reactions, electrochemical window and uncertainty of one pair of electrode and electrolyte."""

    full_reaction: str
    """Reaction of `full`, or ``none``."""
    mixing_line: tuple[MixingLinePoint, ...]
    """By increasing fraction of electrode, from 0 to 1."""
    window: ElectrochemicalWindow | None
    """Against the electrode's element; None if the electrode is not an element or the charge of its ion is ambiguous."""
    errors: PredictionUncertainty | None
    """None if the energies have no errors."""
    notes: tuple[str, ...] = ()
