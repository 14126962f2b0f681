"""Equilibrium phases of a mixture by the lever rule, and their comparison with a simulation.

Between two kinks of the mixing line the products of both coexist. A simulation of some nanoseconds is not in
equilibrium: a predicted phase that is not observed may not have nucleated. A simulation is classified by the bonds of
each atom, while the hull predicts phases; the same classification of the crystals of the phases converts one into the
other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from ase import Atoms
from pymatgen.core import Composition, Element

from interphase_flows.analysis.speciation.anion_species import AnionChemistry, classify_environments
from interphase_flows.analysis.statistics.estimate import Estimate
from interphase_flows.exceptions import AnalysisError
from interphase_flows.thermodynamics.results import MixingLinePoint, ReactionPrediction

Agreement = Literal["predicted and found", "predicted, not found", "found, not predicted", "undecided", "neither"]


@dataclass(frozen=True)
class PhaseComparison:
    """Fraction of an element's atoms in one phase, by the hull and in the simulation."""

    phase: str
    predicted: float
    found: Estimate
    """Bounds are NaN without an interval."""
    agreement: Agreement


def mixing_line(prediction: ReactionPrediction) -> list[MixingLinePoint]:
    """Return the equilibrium phases of the two reactants and of every kink."""
    return [
        MixingLinePoint(x_electrode=0.0, atom_shares=prediction.electrolyte_decomposition),
        *(
            MixingLinePoint(x_electrode=float(kink.x_electrode), atom_shares=_atom_shares(kink.products))
            for kink in prediction.kinks
        ),
        MixingLinePoint(x_electrode=1.0, atom_shares={prediction.electrode: 1.0}),
    ]


def predicted_atom_shares(line: Sequence[MixingLinePoint], x_electrode: float) -> dict[str, float]:
    """Return the fraction of the mixture's atoms in each phase at equilibrium; the sum is one.

    Raises
    ------
    AnalysisError
        ``x_electrode``, the fraction of the mixture's atoms from the electrode, is not between 0 and 1.
    """
    if not 0.0 <= x_electrode <= 1.0:
        raise AnalysisError(f"x_electrode = {x_electrode}: must be between 0 and 1")
    for left, right in pairwise(line):
        if x_electrode <= right.x_electrode:
            weight = (x_electrode - left.x_electrode) / (right.x_electrode - left.x_electrode)
            mixed = {
                name: (1 - weight) * left.atom_shares.get(name, 0.0) + weight * right.atom_shares.get(name, 0.0)
                for name in sorted({*left.atom_shares, *right.atom_shares})
            }
            return {name: share for name, share in mixed.items() if share > 1e-12}
    raise AnalysisError("the mixing line does not reach x = 1. Hint: use mixing_line")


def predicted_element_shares(line: Sequence[MixingLinePoint], x_electrode: float, element: str) -> dict[str, float]:
    """Return the fraction of one element's atoms in each phase that contains it."""
    symbol = Element(element)
    atoms = {
        name: share * Composition(name).get_atomic_fraction(symbol)
        for name, share in predicted_atom_shares(line, x_electrode).items()
    }
    total = sum(atoms.values())
    if total <= 0:
        raise AnalysisError(f"the mixture at x = {x_electrode:g} contains no {element}")
    return {name: share / total for name, share in atoms.items() if share > 0}


def compare_phases(
    predicted: Mapping[str, float], found: Mapping[str, Estimate], *, min_share: float = 0.02
) -> tuple[PhaseComparison, ...]:
    """Compare predicted and found fractions of an element's atoms, by decreasing prediction.

    Phases that are missing in ``found`` were not found; it may have phases that are unknown to the hull. A phase is
    found if its interval over replicas lies above ``min_share``, not found if it lies below, and undecided if the
    interval contains it. Without an interval the value decides.

    Raises
    ------
    AnalysisError
        A fraction lies outside 0 to 1.
    """
    none = Estimate(0.0, 0.0, 0.0)
    rows = []
    for name in {*predicted, *found}:
        share, measured = predicted.get(name, 0.0), found.get(name, none)
        if not (-1e-9 <= share <= 1 + 1e-9 and -1e-9 <= measured.value <= 1 + 1e-9):
            raise AnalysisError(f"{name}: fractions must be between 0 and 1, got {share} and {measured.value}")
        rows.append(PhaseComparison(name, share, measured, _agreement(share, measured, min_share)))
    return tuple(sorted(rows, key=lambda row: (-row.predicted, -row.found.value, row.phase)))


def _agreement(predicted: float, found: Estimate, min_share: float) -> Agreement:
    lower, upper = (found.lower, found.upper) if found.is_known else (found.value, found.value)
    if lower < min_share < upper:
        return "undecided"
    is_found = lower >= min_share
    if predicted >= min_share:
        return "predicted and found" if is_found else "predicted, not found"
    return "found, not predicted" if is_found else "neither"


def _atom_shares(products: Mapping[str, Fraction]) -> dict[str, float]:
    # an element is named by its symbol, so one unit is one atom
    atoms = {name: float(n) * float(Composition(name).num_atoms) for name, n in products.items()}
    total = sum(atoms.values())
    return {name: n / total for name, n in atoms.items()}


def predicted_environments(
    predicted: Mapping[str, float], crystals: Mapping[str, Atoms], chemistry: AnionChemistry
) -> dict[str, float]:
    """Return the fraction of the centre atoms in each anion species, with the predicted phases as crystals.

    `predicted` is the fraction of the centre atoms in each phase, by formula, with a sum of one; `crystals` are by
    formula.

    Raises
    ------
    AnalysisError
        A predicted phase has no crystal, or its crystal has no centre atom.
    """
    shares = dict.fromkeys(chemistry.labels, 0.0)
    for formula, share in predicted.items():
        if formula not in crystals:
            raise AnalysisError(f"no crystal of {formula}. Hint: give one of each of {', '.join(sorted(predicted))}")
        crystal = crystals[formula]
        found = classify_environments(crystal.positions, crystal.cell.array, crystal.numbers, chemistry)
        n_centres = int(found.n_centres.sum())
        if n_centres == 0:
            raise AnalysisError(f"the crystal of {formula} contains no {'/'.join(sorted(chemistry.anion_centres))}")
        for label, n in zip(found.labels, found.n_centres, strict=True):
            shares[label] += share * float(n) / n_centres
    return {label: share for label, share in shares.items() if share > 0}
