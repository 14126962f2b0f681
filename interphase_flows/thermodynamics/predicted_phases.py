"""Which phases an equilibrated mixture would hold, beside which were found in it.

Between two kinks of the mixing line the products of both are there, in shares by the lever rule. A simulation of
some nanoseconds is not in equilibrium: what was predicted and not found is not refuted, it may not have nucleated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from pymatgen.core import Composition, Element

from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.exceptions import AnalysisError
from interphase_flows.thermodynamics.reactions import ReactionPrediction

Agreement = Literal[
    "predicted and found", "predicted, not found", "found, not predicted", "undecided", "neither"
]


@dataclass(frozen=True)
class PhaseComparison:
    """One phase: its share of an element's atoms by the hull and in the simulation."""

    phase: str
    predicted: float
    found: Estimate
    """Bounds are nan if the share has no interval."""
    agreement: Agreement


MixingLine = Sequence[tuple[float, Mapping[str, float]]]
"""Share x of the atoms that come from the electrode, ascending from 0 to 1 -> share of the atoms in each phase."""


def mixing_line(prediction: ReactionPrediction) -> MixingLine:
    """Return the phases at equilibrium in both ends and in every kink, in shares of atoms."""
    return [
        (0.0, dict(prediction.electrolyte_decomposition)),
        *((float(kink.x_electrode), _atom_shares(kink.products)) for kink in prediction.kinks),
        (1.0, {prediction.electrode: 1.0}),
    ]


def predicted_atom_shares(line: MixingLine, x_electrode: float) -> dict[str, float]:
    """Return the share of the mixture's atoms in each phase at equilibrium; the shares sum to one.

    Parameters
    ----------
    line
        From `mixing_line`.
    x_electrode
        Share of the mixture's atoms that come from the electrode, 0 to 1.

    Raises
    ------
    AnalysisError
        ``x_electrode`` is not between 0 and 1.
    """
    if not 0.0 <= x_electrode <= 1.0:
        raise AnalysisError(f"x_electrode = {x_electrode}: a share of atoms lies between 0 and 1")
    for (x_left, left), (x_right, right) in pairwise(line):
        if x_electrode <= x_right:
            weight = (x_electrode - x_left) / (x_right - x_left)
            mixed = {
                name: (1 - weight) * left.get(name, 0.0) + weight * right.get(name, 0.0)
                for name in sorted({*left, *right})
            }
            return {name: share for name, share in mixed.items() if share > 1e-12}
    raise AnalysisError("the mixing line does not reach x = 1: give the line that mixing_line returns")


def predicted_element_shares(line: MixingLine, x_electrode: float, element: str) -> dict[str, float]:
    """Return the share of one element's atoms in each phase that holds it, as `predicted_atom_shares`."""
    symbol = Element(element)
    atoms = {
        name: share * Composition(name).get_atomic_fraction(symbol)
        for name, share in predicted_atom_shares(line, x_electrode).items()
    }
    total = sum(atoms.values())
    if total <= 0:
        raise AnalysisError(f"the mixture at x = {x_electrode:g} holds no {element}: ask for another element")
    return {name: share / total for name, share in atoms.items() if share > 0}


def compare_phases(
    predicted: Mapping[str, float], found: Mapping[str, Estimate], *, least_share: float = 0.02
) -> tuple[PhaseComparison, ...]:
    """Put the predicted and the found shares of the same atoms side by side, the most predicted first.

    Parameters
    ----------
    predicted
        Phase -> share of an element's atoms, from `predicted_element_shares`.
    found
        Phase -> the same share measured, with its interval over replicas. Phases may be found that no hull
        knows, such as ``unknown``; a phase that is not named here was not found.
    least_share
        A phase is found if its interval lies above this share, not found if it lies below, and undecided if
        this share is inside. A share without interval counts as its value.

    Raises
    ------
    AnalysisError
        A share lies outside 0 to 1.
    """
    none = Estimate(0.0, 0.0, 0.0)
    rows = []
    for name in {*predicted, *found}:
        share, seen = predicted.get(name, 0.0), found.get(name, none)
        if not (-1e-9 <= share <= 1 + 1e-9 and -1e-9 <= seen.value <= 1 + 1e-9):
            raise AnalysisError(f"{name}: shares of atoms lie between 0 and 1, not {share} and {seen.value}")
        rows.append(PhaseComparison(name, share, seen, _agreement(share, seen, least_share)))
    return tuple(sorted(rows, key=lambda row: (-row.predicted, -row.found.value, row.phase)))


def _agreement(predicted: float, found: Estimate, least_share: float) -> Agreement:
    lower, upper = (found.lower, found.upper) if found.is_known else (found.value, found.value)
    if lower < least_share < upper:
        return "undecided"
    is_found = lower >= least_share
    if predicted >= least_share:
        return "predicted and found" if is_found else "predicted, not found"
    return "found, not predicted" if is_found else "neither"


def _atom_shares(products: Mapping[str, Fraction]) -> dict[str, float]:
    # products name an element by its symbol: one atom
    atoms = {name: float(n) * float(Composition(name).num_atoms) for name, n in products.items()}
    total = sum(atoms.values())
    return {name: n / total for name, n in atoms.items()}
