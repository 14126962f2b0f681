"""What of transport only a person can choose: windows, charges, and the frame against which ions move."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pymatgen.core import Composition

from interphase_flows.analysis.geometry.frames import FrameSource, elements_of, numbers_of
from interphase_flows.analysis.transport.reference_frames import ReferenceFrame
from interphase_flows.exceptions import AnalysisError

FRAMES = ("barycentric", "lattice", "hittorf")


@dataclass(frozen=True)
class TransportSettings:
    """Windows, charges and frame; all of them may be left to the analysis.

    Parameters
    ----------
    window_ps
        Length of the windows of L_ij(t) and of slabs, ps; chosen from the trajectory by default.
    charges_e
        Charge of every element in units of e; by default oxidation states guessed from the electrolyte.
    frame
        ``barycentric``, ``lattice`` or ``hittorf``.
    at_rest
        For ``hittorf`` one element; for ``lattice`` those of the host, by default what the electrolyte has and the
        electrode lacks.

    Raises
    ------
    AnalysisError
        The window is not positive, an element is unknown, or the frame is, or lacks what is at rest.
    """

    window_ps: float | None = None
    charges_e: Mapping[str, float] | None = None
    frame: ReferenceFrame = "barycentric"
    at_rest: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.window_ps is not None and not self.window_ps > 0:
            raise AnalysisError(f"window_ps = {self.window_ps:g}: give a positive time in ps, or none")
        numbers_of((*(self.charges_e or ()), *self.at_rest))
        if self.frame not in FRAMES:
            raise AnalysisError(f"frame {self.frame}: choose from {', '.join(FRAMES)}")
        if self.frame == "hittorf" and len(self.at_rest) != 1:
            raise AnalysisError("the hittorf frame needs the one element at rest, such as hittorf:S")
        if self.frame == "barycentric" and self.at_rest:
            raise AnalysisError("in the barycentric frame the centre of mass is at rest, not an element")

    def check(self, frames: FrameSource) -> None:
        """Check the elements that the settings name against a trajectory.

        Raises
        ------
        AnalysisError
            An element of the trajectory has no charge, or an element at rest is not in the trajectory.
        """
        elements = set(elements_of(frames))
        if self.charges_e is not None and (uncharged := sorted(elements - set(self.charges_e))):
            raise AnalysisError(
                f"charges are given for {', '.join(self.charges_e)} and not for {', '.join(uncharged)}; give one for "
                "each element of the trajectory, 0 for neutral species"
            )
        if unknown := sorted(set(self.at_rest) - elements):
            raise AnalysisError(
                f"no {', '.join(unknown)} to take as at rest; the trajectory holds {', '.join(sorted(elements))}"
            )

    def elements_at_rest(self, frames: FrameSource, anions: Iterable[str]) -> tuple[str, ...]:
        """Return the elements at rest in the chosen frame; by default the host of a lattice are the anions."""
        if self.frame == "lattice" and not self.at_rest:
            return tuple(symbol for symbol in anions if symbol in elements_of(frames))
        return self.at_rest


def charges_of(text: str) -> dict[str, float]:
    """Return charges from words such as Li=1,P=5,S=-2.

    Raises
    ------
    AnalysisError
        A part is no element with a number, or an element stands twice.
    """
    charges: dict[str, float] = {}
    for part in text.split(","):
        symbol, _, number = (each.strip() for each in part.partition("="))
        try:
            charge = float(number)
        except ValueError:
            raise AnalysisError(f"charges {text!r}: {part!r} is no charge; write Li=1,P=5,S=-2") from None
        if symbol in charges:
            raise AnalysisError(f"charges {text!r}: {symbol} stands twice")
        charges[symbol] = charge
    numbers_of(charges)
    return charges


def frame_of(text: str) -> tuple[ReferenceFrame, tuple[str, ...]]:
    """Return the frame and what is at rest from words such as lattice:P,S or hittorf:S.

    Raises
    ------
    AnalysisError
        There is no such frame.
    """
    name, _, rest = text.partition(":")
    for frame in FRAMES:
        if frame == name.strip():
            return frame, tuple(each.strip() for each in rest.split(",") if each.strip())  # type: ignore[return-value]
    raise AnalysisError(
        f"frame {text!r}: choose barycentric, lattice:P,S or hittorf:S with elements of yours"
    )


def formal_charges(
    electrolyte: Mapping[str, float], elements: tuple[str, ...]
) -> tuple[dict[str, float], str]:
    """Guess the charge of each element from the electrolyte, which is neutral.

    Parameters
    ----------
    electrolyte
        Atoms of each element in a formula unit.
    elements
        Those of the trajectory.

    Returns
    -------
    charges_e, words
        The most frequent oxidation states that make the formula neutral, and where they are from.

    Raises
    ------
    AnalysisError
        No common oxidation states do, or an element is not in the electrolyte.
    """
    reduced, times = Composition(electrolyte).get_reduced_composition_and_factor()
    formula = "".join(f"{symbol}{n / times:g}" if n != times else symbol for symbol, n in electrolyte.items())
    guesses = reduced.oxi_state_guesses()
    missing = [symbol for symbol in elements if symbol not in electrolyte]
    if not guesses or missing:
        why = (
            f"{', '.join(missing)} is not in {formula}"
            if missing
            else f"no common oxidation states make {formula} neutral"
        )
        raise AnalysisError(
            f"charges cannot be guessed: {why}; state them for all, such as --charges Li=1,P=5,S=-2"
        )
    charges = {symbol: float(guesses[0][symbol]) for symbol in elements}
    return charges, f"oxidation states guessed from {formula} by pymatgen"
