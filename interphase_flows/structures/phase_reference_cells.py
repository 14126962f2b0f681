"""Cells for the reference runs of the phase classifier: substituted crystals and packings.

The caller states which elements are mobile and which form anions.
"""

from collections.abc import Collection, Mapping

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.formula import Formula
from numpy.typing import NDArray
from pymatgen.core import Element
from scipy.optimize import nnls

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.amorphous.mixtures import random_packing, reduced_formula, remove_overlaps

MELT_EXPANSION = 1.1
"""Volume of a melt relative to its crystals."""
HOLE_GRID_ANGSTROM = 0.4


def reaction_mixture(
    phases: Mapping[str, Atoms], electrolyte: Mapping[str, float], mobile: Collection[str], n_atoms: int
) -> tuple[dict[str, int], float]:
    """Return a mixture of the phases with the anions of the electrolyte, as a complete reaction gives.

    The composition has about `n_atoms` atoms in integer formula units of the phases; the second value is the volume per
    atom of the mixture as crystals, in Å³.

    Raises
    ------
    StructureError
        No mixture of the phases has these anions.
    """
    elements = sorted(set(electrolyte) - set(mobile))
    names = list(phases)
    units = [Formula(reduced_formula(phases[name])).count() for name in names]
    table = np.array([[unit.get(e, 0) for unit in units] for e in elements], dtype=float)
    target = np.array([electrolyte[e] for e in elements], dtype=float)
    amounts, residual = nnls(table, target)
    if not amounts.any() or residual > 0.7 * np.linalg.norm(target):
        raise StructureError(
            f"no mixture of {', '.join(names)} has the anions of the electrolyte ({', '.join(elements)}). "
            "Hint: add phases that have them"
        )
    sizes = np.array([sum(unit.values()) for unit in units], dtype=float)
    n_units = np.where(amounts > 0, np.maximum(1, np.rint(amounts * n_atoms / (amounts @ sizes))), 0).astype(int)
    composition: dict[str, int] = {}
    volume = 0.0
    for name, unit, n in zip(names, units, n_units.tolist(), strict=True):
        for symbol, count in unit.items():
            composition[symbol] = composition.get(symbol, 0) + n * count
        volume += n * sum(unit.values()) * phases[name].get_volume() / len(phases[name])
    composition = {symbol: n for symbol, n in sorted(composition.items()) if n}
    return composition, volume / sum(composition.values())


def melt_packing(composition: Mapping[str, int], volume_per_atom_angstrom3: float, seed: int) -> Atoms:
    """Return a random packing in a cube of melt density, as the start of a melting run.

    Raises
    ------
    OverlappingAtomsError
        An atom cannot be placed.
    """
    return remove_overlaps(
        random_packing(composition, seed, volume_per_atom_angstrom3=MELT_EXPANSION * volume_per_atom_angstrom3)
    )


def substitute_anion(crystal: Atoms, host: str, guest: str, mobile: str, seed: int) -> Atoms:
    """Substitute one anion of a crystal and balance the charge with mobile cations.

    Charges are the lowest common oxidation states (P -3, S -2). Missing cations are added in the largest holes;
    excess cations nearest to the guest are removed.

    Raises
    ------
    StructureError
        The crystal does not contain the host anion.
    """
    atoms = Atoms(crystal.numbers, crystal.positions, cell=crystal.cell, pbc=True)
    sites = np.flatnonzero(atoms.numbers == atomic_numbers[host])
    if not len(sites):
        raise StructureError(f"{crystal.get_chemical_formula()} contains no {host} to substitute by {guest}")
    site = int(np.random.default_rng(seed).choice(sites))
    atoms.numbers[site] = atomic_numbers[guest]
    charge = max(1, max(Element(mobile).common_oxidation_states, default=1))
    missing = round((_lowest_charge(host) - _lowest_charge(guest)) / charge)
    for _ in range(max(0, missing)):
        atoms += Atoms(mobile, positions=[_largest_hole(atoms, atoms.positions[site])])
    if missing < 0:
        cations = np.flatnonzero(atoms.numbers == atomic_numbers[mobile])
        nearest = cations[np.argsort(atoms.get_distances(site, cations, mic=True))]
        del atoms[nearest[:-missing].tolist()]
    return atoms


def _lowest_charge(symbol: str) -> int:
    return int(min(Element(symbol).common_oxidation_states, default=0))


def _largest_hole(atoms: Atoms, near: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the point farthest from all atoms; among equals, the nearest to `near`."""
    counts = np.maximum(1, np.ceil(atoms.cell.lengths() / HOLE_GRID_ANGSTROM)).astype(int)
    grid = np.stack(np.meshgrid(*((np.arange(n)) / n for n in counts), indexing="ij"), axis=-1).reshape(-1, 3)
    places = grid @ atoms.cell[:]
    room = _distances(places, atoms.positions, atoms.cell[:]).min(axis=1)
    best = np.flatnonzero(room > room.max() - 0.05)
    away = _distances(places[best], np.asarray(near)[None], atoms.cell[:])[:, 0]
    return np.asarray(places[best[int(np.argmin(away))]])


def _distances(
    first: NDArray[np.floating], second: NDArray[np.floating], cell: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the shortest distances, images in neighbouring cells included, (n_first, n_second), in Å."""
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ np.asarray(cell)
    nearest = np.full((len(first), len(second)), np.inf)
    for shift in shifts:
        nearest = np.minimum(nearest, np.linalg.norm(first[:, None] - second[None] - shift, axis=-1))
    return nearest
