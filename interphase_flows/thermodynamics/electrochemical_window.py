"""Between which voltages an electrolyte neither takes up nor gives up the electrode's element.

The element's chemical potential mu sets the voltage against the pure element, V = -(mu - mu0) / z, with z its ion's
charge. At each mu the electrolyte goes to the phases that minimise the grand potential G - mu N of the element
(Zhu, He, Mo, ACS Appl. Mater. Interfaces 7, 23685 (2015), 10.1021/acsami.5b07517; Richards et al., Chem. Mater. 28,
266 (2016), 10.1021/acs.chemmater.5b04082), which pymatgen's `get_element_profile` follows.

Assumptions: 0 K energies of crystals, no entropy, no kinetics, no interface energy; electrons and ions come and go as
neutral atoms of the element. An electrolyte above the hull has no window of its own: the window is that of the phases
it would fall into.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from pymatgen.core import Composition, Element

from interphase_flows.exceptions import AnalysisError
from interphase_flows.thermodynamics.hull import (
    LARGEST_DENOMINATOR,
    PhaseEnergies,
    convex_hull,
    lowest_polymorphs,
    reactant,
    written,
)

SMALLEST_AMOUNT = 1e-6
"""Atoms or formula units per formula unit of electrolyte that count as none."""


@dataclass(frozen=True)
class Stage:
    """A range of voltages in which the electrolyte's equilibrium products stay the same."""

    lower_v: float
    upper_v: float | None
    """None for the last stage, which has no end."""
    taken_up: Fraction
    """Atoms of the element per formula unit of electrolyte; negative when given up."""
    products: dict[str, Fraction]
    """Formula units of each per formula unit of electrolyte, the element itself left out."""
    reaction: str


@dataclass(frozen=True)
class StabilityWindow:
    """What an electrolyte does at each voltage against the pure element."""

    element: str
    ion_charge: int
    electrolyte: str
    is_on_hull: bool
    """False: the electrolyte is metastable, and the window is that of the phases below it."""
    reduction_v: float
    """Below this voltage the element is taken up."""
    oxidation_v: float | None
    """Above this voltage the element is given up; None when there is none to give."""
    stages: tuple[Stage, ...]
    """From the element's own potential, 0 V, upwards."""

    @property
    def width_v(self) -> float | None:
        """Width of the window in V; zero if only one voltage exchanges nothing, None if it has no end."""
        return None if self.oxidation_v is None else self.oxidation_v - self.reduction_v

    @property
    def charging_energy_eV(self) -> float:
        """Energy released in eV by one formula unit that takes up the element step by step down to 0 V.

        It is the area under voltage against charge, and equals the energy of the full reaction with the
        element, less what a metastable electrolyte releases by itself.
        """
        uptake = [stage for stage in self.stages if stage.taken_up > 0]
        released = 0.0
        for i, stage in enumerate(uptake):
            upper = float(stage.upper_v) if stage.upper_v is not None else 0.0
            before = uptake[i + 1].taken_up if i + 1 < len(uptake) else Fraction(0)
            released += self.ion_charge * upper * float(stage.taken_up - before)
        return released


def ion_charge_of(element: str) -> int | None:
    """Return the charge of an element's ion if it commonly has one positive charge, else None."""
    states = [state for state in Element(element).common_oxidation_states if state > 0]
    return int(states[0]) if len(states) == 1 else None


def stability_window(
    energies: PhaseEnergies, *, element: str, electrolyte: str, ion_charge: int | None = None
) -> StabilityWindow:
    """Follow an electrolyte from the element's own chemical potential to that of a state without it.

    Parameters
    ----------
    energies
        Phase name -> (atoms in the cell, total energy in eV), all by one method.
    element
        Whose chemical potential is varied, usually the electrode's.
    electrolyte
        Chemical formula; its composition must be among the phases.
    ion_charge
        Charge of the ion that carries the element, for the voltage; the common one if None.

    Raises
    ------
    AnalysisError
        A phase is missing, the ion's charge is not known, or a reaction cannot be balanced.
    """
    charge = ion_charge or ion_charge_of(element)
    if charge is None or charge < 1:
        raise AnalysisError(
            f"{element} has no single common positive charge, so a voltage has no meaning: give ion_charge"
        )
    salt = reactant(electrolyte, lowest_polymorphs(energies))
    diagram = convex_hull(energies, {Element(element), *salt.elements})
    mobile = Element(element)
    zero_eV = float(diagram.el_refs[mobile].energy_per_atom)
    profile = sorted(diagram.get_element_profile(mobile, salt), key=lambda step: -step["chempot"])
    # 0 V is a limit of floats on either side of it
    starts_v = [max(0.0, (zero_eV - float(step["chempot"])) / charge) for step in profile]
    ends_v: list[float | None] = [*starts_v[1:], None]
    stages = tuple(
        _stage(salt, mobile, [entry.composition for entry in step["entries"]], lower, upper)
        for step, lower, upper in zip(profile, starts_v, ends_v, strict=True)
    )
    reduction_v = max((s.upper_v for s in stages if s.taken_up > 0 and s.upper_v is not None), default=0.0)
    oxidation_v = min((s.lower_v for s in stages if s.taken_up < 0), default=None)
    entry = next(e for e in diagram.all_entries if e.composition.reduced_formula == salt.reduced_formula)
    return StabilityWindow(
        element=element,
        ion_charge=charge,
        electrolyte=salt.reduced_formula,
        is_on_hull=bool(diagram.get_e_above_hull(entry) <= diagram.numerical_tol),
        reduction_v=reduction_v,
        oxidation_v=oxidation_v,
        stages=stages,
    )


def _stage(
    salt: Composition, mobile: Element, phases: list[Composition], lower_v: float, upper_v: float | None
) -> Stage:
    """Balance the electrolyte with products and with the element, which may be taken up or given up."""
    units = [Composition(_name(phase)) for phase in phases]
    elements = sorted({mobile, *salt.elements})
    products_of = np.array([[unit[e] for unit in units] + [-float(e == mobile)] for e in elements])
    amounts = np.linalg.lstsq(products_of, np.array([salt[e] for e in elements]), rcond=None)[0]
    exact = [
        Fraction(float(amount)).limit_denominator(LARGEST_DENOMINATOR)
        if abs(amount) > SMALLEST_AMOUNT
        else Fraction(0)
        for amount in amounts
    ]
    taken_up = exact[-1]
    products = {
        _name(unit): n
        for unit, n in sorted(zip(units, exact[:-1], strict=True), key=lambda x: _name(x[0]))
        if n
    }
    for e in elements:
        before = Fraction(salt[e]) + (taken_up if e == mobile else 0)
        after = sum((n * Fraction(Composition(name)[e]) for name, n in products.items()), Fraction(0))
        if before != after:
            raise AnalysisError(
                f"{salt.reduced_formula} at {lower_v:.3f} V does not balance in {e.symbol} ({before} before, "
                f"{after} after): a phase's formula is too large for exact fractions; write it in reduced form"
            )
    left, right = {salt.reduced_formula: Fraction(1)}, dict(products)
    if taken_up > 0:
        left[mobile.symbol] = taken_up
    elif taken_up < 0:
        right[mobile.symbol] = -taken_up
    return Stage(lower_v, upper_v, taken_up, products, written(left, right))


def _name(composition: Composition) -> str:
    """Reduced formula; an element by its symbol, whatever its molecule."""
    return composition.elements[0].symbol if composition.is_element else composition.reduced_formula
