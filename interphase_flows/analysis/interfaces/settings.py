"""Settings of every interface analysis: the two sides and the temperature."""

from collections.abc import Mapping
from dataclasses import dataclass

from ase.formula import Formula

from interphase_flows.analysis.geometry.frames import FrameSource, elements_of, numbers_of
from interphase_flows.analysis.interfaces.boundaries import TwoSides
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class InterfaceSettings:
    """Compositions of the two sides, and the temperature of the dynamics.

    Parameters
    ----------
    electrode
        Atoms of each element of the electrode.
    electrolyte
        Atoms of each element in a formula unit of the electrolyte.
    temperature_K
        Temperature of the dynamics, K.

    Raises
    ------
    AnalysisError
        The temperature is not positive, an element is unknown, or the electrolyte has no element that the electrode
        lacks.
    """

    electrode: Mapping[str, float]
    electrolyte: Mapping[str, float]
    temperature_K: float

    def __post_init__(self) -> None:
        if not self.temperature_K > 0:
            raise AnalysisError(f"temperature_K = {self.temperature_K}: must be positive")
        numbers_of(self.sides.electrolyte)
        numbers_of(self.sides.electrode)

    @property
    def sides(self) -> TwoSides:
        """Elements of the electrode and composition of the electrolyte, by which boundaries are found."""
        return TwoSides(frozenset(self.electrode), self.electrolyte)

    def check(self, frames: FrameSource) -> None:
        """Check that the trajectory contains both sides.

        Raises
        ------
        AnalysisError
            The trajectory contains elements of neither side, or lacks a side.
        """
        elements = set(elements_of(frames))
        unknown = sorted(elements - set(self.electrode) - set(self.electrolyte))
        absent = [
            name
            for name, side in (
                ("the electrode", self.electrode),
                ("the electrolyte's anions", self.sides.anions),
            )
            if not elements & set(side)
        ]
        if unknown or absent:
            wrong = f"{', '.join(unknown)} on neither side" if unknown else f"none of {' and '.join(absent)}"
            raise AnalysisError(
                f"the trajectory contains {', '.join(sorted(elements))}: {wrong}; the electrode is of "
                f"{', '.join(sorted(self.electrode))} and the electrolyte of {', '.join(sorted(self.electrolyte))}"
            )


def composition_of(formula: str) -> dict[str, float]:
    """Return the atoms of each element in a formula such as Li7P3S11.

    Raises
    ------
    AnalysisError
        It is not a formula.
    """
    try:
        counts = {symbol: float(count) for symbol, count in Formula(formula).count().items()}
    except ValueError as error:
        raise AnalysisError(f"{formula!r} is not a chemical formula such as Li, Li7P3S11 or Li6PS5Cl") from error
    numbers_of(counts)
    return counts
