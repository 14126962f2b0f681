"""Convergence of a method's settings: deviations from the most accurate setting, and the cheapest sufficient one.

Total energies converge slowly, but only their differences matter. Compared are the energy of the full reaction per atom
of mixture, the energy of displaced atoms above the perfect crystal (which a potential learns), and forces and stress
of the displaced crystals.

Each axis (plane-wave cutoff, k-point density) is varied alone, from the campaign's own setting. To first order, the
errors of the two axes are independent: the sum of their absolute values, quantity by quantity, is an upper bound for a
pair. The largest value of an axis is the reference; its own error is unknown, so it is never chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from interphase_flows.exceptions import AnalysisError

MEV = 1000.0


@dataclass(frozen=True)
class PhaseNumbers:
    """Labels of one phase at one setting.

    ``forces_eV_per_angstrom`` (n_atoms, 3) and ``stress_eV_per_angstrom3`` (6,) are of the displaced crystal, or of
    the perfect crystal if there is no displaced one.
    """

    perfect_eV_per_atom: float
    displaced_eV_per_atom: float | None
    forces_eV_per_angstrom: NDArray[np.float64]
    stress_eV_per_angstrom3: NDArray[np.float64]


@dataclass(frozen=True)
class Tolerances:
    """Largest acceptable errors of a setting."""

    energy_meV_per_atom: float = 3.0
    force_meV_per_angstrom: float = 15.0
    stress_meV_per_angstrom3: float = 0.6

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise AnalysisError(f"tolerances: {name} is {value}; a tolerance must be positive")


@dataclass(frozen=True)
class Deviation:
    """Absolute differences from the reference, by quantity.

    Keys of energies are the reaction or a phase, keys of forces and stress (largest component) a phase. ``missing``
    lists phases without labels, whose errors are unknown.
    """

    energy_meV_per_atom: dict[str, float] = field(default_factory=dict)
    force_meV_per_angstrom: dict[str, float] = field(default_factory=dict)
    stress_meV_per_angstrom3: dict[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    def __add__(self, other: "Deviation") -> "Deviation":
        def both(name: str) -> dict[str, float]:
            a, b = getattr(self, name), getattr(other, name)
            return {key: a.get(key, 0.0) + b.get(key, 0.0) for key in {**a, **b}}

        return Deviation(
            both("energy_meV_per_atom"),
            both("force_meV_per_angstrom"),
            both("stress_meV_per_angstrom3"),
            tuple(dict.fromkeys((*self.missing, *other.missing))),
        )

    @property
    def worst(self) -> dict[str, float]:
        """Largest error of each kind; 0 where nothing was compared."""
        return {name: max(getattr(self, name).values(), default=0.0) for name in KINDS}

    def margins(self, tolerances: Tolerances) -> dict[str, float]:
        """Tolerance minus error of each kind; negative where it is exceeded."""
        return {name: getattr(tolerances, name) - worst for name, worst in self.worst.items()}

    def is_within(self, tolerances: Tolerances) -> bool:
        """Return whether every error is known and within its tolerance."""
        return not self.missing and all(margin >= 0.0 for margin in self.margins(tolerances).values())


KINDS = ("energy_meV_per_atom", "force_meV_per_angstrom", "stress_meV_per_angstrom3")


@dataclass(frozen=True)
class Choice:
    """The cheapest pair of settings whose summed errors are within the tolerances."""

    cutoff_eV: float
    k_density_per_inverse_angstrom: float
    deviation: Deviation


def reaction_weights(
    formulas: Mapping[str, str], electrode: str, electrolyte: str
) -> tuple[dict[str, float], str] | None:
    """Return the weights of the phases' energies per atom in the reaction energy per atom of mixture, and the reaction.

    All phases except the two reactants are products; ``formulas`` maps phases to chemical formulas. Weights are negative
    for reactants. None if the phases do not form one balanced reaction.
    """
    from pymatgen.analysis.reaction_calculator import Reaction, ReactionError
    from pymatgen.core import Composition

    compositions = {name: Composition(formula).reduced_composition for name, formula in formulas.items()}
    if not {electrode, electrolyte} <= compositions.keys():
        return None
    reactants = [compositions[electrolyte], compositions[electrode]]
    products = [c for name, c in compositions.items() if name not in (electrode, electrolyte)]
    if not products or len(set(compositions.values())) < len(compositions):
        return None
    try:
        reaction = Reaction(reactants, products)
    except ReactionError:
        return None
    amounts = {name: float(reaction.get_coeff(c)) for name, c in compositions.items()}
    if amounts[electrode] >= 0 or amounts[electrolyte] >= 0:
        return None
    if any(amounts[name] <= 0 for name in compositions if name not in (electrode, electrolyte)):
        return None
    atoms = {name: amounts[name] * compositions[name].num_atoms for name in compositions}
    total = -(atoms[electrode] + atoms[electrolyte])
    unit = -amounts[electrolyte]
    terms = {name: abs(amounts[name]) / unit for name in compositions}

    def side(names: Sequence[str]) -> str:
        shown = {name: compositions[name].reduced_formula for name in names}
        return " + ".join(shown[n] if abs(terms[n] - 1) < 1e-9 else f"{terms[n]:g} {shown[n]}" for n in names)

    product_names = sorted(name for name in compositions if name not in (electrode, electrolyte))
    equation = f"{side([electrolyte, electrode])} → {side(product_names)}"
    return {name: float(n / total) for name, n in atoms.items()}, equation


def reaction_energy_eV_per_atom(
    numbers: Mapping[str, PhaseNumbers | None], weights: Mapping[str, float]
) -> float | None:
    """Return the reaction energy per atom of mixture; None if a phase is missing."""
    labels = {name: numbers.get(name) for name in weights}
    if any(label is None for label in labels.values()):
        return None
    return float(sum(weights[name] * label.perfect_eV_per_atom for name, label in labels.items() if label))


def deviation(
    numbers: Mapping[str, PhaseNumbers | None],
    reference: Mapping[str, PhaseNumbers | None],
    weights: Mapping[str, float],
) -> Deviation:
    """Compare the labels of the phases of ``numbers`` with those of the reference setting; None is a rejected label.

    Empty ``weights`` (see `reaction_weights`) omit the reaction.
    """
    energy: dict[str, float] = {}
    force: dict[str, float] = {}
    stress: dict[str, float] = {}
    missing = []
    for name, here in numbers.items():
        there = reference.get(name)
        if here is None or there is None:
            missing.append(name)
            continue
        if here.displaced_eV_per_atom is not None and there.displaced_eV_per_atom is not None:
            above = [here.displaced_eV_per_atom - here.perfect_eV_per_atom]
            above.append(there.displaced_eV_per_atom - there.perfect_eV_per_atom)
            energy[f"{name}, displaced"] = MEV * abs(above[0] - above[1])
        force[name] = MEV * float(np.abs(here.forces_eV_per_angstrom - there.forces_eV_per_angstrom).max())
        stress[name] = MEV * float(np.abs(here.stress_eV_per_angstrom3 - there.stress_eV_per_angstrom3).max())
    if weights:
        reactions = [reaction_energy_eV_per_atom(n, weights) for n in (numbers, reference)]
        if reactions[0] is not None and reactions[1] is not None:
            energy["reaction"] = MEV * abs(reactions[0] - reactions[1])
    return Deviation(energy, force, stress, tuple(missing))


def fill_missing_densities(
    by_density: Mapping[float, Mapping[str, PhaseNumbers | None]],
) -> tuple[dict[float, dict[str, PhaseNumbers | None]], dict[str, PhaseNumbers | None]]:
    """Fill in phases that were not labelled on the densest meshes, and return all densities and the reference.

    A large cell needs fewer k-points, and they cost most. Its densest mesh is its reference. From that density on, the
    next coarser mesh is used, so that the last measured error is kept instead of an error of zero. A phase with one
    mesh for all densities (Gamma) is constant.
    """
    complete = {density: dict(by_density[density]) for density in sorted(by_density)}
    reference: dict[str, PhaseNumbers | None] = {}
    for name in dict.fromkeys(name for numbers in complete.values() for name in numbers):
        labelled = [density for density in complete if name in complete[density]]
        densest = labelled[-1]
        before = labelled[-2] if len(labelled) > 1 else densest
        reference[name], coarser = complete[densest][name], complete[before][name]
        if densest == max(complete):
            continue
        for density, numbers in complete.items():
            if density >= densest:
                numbers[name] = coarser
            else:
                numbers.setdefault(name, reference[name])
    return complete, reference


def choose(
    by_cutoff_eV: Mapping[float, Deviation],
    by_k_density: Mapping[float, Deviation],
    tolerances: Tolerances,
) -> Choice | None:
    """Return the cheapest pair within the tolerances; None if there is none below the reference settings.

    The cost is estimated as cutoff^1.5 (plane waves per cell) times density^3 (k-points), which does not depend on the
    load of a machine. An axis with a single value keeps it.
    """
    pairs = sorted(product(_candidates(by_cutoff_eV), _candidates(by_k_density)), key=lambda p: p[0] ** 1.5 * p[1] ** 3)
    for cutoff, density in pairs:
        total = by_cutoff_eV[cutoff] + by_k_density[density]
        if total.is_within(tolerances):
            return Choice(cutoff, density, total)
    return None


def _candidates(axis: Mapping[float, Deviation]) -> list[float]:
    values = sorted(axis)
    return values[:-1] if len(values) > 1 else values
