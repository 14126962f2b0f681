"""Reactions between electrode and electrolyte on the convex hull of the reference method's energies.

Along the mixing line between electrode and electrolyte, the products change at kinks (Richards et al.,
Chem. Mater. 28, 266 (2016), 10.1021/acs.chemmater.5b04082; Xiao et al., Nat. Rev. Mater. 5, 105 (2020),
10.1038/s41578-019-0157-5), which pymatgen's `InterfacialReactivity` finds. Their compositions are returned
as exact fractions, and each reaction is balanced in integers.

Energies of different methods must not be mixed.
"""

from collections.abc import Mapping
from fractions import Fraction

from pymatgen.core import Composition

from interphase_flows.exceptions import AnalysisError
from interphase_flows.thermodynamics.hull import (
    LARGEST_DENOMINATOR,
    PhaseEnergies,
    balanced_equation,
    convex_hull,
    formula_units,
    lowest_polymorphs,
    reactant,
    reduced_formula,
)
from interphase_flows.thermodynamics.results import Kink, ReactionPrediction


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
        Atoms in the relaxed cell and total energy in eV of each phase, by name; all by one method. Several
        polymorphs of a composition are allowed.
    volumes_angstrom3
        Volume of the same cell in Å³, by name of the phase. Of several polymorphs listed here the one lowest in
        energy is used, so leave out the others where it matters (CHGNet puts fcc Li below bcc Li).

    Raises
    ------
    AnalysisError
        A reactant or a pure element is missing, a cell is empty, or a reaction is unbalanced.
    """
    from pymatgen.analysis.interface_reactions import InterfacialReactivity  # slow import: loads pyplot

    lowest = lowest_polymorphs(energies)
    reactants = [reactant(formula, lowest) for formula in (electrode, electrolyte)]
    diagram = convex_hull(energies, {*reactants[0].elements, *reactants[1].elements})
    lithium, salt = reactants
    sized = lowest_polymorphs({phase: energies[phase] for phase in volumes_angstrom3 or {} if phase in energies})
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
    """Convert the coefficients of a reaction (negative for reactants) to exact fractions, and check the balance."""
    # elements are counted by the atom; pymatgen's reactions may name them P, P4 or S8
    by_formula = {}
    for name, amount in amounts.items():
        composition = Composition(name)
        atoms_per_unit = composition.num_atoms if composition.is_element else 1.0
        by_formula[reduced_formula(composition)] = amount * atoms_per_unit
    scale = -by_formula[electrolyte.reduced_formula]
    exact = {name: Fraction(value / scale).limit_denominator(LARGEST_DENOMINATOR) for name, value in by_formula.items()}
    name_of_electrode = reduced_formula(electrode)
    units = -exact.pop(name_of_electrode)
    exact.pop(electrolyte.reduced_formula)
    products = {name: amount for name, amount in sorted(exact.items()) if amount}
    reactant_units = {electrolyte.reduced_formula: Fraction(1), name_of_electrode: units}
    equation = balanced_equation(reactant_units, products, f"the reaction at x = {x:.4f}")
    from_electrode = units * int(electrode.num_atoms)
    total_atoms = from_electrode + int(electrolyte.num_atoms)
    fraction = from_electrode / total_atoms
    if abs(float(fraction) - x) > 1e-6:
        raise AnalysisError(f"pymatgen reports a kink at x = {x:.6f}, but its reaction has x = {fraction}")
    n_electrode = units.numerator * int(electrode.num_atoms)
    return Kink(
        x_electrode=fraction,
        x_electrode_exact=f"{n_electrode}/{n_electrode / fraction}",
        reaction=equation,
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
