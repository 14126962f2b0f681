"""Electrochemical window of an electrolyte against a pure element, from the grand potential hull.

The chemical potential mu of the element sets the voltage, V = -(mu - mu0) / z, with z the charge of its ion. At each mu
the electrolyte decomposes into the phases that minimise the grand potential G - mu N of the element (Zhu, He, Mo, ACS
Appl. Mater. Interfaces 7, 23685 (2015), 10.1021/acsami.5b07517; Richards et al., Chem. Mater. 28, 266 (2016),
10.1021/acs.chemmater.5b04082), as in pymatgen's `get_element_profile`.

Assumptions: 0 K energies of crystals, no entropy, no kinetics, no interface energy; electrons and ions are exchanged as
neutral atoms. A metastable electrolyte has the window of its decomposition products.
"""

from fractions import Fraction

import numpy as np
from pymatgen.core import Composition, Element

from interphase_flows.exceptions import AnalysisError
from interphase_flows.thermodynamics.hull import (
    LARGEST_DENOMINATOR,
    PhaseEnergies,
    balanced_equation,
    convex_hull,
    lowest_polymorphs,
    reactant,
    reduced_formula,
)
from interphase_flows.thermodynamics.results import ElectrochemicalWindow, WindowStage

SMALLEST_AMOUNT = 1e-6
"""Smaller amounts per formula unit of electrolyte count as zero."""


def ion_charge_of(element: str) -> int | None:
    """Return the charge of an element's ion; None unless it has one common positive charge."""
    states = [state for state in Element(element).common_oxidation_states if state > 0]
    return int(states[0]) if len(states) == 1 else None


def electrochemical_window(
    energies: PhaseEnergies, *, element: str, electrolyte: str, ion_charge: int | None = None
) -> ElectrochemicalWindow:
    """Return the equilibrium products of an electrolyte at all voltages against a pure element.

    Parameters
    ----------
    energies
        Atoms in the cell and total energy in eV of each phase, by name; all by one method.
    ion_charge
        Charge of the element's ion; by default its only common positive charge.

    Raises
    ------
    AnalysisError
        A phase is missing, the charge of the ion is ambiguous, or a reaction cannot be balanced.
    """
    charge = ion_charge or ion_charge_of(element)
    if charge is None or charge < 1:
        raise AnalysisError(
            f"{element} has no single common positive charge, so a voltage is not defined. Hint: give ion_charge"
        )
    salt = reactant(electrolyte, lowest_polymorphs(energies))
    diagram = convex_hull(energies, {Element(element), *salt.elements})
    mobile = Element(element)
    zero_eV = float(diagram.el_refs[mobile].energy_per_atom)
    profile = sorted(diagram.get_element_profile(mobile, salt), key=lambda step: -step["chempot"])
    # rounding may put the first voltage slightly below 0 V
    starts_v = [max(0.0, (zero_eV - float(step["chempot"])) / charge) for step in profile]
    ends_v: list[float | None] = [*starts_v[1:], None]
    stages = tuple(
        _stage(salt, mobile, [entry.composition for entry in step["entries"]], lower, upper)
        for step, lower, upper in zip(profile, starts_v, ends_v, strict=True)
    )
    reduction_V = max((s.upper_V for s in stages if s.taken_up > 0 and s.upper_V is not None), default=0.0)
    oxidation_V = min((s.lower_V for s in stages if s.taken_up < 0), default=None)
    entry = next(e for e in diagram.all_entries if e.composition.reduced_formula == salt.reduced_formula)
    return ElectrochemicalWindow(
        element=element,
        ion_charge=charge,
        electrolyte=salt.reduced_formula,
        is_on_hull=bool(diagram.get_e_above_hull(entry) <= diagram.numerical_tol),
        reduction_V=reduction_V,
        oxidation_V=oxidation_V,
        stages=stages,
    )


def _stage(
    salt: Composition, mobile: Element, phases: list[Composition], lower_V: float, upper_V: float | None
) -> WindowStage:
    """Balance the electrolyte with its products and with the element, which may be taken up or released."""
    units = [Composition(reduced_formula(phase)) for phase in phases]
    elements = sorted({mobile, *salt.elements})
    products_of = np.array([[unit[e] for unit in units] + [-float(e == mobile)] for e in elements])
    amounts = np.linalg.lstsq(products_of, np.array([salt[e] for e in elements]), rcond=None)[0]
    exact = [
        Fraction(float(amount)).limit_denominator(LARGEST_DENOMINATOR) if abs(amount) > SMALLEST_AMOUNT else Fraction(0)
        for amount in amounts
    ]
    taken_up = exact[-1]
    products = {
        reduced_formula(unit): n
        for unit, n in sorted(zip(units, exact[:-1], strict=True), key=lambda x: reduced_formula(x[0]))
        if n
    }
    left, right = {salt.reduced_formula: Fraction(1)}, dict(products)
    if taken_up > 0:
        left[mobile.symbol] = taken_up
    elif taken_up < 0:
        right[mobile.symbol] = -taken_up
    return WindowStage(
        lower_V=lower_V,
        upper_V=upper_V,
        taken_up=taken_up,
        products=products,
        reaction=balanced_equation(left, right, f"{salt.reduced_formula} at {lower_V:.3f} V"),
    )
