"""What is asked of a trajectory of an interface."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ase.formula import Formula

from interphase_flows.analysis.geometry.frames import FrameSource, elements_of, numbers_of
from interphase_flows.analysis.interfaces.boundaries import TwoSides
from interphase_flows.analysis.transport.settings import TransportQuestion
from interphase_flows.exceptions import AnalysisError

PARTS = ("boundaries", "kinetics", "fluxes", "transport", "trapping", "verdict", "profiles", "phases")


@dataclass(frozen=True)
class SurveyQuestion:
    """What the two sides are made of, how hot it was, and which parts are asked for.

    Parameters
    ----------
    electrode
        Atoms of each element of the electrode.
    electrolyte
        Atoms of each element in a formula unit of the electrolyte.
    temperature_K
        Of the dynamics, K.
    parts
        Some of `PARTS`.
    transport
        Windows, charges and frame of the part ``transport``.

    Raises
    ------
    AnalysisError
        A part is unknown, the temperature is not positive, or the electrolyte has nothing that the electrode lacks.
    """

    electrode: Mapping[str, float]
    electrolyte: Mapping[str, float]
    temperature_K: float
    parts: tuple[str, ...] = PARTS
    transport: TransportQuestion = field(default_factory=TransportQuestion)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.parts) - set(PARTS))
        if unknown or not self.parts:
            raise AnalysisError(f"parts {', '.join(unknown) or 'none'}: choose from {', '.join(PARTS)}")
        if not self.temperature_K > 0:
            raise AnalysisError(f"temperature_K = {self.temperature_K}: give the temperature of the run in K")
        numbers_of(self.sides.electrolyte)
        numbers_of(self.sides.electrode)

    @property
    def sides(self) -> TwoSides:
        """What the boundaries are told by."""
        return TwoSides(frozenset(self.electrode), self.electrolyte)

    def check(self, frames: FrameSource) -> None:
        """Raise AnalysisError if the trajectory holds elements of neither side, or lacks a side."""
        elements = set(elements_of(frames))
        strange = sorted(elements - set(self.electrode) - set(self.electrolyte))
        absent = [
            words
            for words, side in (
                ("the electrode", self.electrode),
                ("the electrolyte's anions", self.sides.anions),
            )
            if not elements & set(side)
        ]
        if strange or absent:
            wrong = f"{', '.join(strange)} on neither side" if strange else f"none of {' and '.join(absent)}"
            raise AnalysisError(
                f"the trajectory holds {', '.join(sorted(elements))}: {wrong}; the electrode is of "
                f"{', '.join(sorted(self.electrode))} and the electrolyte of {', '.join(sorted(self.electrolyte))}"
            )
        charges = self.transport.charges_e
        if charges is not None and (uncharged := sorted(elements - set(charges))):
            raise AnalysisError(
                f"charges are given for {', '.join(charges)} and not for {', '.join(uncharged)}; give one for each "
                "element of the trajectory, 0 for what carries none"
            )
        if unknown := sorted(set(self.transport.at_rest) - elements):
            raise AnalysisError(
                f"at rest shall be {', '.join(unknown)}; the trajectory holds {', '.join(sorted(elements))}"
            )

    def at_rest(self, frames: FrameSource) -> tuple[str, ...]:
        """Return the elements at rest in the frame that is asked for; the host of a lattice is what only it has."""
        if self.transport.frame == "lattice" and not self.transport.at_rest:
            return tuple(symbol for symbol in self.sides.anions if symbol in elements_of(frames))
        return self.transport.at_rest


def composition_of(formula: str) -> dict[str, float]:
    """Return the atoms of each element in a formula such as Li7P3S11.

    Raises
    ------
    AnalysisError
        It is no formula.
    """
    try:
        counts = {symbol: float(count) for symbol, count in Formula(formula).count().items()}
    except ValueError as error:
        raise AnalysisError(f"{formula!r} is no formula; write such as Li, Li7P3S11, Li6PS5Cl") from error
    numbers_of(counts)
    return counts
