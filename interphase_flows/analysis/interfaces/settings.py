"""Settings of every interface analysis: the two sides, the temperature and the definition of boundaries."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ase.formula import Formula

from interphase_flows.analysis.geometry.frames import FrameSource, elements_of, numbers_of
from interphase_flows.analysis.geometry.interface_normal import NORMALS, Normal
from interphase_flows.analysis.interfaces.boundaries import TwoSides
from interphase_flows.exceptions import AnalysisError


@dataclass(frozen=True)
class InterfaceSettings:
    """Compositions of the two sides, temperature of the dynamics, direction and definition of the boundaries.

    Parameters
    ----------
    electrode
        Atoms of each element of the electrode.
    electrolyte
        Atoms of each element in a formula unit of the electrolyte.
    temperature_K
        Temperature of the dynamics, K.
    normal
        Lattice vector across the interface: ``a``, ``b`` or ``c``.
    bulk_tolerance
        Largest difference of an atomic fraction from bulk electrolyte; calibrated in the first frame by default. 0.02 is
        the published definition.

    Raises
    ------
    AnalysisError
        The temperature or the tolerance is not positive, the normal or an element is unknown, or the electrolyte has no
        element that the electrode lacks.
    """

    electrode: Mapping[str, float]
    electrolyte: Mapping[str, float]
    temperature_K: float
    normal: Normal = field(default="c", kw_only=True)
    bulk_tolerance: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.normal not in NORMALS:
            raise AnalysisError(f"normal {self.normal!r}: choose from {', '.join(NORMALS)}")
        if self.bulk_tolerance is not None and not 0 < self.bulk_tolerance < 1:
            raise AnalysisError(f"bulk tolerance {self.bulk_tolerance:g}: it must be between 0 and 1, such as 0.02")
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
