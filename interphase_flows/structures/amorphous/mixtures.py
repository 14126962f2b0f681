"""Amorphous mixtures of electrode and electrolyte: compositions, densities and random packings.

Compositions lie on the line from the electrode (x = 1) to the electrolyte (x = 0), where x is the fraction of
*atoms* that come from the electrode. Li7P3S11 + 24 Li, which reacts fully to Li2S and Li3P, is x = 24/45.
"""

from collections.abc import Mapping

import numpy as np
from ase import Atoms, units
from ase.data import atomic_masses, atomic_numbers
from ase.formula import Formula

from interphase_flows.exceptions import OverlappingAtomsError, StructureError
from interphase_flows.structures.checks import (
    PairDistances,
    check_no_overlap,
    pair_distances_angstrom,
)
from interphase_flows.structures.crystals.library import load_phase

PACKING_FRACTION_OF_RADII = 0.8
"""Packed atoms keep this fraction of the sum of their covalent radii (Li-Li 2.05, Li-S 1.86, P-S 1.70 Å)."""

TRIES_PER_ATOM = 2000


def composition_on_line(
    x_electrode: float, n_atoms: int, electrode: str = "Li", electrolyte: str = "Li7P3S11"
) -> dict[str, int]:
    """Whole formula units of electrode and electrolyte, `n_atoms` in all, nearest to a fraction of electrode.

    Parameters
    ----------
    x_electrode
        Fraction of atoms that come from the electrode, 0 to 1.
    n_atoms
        Atoms in the cell. With an electrode of one atom per formula the number is met exactly, and the
        fraction to half a formula unit of electrolyte (for Li7P3S11: 10.5 / `n_atoms`).
    electrode, electrolyte
        Chemical formulas.

    Returns
    -------
    composition
        Number of atoms per element, in alphabetical order: exactly on the line, so charge stays balanced.

    Raises
    ------
    StructureError
        If the fraction is outside 0 to 1, no whole numbers of formula units have `n_atoms` atoms, or the
        nearest ones leave out a side that was asked for.
    """
    if not 0.0 <= x_electrode <= 1.0:
        raise StructureError(
            f"x_electrode={x_electrode}: the fraction of the electrode's atoms lies in 0 to 1"
        )
    electrode_unit, electrolyte_unit = Formula(electrode).count(), Formula(electrolyte).count()
    size_electrode, size_electrolyte = sum(electrode_unit.values()), sum(electrolyte_unit.values())
    possible = [
        units_electrolyte
        for units_electrolyte in range(n_atoms // size_electrolyte + 1)
        if (n_atoms - units_electrolyte * size_electrolyte) % size_electrode == 0
    ]
    if n_atoms < 1 or not possible:
        raise StructureError(
            f"n_atoms={n_atoms} is no sum of whole {electrode} ({size_electrode} atoms) and {electrolyte} "
            f"({size_electrolyte} atoms); change n_atoms"
        )
    n_electrolyte = min(possible, key=lambda n: abs(1.0 - n * size_electrolyte / n_atoms - x_electrode))
    n_electrode = (n_atoms - n_electrolyte * size_electrolyte) // size_electrode
    reached = n_electrode * size_electrode / n_atoms
    if (n_electrolyte == 0 and x_electrode < 1.0) or (n_electrode == 0 and x_electrode > 0.0):
        raise StructureError(
            f"x_electrode={x_electrode} in n_atoms={n_atoms} would leave out one side altogether (nearest "
            f"fraction: {reached:.3f}); raise n_atoms, or ask for {reached:.0f}"
        )
    counts = {
        element: n_electrode * electrode_unit.get(element, 0)
        + n_electrolyte * electrolyte_unit.get(element, 0)
        for element in sorted(electrode_unit.keys() | electrolyte_unit.keys())
    }
    return {element: count for element, count in counts.items() if count}


def estimate_volume_per_atom_angstrom3(
    composition: Mapping[str, int], electrode: str | Atoms = "Li", electrolyte: str | Atoms = "Li7P3S11"
) -> float:
    """Volume per atom of an *unreacted* mixture, linear between two crystals, in Å³.

    Parameters
    ----------
    composition
        Number of atoms per element, on the line between the two.
    electrode, electrolyte
        Crystals, or names of the package's phases (then in their experimental geometry).

    Raises
    ------
    StructureError
        If the composition is not on the line between the two phases.

    Notes
    -----
    Products are denser (Li7P3S11 + 24 Li shrinks by 26 % when fully reacted): let the cell relax, or give a
    volume, where pressure matters.
    """
    ends = [
        load_phase(end, geometry="experimental") if isinstance(end, str) else end
        for end in (electrode, electrolyte)
    ]
    elements = sorted({symbol for end in ends for symbol in end.get_chemical_symbols()} | set(composition))
    fractions = np.array([[end.get_chemical_symbols().count(e) / len(end) for e in elements] for end in ends])
    total = sum(composition.values())
    target = np.array([composition.get(element, 0) for element in elements]) / max(total, 1)
    direction = fractions[0] - fractions[1]
    x = float((target - fractions[1]) @ direction / (direction @ direction))
    if total < 1 or np.abs(fractions[1] + x * direction - target).max() > 1e-6 or not -1e-6 <= x <= 1 + 1e-6:
        raise StructureError(
            f"composition {dict(composition)} is not on the line {reduced_formula(ends[0])} - "
            f"{reduced_formula(ends[1])}: take it from composition_on_line, or give volume_per_atom_angstrom3"
        )
    volumes = [end.get_volume() / len(end) for end in ends]
    return float(x * volumes[0] + (1 - x) * volumes[1])


def reduced_formula(atoms: Atoms) -> str:
    """Formula unit of a crystal, such as Li7P3S11."""
    return str(atoms.get_chemical_formula(mode="hill", empirical=True))


def random_packing(
    composition: Mapping[str, int],
    seed: int,
    density_g_per_cm3: float | None = None,
    volume_per_atom_angstrom3: float | None = None,
    min_distances: PairDistances | None = None,
) -> Atoms:
    """Atoms put one after the other at random into a periodic cube, none closer than allowed.

    Random sequential addition: a position is drawn until it is far enough from all atoms already there. The
    allowed distances are never softened, so a packing that is too dense fails instead of overlapping.

    Parameters
    ----------
    composition
        Number of atoms per element.
    seed
        Of the random numbers.
    density_g_per_cm3, volume_per_atom_angstrom3
        One of them, or neither: then the estimate for a mixture of Li and Li7P3S11.
    min_distances
        Smallest distance in Å per pair of elements; by default 0.8 of the sum of covalent radii.

    Returns
    -------
    atoms
        In random order of insertion, sorted by element afterwards.

    Raises
    ------
    StructureError
        If the composition is empty or names no element, or both density and volume are given.
    OverlappingAtomsError
        If an atom finds no place in 2000 draws.
    """
    unknown = [element for element in composition if element not in atomic_numbers or element == "X"]
    if unknown or any(count < 0 for count in composition.values()) or sum(composition.values()) < 1:
        raise StructureError(
            f"composition {dict(composition)}: give a count of at least 1 for known elements"
        )
    if density_g_per_cm3 is not None and volume_per_atom_angstrom3 is not None:
        raise StructureError("give density_g_per_cm3 or volume_per_atom_angstrom3, not both")
    rng = np.random.default_rng(seed)
    numbers = np.repeat([atomic_numbers[e] for e in composition], [composition[e] for e in composition])
    if density_g_per_cm3 is not None:
        mass_g = float(atomic_masses[numbers].sum()) / units.kg * 1e3
        volume = mass_g / density_g_per_cm3 * 1e24 if density_g_per_cm3 > 0 else 0.0
    elif volume_per_atom_angstrom3 is not None:
        volume = volume_per_atom_angstrom3 * len(numbers)
    else:
        volume = estimate_volume_per_atom_angstrom3(composition) * len(numbers)
    if not volume > 0.0:
        raise StructureError(f"a volume of {volume} Å³: density and volume per atom must be positive")
    edge = volume ** (1.0 / 3.0)
    allowed = _distance_table(numbers, min_distances)
    if allowed[np.unique(numbers), np.unique(numbers)].max() > edge:
        raise OverlappingAtomsError(
            f"a cube of {edge:.2f} Å is too small for atoms and their images; add atoms"
        )

    order = rng.permutation(numbers)
    positions = np.empty((len(order), 3))
    for n, number in enumerate(order):
        positions[n] = _free_place(positions[:n], allowed[number, order[:n]], edge, rng)
    sort = np.argsort(order, kind="stable")
    atoms = Atoms(order[sort], positions=positions[sort], cell=[edge] * 3, pbc=True)
    check_no_overlap(atoms, min_distances, scale=PACKING_FRACTION_OF_RADII, where="random_packing")
    return atoms


def _distance_table(numbers: np.ndarray, min_distances: PairDistances | None) -> np.ndarray:
    table = np.zeros((numbers.max() + 1,) * 2)
    symbols = set(Atoms(np.unique(numbers)).get_chemical_symbols())
    distances = pair_distances_angstrom(symbols, PACKING_FRACTION_OF_RADII) | dict(min_distances or {})
    for (first, second), distance in distances.items():
        if first in symbols and second in symbols:
            a, b = atomic_numbers[first], atomic_numbers[second]
            table[a, b] = table[b, a] = distance
    return table


def _free_place(placed: np.ndarray, allowed: np.ndarray, edge: float, rng: np.random.Generator) -> np.ndarray:
    for _ in range(TRIES_PER_ATOM):
        candidate = rng.random(3) * edge
        separation = placed - candidate
        separation -= edge * np.rint(separation / edge)
        if (np.einsum("ij,ij->i", separation, separation) >= allowed**2).all():
            return candidate
    raise OverlappingAtomsError(
        f"random_packing: no place for atom {len(placed)} in {TRIES_PER_ATOM} draws; lower the density or "
        "min_distances, or try another seed"
    )
