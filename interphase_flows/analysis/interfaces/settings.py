"""Settings of every interface analysis: the two sides, the temperature and the definition of boundaries."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pymatgen.core import Composition

from interphase_flows.analysis.geometry.frames import FrameSource, elements_of, numbers_of
from interphase_flows.analysis.geometry.interface_normal import NORMALS, Normal
from interphase_flows.analysis.interfaces.boundaries import TwoSides
from interphase_flows.exceptions import AnalysisError

LONGEST_FORMULA = 200
SMALLEST_AMOUNT, LARGEST_AMOUNT = 1e-6, 1e6
LARGEST_TEMPERATURE_K = 1e5


@dataclass(frozen=True)
class InterfaceSettings:
    """Compositions of the two sides, temperature of the dynamics, direction and definition of the boundaries.

    Parameters
    ----------
    electrode
        Atoms of each element of the electrode.
    electrolyte
        Atoms of each element in a formula unit of the electrolyte. Transport of a homogeneous cell needs neither side.
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
        if not 0 < self.temperature_K < LARGEST_TEMPERATURE_K:
            raise AnalysisError(f"temperature_K = {self.temperature_K}: must be positive, and below 1e5")
        numbers_of((*self.electrolyte, *self.electrode))
        if self.has_sides:
            TwoSides(frozenset(self.electrode), self.electrolyte)  # checks them

    @property
    def has_sides(self) -> bool:
        """Whether the two sides are stated."""
        return bool(self.electrode)

    @property
    def anion_elements(self) -> tuple[str, ...]:
        """Elements of the electrolyte that the electrode lacks; empty if the two sides are not stated."""
        return self.sides.anions if self.has_sides else ()

    @property
    def sides(self) -> TwoSides:
        """Elements of the electrode and composition of the electrolyte, by which boundaries are found."""
        return TwoSides(frozenset(self.electrode), self.electrolyte)

    def check(self, frames: FrameSource) -> None:
        """Check that the trajectory contains elements of both sides and no others.

        Raises
        ------
        AnalysisError
            The trajectory contains elements of neither side, or lacks a side.
        """
        if not self.has_sides:
            return
        elements = set(elements_of(frames))
        unknown = sorted(elements - set(self.electrode) - set(self.electrolyte))
        absent = [
            name
            for name, side in (("the electrode", self.electrode), ("the electrolyte", self.electrolyte))
            if not elements & set(side)
        ]
        if unknown or absent:
            wrong = f"{', '.join(unknown)} on neither side" if unknown else f"none of {' and '.join(absent)}"
            raise AnalysisError(
                f"the trajectory contains {', '.join(sorted(elements))}: {wrong}; the electrode is of "
                f"{', '.join(sorted(self.electrode))} and the electrolyte of {', '.join(sorted(self.electrolyte))}"
            )


def composition_of(formula: str) -> dict[str, float]:
    """Return the atoms of each element in a formula such as Li7P3S11 or Li2.9PO3.3N0.46.

    Raises
    ------
    AnalysisError
        It is not a formula.
    """
    text = formula.strip()
    try:
        if not 0 < len(text) <= LONGEST_FORMULA or not text.isascii():
            raise ValueError(f"{len(text)} characters")
        counts = {str(symbol): float(n) for symbol, n in Composition(text).get_el_amt_dict().items()}
        if not counts or not all(SMALLEST_AMOUNT <= n <= LARGEST_AMOUNT for n in counts.values()):
            raise ValueError(f"amounts {sorted(counts.values())}")
        if min(numbers_of(counts)) < 1:
            raise ValueError("a dummy atom")
    except (ValueError, TypeError, KeyError, RecursionError, AnalysisError) as error:
        raise AnalysisError(
            f"{text[:60]!r} is not a chemical formula such as Li, Li7P3S11 or Li2.9PO3.3N0.46"
        ) from error
    return counts
