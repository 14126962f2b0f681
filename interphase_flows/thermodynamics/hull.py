"""Convex hull of phase energies by one method, and balanced reaction equations."""

from collections.abc import Collection, Mapping
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING

from pymatgen.core import Composition, Element

from interphase_flows.exceptions import AnalysisError

if TYPE_CHECKING:
    from pymatgen.analysis.phase_diagram import PhaseDiagram

PhaseEnergies = Mapping[str, tuple[Mapping[str, float], float]]
"""Atoms of each element in the computed cell and total energy of that cell in eV, by name of the phase."""

LARGEST_DENOMINATOR = 5000
"""Largest denominator of stoichiometric coefficients."""


def convex_hull(energies: PhaseEnergies, elements: Collection[Element]) -> "PhaseDiagram":
    """Return the convex hull of the phases of these elements, with the lowest polymorph of each composition.

    Raises
    ------
    AnalysisError
        A phase of a pure element is missing, or a cell is empty.
    """
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram  # slow import: loads pyplot

    lowest = lowest_polymorphs(energies)
    missing = sorted(element.symbol for element in elements if element.symbol not in lowest)
    if missing:
        raise AnalysisError(
            f"no phase of the pure element {', '.join(missing)}: a convex hull needs one of every element. "
            "Hint: label one with the same reference method"
        )
    # InterfacialReactivity parses entry.name as a formula
    return PhaseDiagram(
        [
            PDEntry(Composition(energies[phase][0]), energies[phase][1], name=formula)
            for formula, phase in lowest.items()
            if set(Composition(formula).elements) <= set(elements)
        ]
    )


def reduced_formula(composition: Composition) -> str:
    """Return the reduced formula; the symbol of an element, also for molecules such as S8."""
    return composition.elements[0].symbol if composition.is_element else composition.reduced_formula


def formula_units(counts: Mapping[str, float]) -> float:
    """Return the number of formula units in a cell; elements are counted by the atom."""
    composition = Composition(counts)
    if composition.is_element:
        return float(composition.num_atoms)
    return float(composition.get_reduced_composition_and_factor()[1])


def lowest_polymorphs(energies: PhaseEnergies) -> dict[str, str]:
    """Return the name of the phase lowest in energy per atom, by reduced formula.

    Raises
    ------
    AnalysisError
        A cell is empty.
    """
    lowest: dict[str, tuple[float, str]] = {}
    for phase, (counts, energy) in energies.items():
        n_atoms = sum(counts.values())
        if n_atoms <= 0:
            raise AnalysisError(f"phase {phase!r} has no atoms. Hint: give the number of atoms in its cell")
        formula = reduced_formula(Composition(counts))
        lowest[formula] = min(lowest.get(formula, (float("inf"), "")), (energy / n_atoms, phase))
    return {formula: phase for formula, (_, phase) in lowest.items()}


def reactant(formula: str, lowest: Mapping[str, str]) -> Composition:
    """Return the composition of one reduced formula unit; raises `AnalysisError` if no phase has it."""
    reduced = reduced_formula(Composition(formula))
    if reduced not in lowest:
        raise AnalysisError(
            f"no phase of composition {formula} among {', '.join(sorted(lowest))}. Hint: add its energy by the "
            "same method"
        )
    return Composition(reduced)


def balanced_equation(reactants: Mapping[str, Fraction], products: Mapping[str, Fraction], where: str) -> str:
    """Write a reaction in the smallest integers: ``Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P``.

    Raises
    ------
    AnalysisError
        The two sides have different atoms; the message begins with ``where``.
    """
    for element in sorted({e for name in (*reactants, *products) for e in Composition(name).elements}):
        before, after = (
            sum((n * Fraction(Composition(name)[element]) for name, n in side.items()), Fraction(0))
            for side in (reactants, products)
        )
        if before != after:
            raise AnalysisError(
                f"{where} does not balance in {element.symbol} ({before} before, {after} after): the formula of a "
                "phase is too large for exact fractions. Hint: write it in reduced form"
            )
    factor = lcm(*(n.denominator for n in (*reactants.values(), *products.values())))

    def write(amounts: Mapping[str, Fraction]) -> str:
        return " + ".join(name if n * factor == 1 else f"{n * factor} {name}" for name, n in amounts.items() if n)

    return f"{write(reactants)} → {write(products)}"
