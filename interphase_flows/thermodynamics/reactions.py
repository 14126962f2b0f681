"""What should form: reaction products on the convex hull of the reference method's own energies.

Along the mixing line between electrode and electrolyte, the products change only at kinks (Richards et al.,
Chem. Mater. 28, 266 (2016), 10.1021/acs.chemmater.5b04082; Xiao et al., Nat. Rev. Mater. 5, 105 (2020),
10.1038/s41578-019-0157-5), which pymatgen's `InterfacialReactivity` finds. Their compositions are rational,
so they are returned as exact fractions, each reaction re-balanced in integers.

Energies of different methods must not be mixed: a hull of both has no meaning.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from pymatgen.analysis.interface_reactions import InterfacialReactivity
from pymatgen.core import Composition

from interphase_flows.exceptions import AnalysisError
from interphase_flows.thermodynamics.hull import (
    LARGEST_DENOMINATOR,
    PhaseEnergies,
    convex_hull,
    formula_units,
    lowest_polymorphs,
    reactant,
    written,
)


@dataclass(frozen=True)
class Kink:
    """A point of the mixing line where the products change."""

    x_electrode: Fraction
    """Share of the mixture's atoms that come from the electrode; exact."""
    reaction: str
    """Balanced in the smallest integers, such as ``Li7P3S11 + 24 Li → 11 Li2S + 3 Li3P``."""
    electrode_units: Fraction
    """Formula units of electrode per formula unit of electrolyte."""
    products: dict[str, Fraction]
    """Formula units of each product per formula unit of electrolyte."""
    energy_eV_per_atom: float
    """Reaction energy in eV per atom of the mixture; negative when energy is released."""
    energy_eV_per_formula_unit: float
    """The same in eV per formula unit of electrolyte."""
    volume_change: float | None
    """(V_products - V_reactants) / V_reactants; None when a volume is not known."""


@dataclass(frozen=True)
class ReactionPrediction:
    """What thermodynamics allows between an electrode and an electrolyte."""

    electrode: str
    electrolyte: str
    kinks: tuple[Kink, ...]
    """From the electrolyte's side to the electrode's, the pure reactants left out."""
    electrolyte_above_hull_eV_per_atom: float
    """Zero for an electrolyte that is stable by itself."""
    electrolyte_decomposition: dict[str, float]
    """Phases on the hull at the electrolyte's composition and their share of its atoms."""
    stable_phases: tuple[str, ...]
    """Formulas on the hull."""

    @property
    def full(self) -> Kink:
        """The reaction that uses as much electrode as the electrolyte can take up.

        Raises
        ------
        AnalysisError
            Nothing reacts: the two coexist on the hull.
        """
        if not self.kinks:
            raise AnalysisError(
                f"{self.electrode} and {self.electrolyte} coexist on the hull: no reaction; "
                "check that the phases that could form are among the energies"
            )
        return self.kinks[-1]

    @property
    def strongest(self) -> Kink:
        """The reaction releasing most energy per atom of mixture, the driving force; raises like `full`."""
        return min((self.full, *self.kinks), key=lambda kink: kink.energy_eV_per_atom)


def predict_reaction(
    energies: PhaseEnergies,
    *,
    electrode: str = "Li",
    electrolyte: str = "Li7P3S11",
    volumes_angstrom3: Mapping[str, float] | None = None,
) -> ReactionPrediction:
    """Find the reactions between an electrode and an electrolyte on the convex hull.

    Parameters
    ----------
    energies
        Phase name -> (atoms in the cell, total energy in eV), all by one method, structures relaxed. Several
        polymorphs of one composition may be given.
    electrode, electrolyte
        Chemical formulas; both compositions must be among the phases.
    volumes_angstrom3
        Phase name -> volume of the same cell in Å³; of several polymorphs listed here the one
        lowest in energy counts, so leave out those that are not meant (CHGNet puts fcc Li below bcc Li).

    Raises
    ------
    AnalysisError
        A reactant or a phase of a pure element is missing, a cell is empty, or a reaction is unbalanced.
    """
    lowest = lowest_polymorphs(energies)
    reactants = [reactant(formula, lowest) for formula in (electrode, electrolyte)]
    diagram = convex_hull(energies, {*reactants[0].elements, *reactants[1].elements})
    lithium, salt = reactants
    sized = lowest_polymorphs(
        {phase: energies[phase] for phase in volumes_angstrom3 or {} if phase in energies}
    )
    per_unit = {
        formula: float((volumes_angstrom3 or {})[phase]) / formula_units(energies[phase][0])
        for formula, phase in sized.items()
    }
    kinks = []
    for _, x, energy, reaction, _ in InterfacialReactivity(lithium, salt, diagram, norm=True).get_kinks():
        if not 1e-9 < x < 1 - 1e-9:
            continue
        amounts = {c.reduced_formula: reaction.get_coeff(c) for c in reaction.all_comp}
        kinks.append(_exact_kink(lithium, salt, amounts, float(x), float(energy), per_unit))
    salt_entry = next(e for e in diagram.all_entries if e.composition.reduced_formula == salt.reduced_formula)
    return ReactionPrediction(
        electrode=lithium.reduced_formula,
        electrolyte=salt.reduced_formula,
        kinks=tuple(sorted(kinks, key=lambda kink: kink.x_electrode)),
        electrolyte_above_hull_eV_per_atom=max(0.0, float(diagram.get_e_above_hull(salt_entry))),
        electrolyte_decomposition={
            entry.name: float(share) for entry, share in diagram.get_decomposition(salt).items()
        },
        stable_phases=tuple(sorted(entry.name for entry in diagram.stable_entries)),
    )


def _exact_kink(
    electrode: Composition,
    electrolyte: Composition,
    amounts: Mapping[str, float],
    x: float,
    energy_eV_per_atom: float,
    volume_per_unit: Mapping[str, float],
) -> Kink:
    """Make the coefficients of a reaction (reactants negative) exact, and check them."""
    # elements such as P4 or S8 are counted by the atom; pymatgen's reactions may call them P, P4 or S8
    atoms = {name: Composition(name) for name in amounts}
    plain = {
        (c.elements[0].symbol if c.is_element else name): amounts[name]
        * (c.num_atoms if c.is_element else 1.0)
        for name, c in atoms.items()
    }
    scale = -plain[electrolyte.reduced_formula]
    exact = {
        name: Fraction(value / scale).limit_denominator(LARGEST_DENOMINATOR) for name, value in plain.items()
    }
    name_of_electrode = next(iter(electrode.as_dict())) if electrode.is_element else electrode.reduced_formula
    units = -exact.pop(name_of_electrode)
    exact.pop(electrolyte.reduced_formula)
    products = {name: amount for name, amount in sorted(exact.items()) if amount}
    for element in {*electrode.elements, *electrolyte.elements}:
        before = Fraction(electrolyte[element]) + units * Fraction(electrode[element])
        after = sum((n * Fraction(Composition(name)[element]) for name, n in products.items()), Fraction(0))
        if before != after:
            raise AnalysisError(
                f"the reaction at x = {x:.4f} does not balance in {element.symbol} ({before} before, "
                f"{after} after): "
                "a phase's formula is too large for exact fractions; write it in reduced form"
            )
    from_electrode = units * int(electrode.num_atoms)
    total_atoms = from_electrode + int(electrolyte.num_atoms)
    fraction = from_electrode / total_atoms
    if abs(float(fraction) - x) > 1e-6:
        raise AnalysisError(
            f"pymatgen puts a kink at x = {x:.6f}, its reaction at {fraction}: do not trust either"
        )
    reactant_units = {electrolyte.reduced_formula: Fraction(1), name_of_electrode: units}
    return Kink(
        x_electrode=fraction,
        reaction=written(reactant_units, products),
        electrode_units=units,
        products=products,
        energy_eV_per_atom=energy_eV_per_atom,
        energy_eV_per_formula_unit=energy_eV_per_atom * float(total_atoms),
        volume_change=_volume_change(reactant_units, products, volume_per_unit),
    )


def _volume_change(
    reactants: Mapping[str, Fraction], products: Mapping[str, Fraction], volume_per_unit: Mapping[str, float]
) -> float | None:
    if not {*reactants, *products} <= volume_per_unit.keys():
        return None
    before = sum(float(n) * volume_per_unit[name] for name, n in reactants.items())
    after = sum(float(n) * volume_per_unit[name] for name, n in products.items())
    return after / before - 1.0
