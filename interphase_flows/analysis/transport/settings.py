"""Settings of the transport analysis: time windows, charges, reference frame, directions and step."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import get_args

from pymatgen.core import Composition, Element, Species

from interphase_flows.analysis.geometry.frames import FrameSource, elements_of, numbers_of
from interphase_flows.analysis.transport.onsager import Directions
from interphase_flows.analysis.transport.reference_frames import ReferenceFrame
from interphase_flows.exceptions import AnalysisError

NEUTRAL = 1e-6
"""Largest charge per atom of a neutral formula."""
FRAMES: tuple[ReferenceFrame, ...] = get_args(ReferenceFrame)
DIRECTIONS: tuple[Directions, ...] = get_args(Directions)


@dataclass(frozen=True)
class TransportSettings:
    """Time windows, charges, reference frame, directions and step; the defaults are chosen by the analysis.

    Raises AnalysisError if a time or the confidence is out of range, an element, the frame or the directions are unknown,
    or elements at rest do not match the frame.
    """

    window_ps: float | None = None
    """Length of the time windows; chosen from the trajectory by default."""
    charges_e: Mapping[str, float] | None = None
    """Charge of every element; by default oxidation states guessed from the electrolyte."""
    frame: ReferenceFrame = "barycentric"
    at_rest: tuple[str, ...] = ()
    """For ``hittorf`` one element; for ``lattice`` the host, by default the elements of the electrolyte that the
    electrode lacks."""
    directions: Directions = "all"
    """Axes over which coefficients of the cell and of windows are averaged; slabs have both."""
    step_ps: float | None = None
    """Coarse-graining step, rounded up to 1, 2, 4, ... frames; chosen by the plateau by default."""
    confidence: float = 0.95
    """Of the intervals."""

    def __post_init__(self) -> None:
        if self.window_ps is not None and not self.window_ps > 0:
            raise AnalysisError(f"window_ps = {self.window_ps:g}: it must be positive, or None")
        numbers_of((*(self.charges_e or ()), *self.at_rest))
        if self.step_ps is not None and not self.step_ps > 0:
            raise AnalysisError(f"step_ps = {self.step_ps:g}: it must be positive, or None")
        if not 0.5 <= self.confidence < 1:
            raise AnalysisError(f"confidence = {self.confidence:g}: it must be from 0.5 to below 1, such as 0.95")
        if self.directions not in DIRECTIONS:
            raise AnalysisError(f"directions {self.directions}: choose from {', '.join(DIRECTIONS)}")
        if self.frame not in FRAMES:
            raise AnalysisError(f"frame {self.frame}: choose from {', '.join(FRAMES)}")
        if self.frame == "hittorf" and len(self.at_rest) != 1:
            raise AnalysisError("the hittorf frame needs one element at rest, such as hittorf:S")
        if self.frame in ("barycentric", "as_simulated") and self.at_rest:
            raise AnalysisError(
                "in the barycentric frame the centre of mass is at rest, not an element; as simulated, nothing is"
            )

    def check(self, frames: FrameSource) -> None:
        """Raise AnalysisError if an element of the trajectory has no charge, or one at rest is not in the trajectory."""
        elements = set(elements_of(frames))
        if self.charges_e is not None and (uncharged := sorted(elements - set(self.charges_e))):
            raise AnalysisError(
                f"charges are given for {', '.join(self.charges_e)} and not for {', '.join(uncharged)}; every "
                "element of the trajectory needs one, 0 for neutral species"
            )
        if unknown := sorted(set(self.at_rest) - elements):
            raise AnalysisError(
                f"the trajectory has no {', '.join(unknown)} to take as at rest; it holds {', '.join(sorted(elements))}"
            )

    def elements_at_rest(self, frames: FrameSource, anions: Iterable[str]) -> tuple[str, ...]:
        """Return the elements at rest in the chosen frame; by default the anions are the host of a lattice."""
        if self.frame == "lattice" and not self.at_rest:
            return tuple(symbol for symbol in anions if symbol in elements_of(frames))
        return self.at_rest


def charges_of(text: str) -> dict[str, float]:
    """Parse charges such as ``Li=1,P=5,S=-2``; raise AnalysisError unless each part is another element with a number."""
    charges: dict[str, float] = {}
    for part in text.split(","):
        symbol, _, number = (each.strip() for each in part.partition("="))
        try:
            charge = float(number)
        except ValueError:
            raise AnalysisError(f"charges {text!r}: {part!r} is not a charge. Hint: write Li=1,P=5,S=-2") from None
        if symbol in charges:
            raise AnalysisError(f"charges {text!r}: {symbol} occurs twice")
        charges[symbol] = charge
    numbers_of(charges)
    return charges


def frame_of(text: str) -> tuple[ReferenceFrame, tuple[str, ...]]:
    """Parse a frame with its elements at rest, such as ``lattice:P,S``; raise AnalysisError for an unknown frame."""
    name, _, rest = text.partition(":")
    known = {str(frame): frame for frame in FRAMES}
    name = name.strip().replace("-", "_")
    if name not in known:
        raise AnalysisError(
            f"frame {text!r} is unknown; choose barycentric, as-simulated, or lattice:P,S or hittorf:S with other symbols"
        )
    return known[name], tuple(each.strip() for each in rest.split(",") if each.strip())


def formal_charges(
    electrolyte: Mapping[str, float], elements: tuple[str, ...], rounded_charge_per_atom: float = NEUTRAL
) -> tuple[dict[str, float], str]:
    """Guess the charge of each element of a trajectory from the neutral electrolyte, given by its atoms per formula unit.

    Returns the most frequent oxidation states that make the formula neutral, one integer for each element, negative
    for the more electronegative elements only (hydrogen is H- beside boron, aluminium and metals), and a description of
    their source. If no states are neutral, a charge of ``rounded_charge_per_atom`` is allowed, for amounts that are
    rounded. Raises AnalysisError if there are none, or an element is not in the electrolyte.
    """
    if not electrolyte:
        raise AnalysisError("charges are unknown without an electrolyte. Hint: --charges Li=1,P=5,S=-2")
    reduced, times = Composition(electrolyte).get_reduced_composition_and_factor()
    formula = "".join(f"{symbol}{n / times:g}" if n != times else symbol for symbol, n in electrolyte.items())
    missing = [symbol for symbol in elements if symbol not in electrolyte]
    guesses = [] if missing else _integral_guesses(reduced) or _integral_guesses(reduced, rounded_charge_per_atom)
    if not guesses:
        reason = (
            f"{', '.join(missing)} is not in {formula}"
            if missing
            else f"no common oxidation states, one for each element, make {formula} neutral"
        )
        raise AnalysisError(
            f"charges cannot be guessed: {reason}. Hint: state all of them, such as --charges Li=1,P=5,S=-2"
        )
    charges = {symbol: float(guesses[0][symbol]) for symbol in elements}
    return charges, f"oxidation states guessed from {formula} by pymatgen"


def _integral_guesses(formula: Composition, charge_per_atom: float = NEUTRAL) -> list[dict[str, float]]:
    """Return neutral combinations of one oxidation state for each element, the most frequent first.

    States and their frequencies in the ICSD are those of pymatgen, whose guesses also mix states of one element: they
    take minutes for large formulas, and give fractional charges.
    """
    Composition("LiF").oxi_state_guesses()  # loads the frequencies
    frequencies: Mapping[Species, float] = Composition.oxi_prob or {}
    by_electronegativity = sorted(formula.elements, key=lambda element: element.X)
    others = [element.X for element in by_electronegativity if element.symbol != "H"]
    is_hydride = bool(others) and max(others) < Element("H").X
    states = [
        (-1,) if is_hydride and element.symbol == "H" else element.icsd_oxidation_states or element.oxidation_states
        for element in by_electronegativity
    ]
    amounts = [formula[element] for element in by_electronegativity]
    found: list[tuple[float, dict[str, float]]] = []
    for combination in product(*states):
        charge = sum(amount * state for amount, state in zip(amounts, combination, strict=True))
        if abs(charge) > charge_per_atom * sum(amounts):
            continue
        first_negative = next((k for k, state in enumerate(combination) if state < 0), len(combination))
        if any(state > 0 for state in combination[first_negative:]):
            continue  # a positive element that is more electronegative than a negative one
        pairs = list(zip(by_electronegativity, amounts, combination, strict=True))
        score = sum(amount * frequencies.get(Species(element.symbol, state), 0.0) for element, amount, state in pairs)
        found.append((score, {element.symbol: float(state) for element, _, state in pairs}))
    found.sort(key=lambda each: -each[0])
    return [charges for _, charges in found]
