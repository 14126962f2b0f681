"""Amorphous mixtures of electrode and electrolyte: compositions, densities, random packings and removal of overlaps.

Compositions lie on the line from the electrolyte (x = 0) to the electrode (x = 1), where x is the fraction of
*atoms* from the electrode. Li7P3S11 + 24 Li, which reacts completely to Li2S and Li3P, has x = 24/45.
"""

from collections.abc import Mapping

import numpy as np
from ase import Atoms, units
from ase.data import atomic_masses, atomic_numbers
from ase.formula import Formula
from ase.neighborlist import neighbor_list

from interphase_flows.exceptions import OverlappingAtomsError, StructureError
from interphase_flows.structures.checks import (
    PairDistances,
    check_no_overlap,
    distance_table_angstrom,
    pair_distances_angstrom,
)
from interphase_flows.structures.crystals.library import load_phase

PACKING_FRACTION_OF_RADII = 0.8
"""Smallest distance in a packing over the sum of the covalent radii (Li-Li 2.05, Li-S 1.86, P-S 1.70 Å)."""

TRIES_PER_ATOM = 2000


def composition_on_line(
    x_electrode: float, n_atoms: int, electrode: str = "Li", electrolyte: str = "Li7P3S11"
) -> dict[str, int]:
    """Return the composition of `n_atoms` in integer formula units that is nearest to a fraction of electrode.

    With one atom per formula unit of electrode, the fraction is met to half a formula unit of electrolyte (for
    Li7P3S11: 10.5 / `n_atoms`). The composition lies exactly on the line, so charges balance; elements are in
    alphabetical order.

    Raises
    ------
    StructureError
        The fraction is outside 0 to 1, no integer numbers of formula units add up to `n_atoms`, or the nearest
        composition lacks one of the two sides.
    """
    if not 0.0 <= x_electrode <= 1.0:
        raise StructureError(
            f"x_electrode={x_electrode}: the fraction of atoms from the electrode must lie between 0 and 1"
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
            f"n_atoms={n_atoms} is not a sum of formula units of {electrode} ({size_electrode} atoms) and "
            f"{electrolyte} ({size_electrolyte} atoms). Hint: change n_atoms"
        )
    n_electrolyte = min(possible, key=lambda n: abs(1.0 - n * size_electrolyte / n_atoms - x_electrode))
    n_electrode = (n_atoms - n_electrolyte * size_electrolyte) // size_electrode
    reached = n_electrode * size_electrode / n_atoms
    if (n_electrolyte == 0 and x_electrode < 1.0) or (n_electrode == 0 and x_electrode > 0.0):
        raise StructureError(
            f"x_electrode={x_electrode} in n_atoms={n_atoms} would leave out one side (nearest fraction: "
            f"{reached:.3f}). Hint: increase n_atoms, or set x_electrode to {reached:.0f}"
        )
    counts = {
        element: n_electrode * electrode_unit.get(element, 0) + n_electrolyte * electrolyte_unit.get(element, 0)
        for element in sorted(electrode_unit.keys() | electrolyte_unit.keys())
    }
    return {element: count for element, count in counts.items() if count}


def estimate_volume_per_atom_angstrom3(
    composition: Mapping[str, int], electrode: str | Atoms = "Li", electrolyte: str | Atoms = "Li7P3S11"
) -> float:
    """Interpolate the volume per atom of an *unreacted* mixture between two crystals, in Å³.

    `electrode` and `electrolyte` are crystals in their experimental geometry, or names of phases of the library.
    Reaction products are denser (Li7P3S11 + 24 Li shrinks by 26 %): where pressure matters, relax the cell or set the
    volume.

    Raises
    ------
    StructureError
        The composition is not on the line between the two phases.
    """
    ends = [
        load_phase(end, geometry="experimental") if isinstance(end, str) else end for end in (electrode, electrolyte)
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
            f"{reduced_formula(ends[1])}. Hint: use composition_on_line, or give volume_per_atom_angstrom3"
        )
    volumes = [end.get_volume() / len(end) for end in ends]
    return float(x * volumes[0] + (1 - x) * volumes[1])


def reduced_formula(atoms: Atoms) -> str:
    """Return the formula unit of a crystal, such as Li7P3S11."""
    return str(atoms.get_chemical_formula(mode="hill", empirical=True))


def random_packing(
    composition: Mapping[str, int],
    seed: int,
    density_g_per_cm3: float | None = None,
    volume_per_atom_angstrom3: float | None = None,
    min_distances: PairDistances | None = None,
) -> Atoms:
    """Pack atoms, sorted by element, into a periodic cube by random sequential addition.

    Each position is redrawn until it is far enough from all atoms placed before: by default 0.8 of the sum of covalent
    radii, or ``min_distances`` in Å per pair of elements. These distances are never relaxed, so a packing that is too
    dense raises instead of overlapping. Without density and volume, the volume is the estimate for a mixture of Li and
    Li7P3S11.

    Raises
    ------
    StructureError
        The composition is empty or has unknown elements, or both density and volume are given.
    OverlappingAtomsError
        An atom cannot be placed in 2000 draws.
    """
    unknown = [element for element in composition if element not in atomic_numbers or element == "X"]
    if unknown or any(count < 0 for count in composition.values()) or sum(composition.values()) < 1:
        raise StructureError(f"composition {dict(composition)}: needed are known elements with a count of at least 1")
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
    smallest = pair_distances_angstrom(set(composition), PACKING_FRACTION_OF_RADII)
    allowed = distance_table_angstrom(smallest | dict(min_distances or {}))
    if allowed[np.unique(numbers), np.unique(numbers)].max() > edge:
        raise OverlappingAtomsError(
            f"a cube of {edge:.2f} Å is too small for atoms and their periodic images. Hint: add atoms"
        )

    order = rng.permutation(numbers)
    positions = np.empty((len(order), 3))
    for n, number in enumerate(order):
        positions[n] = _draw_position(positions[:n], allowed[number, order[:n]], edge, rng)
    sort = np.argsort(order, kind="stable")
    atoms = Atoms(order[sort], positions=positions[sort], cell=[edge] * 3, pbc=True)
    check_no_overlap(atoms, min_distances, scale=PACKING_FRACTION_OF_RADII, where="random_packing")
    return atoms


def remove_overlaps(
    atoms: Atoms, fraction: float = 0.95, max_steps: int = 200, tolerance_angstrom: float = 0.02
) -> Atoms:
    """Return a copy in which close atoms are moved apart without a calculator.

    In each step the two atoms of a pair that is closer than `fraction` of the sum of their covalent radii each move by
    half of the missing distance. The iteration ends when no pair lacks more than `tolerance_angstrom`, or after
    `max_steps`.
    """
    pushed = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    smallest = pair_distances_angstrom(set(pushed.get_chemical_symbols()), fraction)
    table = distance_table_angstrom(smallest)
    for _ in range(max_steps):
        i, j, d, vectors = neighbor_list("ijdD", pushed, smallest)
        target = table[pushed.numbers[i], pushed.numbers[j]]
        if len(d) == 0 or (target - d).max() <= tolerance_angstrom:
            break
        # Every pair is listed in both directions; each entry moves its first atom.
        steps = -0.5 * (target - d)[:, None] * vectors / np.maximum(d, 1e-3)[:, None]
        np.add.at(pushed.positions, i, steps)
    return pushed


def mixture_packing(x_electrode: float, n_atoms: int, seed: int, electrode: Atoms, electrolyte: Atoms) -> Atoms:
    """Return a random packing in a cube on the line from electrode to electrolyte, with overlaps removed.

    The formulas of the two crystals are the ends of the line, and the volume is interpolated between theirs.

    Raises
    ------
    StructureError
        No integer numbers of formula units add up to ``n_atoms`` atoms.
    OverlappingAtomsError
        An atom cannot be placed.
    """
    composition = composition_on_line(x_electrode, n_atoms, *(reduced_formula(end) for end in (electrode, electrolyte)))
    volume = estimate_volume_per_atom_angstrom3(composition, electrode, electrolyte)
    return remove_overlaps(random_packing(composition, seed, volume_per_atom_angstrom3=volume))


def _draw_position(placed: np.ndarray, allowed: np.ndarray, edge: float, rng: np.random.Generator) -> np.ndarray:
    for _ in range(TRIES_PER_ATOM):
        candidate = rng.random(3) * edge
        separation = placed - candidate
        separation -= edge * np.rint(separation / edge)
        if (np.einsum("ij,ij->i", separation, separation) >= allowed**2).all():
            return candidate
    raise OverlappingAtomsError(
        f"random_packing: atom {len(placed)} could not be placed in {TRIES_PER_ATOM} draws. Hint: lower the density "
        "or min_distances, or try another seed"
    )
