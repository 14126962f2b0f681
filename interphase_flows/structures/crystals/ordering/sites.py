"""Orbits of sites with their occupancies, and supercells that contain integral numbers of atoms on each orbit."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import spglib
from ase.geometry import minkowski_reduce
from scipy.optimize import Bounds, LinearConstraint, milp

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.structures.crystals.cif import FULL_OCCUPANCY, SHARED_SITE_ANGSTROM, CifCrystal, OccupiedSite
from interphase_flows.structures.crystals.symmetry import spglib_warnings_ignored

Repeats = tuple[int, int, int]
OCCUPANCY_PRECISION = 1e-9
NEUTRAL_E = 1e-3
"""Largest charge of a neutral cell, in e; stated charges may have few decimals, such as 2.667."""


@dataclass(frozen=True)
class Orbit:
    """Symmetrically equivalent sites of the file's cell, and the occupancy of each element on them."""

    positions: FloatArray
    """Fractional coordinates, shape (n_sites, 3)."""
    occupancy: dict[str, float]

    @property
    def is_full(self) -> bool:
        """Whether no site is vacant."""
        return sum(self.occupancy.values()) >= FULL_OCCUPANCY

    @property
    def is_ordered(self) -> bool:
        """Whether one element occupies every site."""
        return self.is_full and len(self.occupancy) == 1


@dataclass(frozen=True)
class Counts:
    """Atoms of each element on each orbit of a supercell."""

    repeats: Repeats
    per_orbit: tuple[dict[str, int], ...]
    largest_deviation: float
    """Largest difference from an occupancy of the file."""

    @property
    def n_atoms(self) -> int:
        """Number of atoms in the cell."""
        return sum(sum(each.values()) for each in self.per_orbit)


def orbits_of(crystal: CifCrystal) -> list[Orbit]:
    """Return the orbits of a crystal by its symmetry (spglib), which a file in P 1 does not state."""
    numbers = _kinds(crystal)
    found = _symmetry(crystal, numbers)
    equivalent = numbers if found is None else found.equivalent_atoms.tolist()
    members: dict[int, list[int]] = defaultdict(list)
    for site, orbit in enumerate(equivalent):
        members[orbit].append(site)
    positions = np.array([site.position for site in crystal.sites])
    return [Orbit(positions[sites], dict(crystal.sites[sites[0]].occupancy)) for sites in members.values()]


def primitive_crystal(crystal: CifCrystal) -> CifCrystal | None:
    """Return a crystal in its primitive cell, with the same orientation; None if it is in it already."""
    found = _symmetry(crystal, _kinds(crystal))
    if found is None:
        return None
    cell: FloatArray = np.asarray(minkowski_reduce(found.primitive_lattice)[0], dtype=float)
    cell *= np.sign(np.linalg.det(cell))
    first = np.unique(found.mapping_to_primitive, return_index=True)[1]
    size = round(abs(np.linalg.det(crystal.cell)) / np.linalg.det(cell))
    if size < 2 or size * len(first) != len(crystal.sites):
        return None
    to_primitive = crystal.cell @ np.linalg.inv(cell)
    sites = [crystal.sites[k] for k in first]
    return CifCrystal(
        cell, [OccupiedSite(site.position @ to_primitive % 1.0, site.occupancy) for site in sites], crystal.charges
    )


def _kinds(crystal: CifCrystal) -> list[int]:
    """Return a number for each site, the same for sites of the same occupancy."""
    kinds: dict[tuple[tuple[str, float], ...], int] = {}
    occupancies = [tuple(sorted((s, round(n, 4)) for s, n in site.occupancy.items())) for site in crystal.sites]
    return [kinds.setdefault(each, len(kinds) + 1) for each in occupancies]


def _symmetry(crystal: CifCrystal, kinds: list[int]) -> Any:
    """Return spglib's dataset, None if it finds none."""
    positions = [site.position.tolist() for site in crystal.sites]
    with spglib_warnings_ignored():
        return spglib.get_symmetry_dataset((crystal.cell.tolist(), positions, kinds), symprec=SHARED_SITE_ANGSTROM)


def supercells(cell: FloatArray, largest: int) -> Iterator[Repeats]:
    """Yield the repeats of supercells by size, of each size the one whose shortest vector is longest."""
    lengths = np.linalg.norm(cell, axis=1)
    for size in range(1, largest + 1):
        shapes = [
            (a, b, size // (a * b))
            for a in range(1, size + 1)
            if size % a == 0
            for b in range(1, size // a + 1)
            if (size // a) % b == 0
        ]
        yield max(shapes, key=lambda shape: (round(min(np.array(shape) * lengths), 6), shape[::-1]))


def counts_in(orbits: Sequence[Orbit], repeats: Repeats, charges: Mapping[str, float]) -> Counts | None:
    """Return the neutral numbers of atoms nearest to the occupancies, None if no numbers are neutral.

    A mixed-integer program minimises the largest deviation of an occupancy, then their sum.
    """
    size = int(np.prod(repeats))
    entries = [
        (k, symbol, occupancy) for k, orbit in enumerate(orbits) for symbol, occupancy in orbit.occupancy.items()
    ]
    n = len(entries)
    n_sites = np.array([size * len(orbits[k].positions) for k, _, _ in entries], dtype=float)
    wanted = np.array([1.0 if orbits[k].is_ordered else occupancy for k, _, occupancy in entries])
    # variables: numbers of atoms, deviation of each, largest deviation
    inverse, one = np.diag(1.0 / n_sites), np.eye(n)
    zero, ones = np.zeros((n, 1)), np.ones((n, 1))
    constraints = [
        LinearConstraint(np.hstack([inverse, -one, zero]), -np.inf, wanted),
        LinearConstraint(np.hstack([-inverse, -one, zero]), -np.inf, -wanted),
        LinearConstraint(np.hstack([0 * one, one, -ones]), -np.inf, 0.0),
    ]
    for k, orbit in enumerate(orbits):
        row = np.array([float(each == k) for each, _, _ in entries] + [0.0] * (n + 1))
        total = float(size * len(orbit.positions))
        constraints.append(LinearConstraint(row, total if orbit.is_full else 0.0, total))
    charge = np.array([charges[symbol] for _, symbol, _ in entries] + [0.0] * (n + 1))
    constraints.append(LinearConstraint(charge, -NEUTRAL_E, NEUTRAL_E))
    found = milp(
        np.concatenate([np.zeros(n), np.full(n, 1e-3 / n), [1.0]]),
        constraints=constraints,
        integrality=np.concatenate([np.ones(n), np.zeros(n + 1)]),
        bounds=Bounds(0.0, np.concatenate([n_sites, np.ones(n + 1)])),
    )
    if found.x is None:
        return None
    numbers = np.rint(found.x[:n]).astype(int)
    per_orbit: list[dict[str, int]] = [{} for _ in orbits]
    for (k, symbol, _), number in zip(entries, numbers, strict=True):
        per_orbit[k][symbol] = int(number)
    return Counts(repeats, tuple(per_orbit), float(np.abs(numbers / n_sites - wanted).max()))


def repeated_positions(positions: FloatArray, repeats: Repeats) -> FloatArray:
    """Return fractional coordinates in the supercell of all sites, those of one copy of the cell after another."""
    shifts: IntArray = np.indices(repeats).reshape(3, -1).T
    return np.asarray((positions[None] + shifts[:, None]) / np.array(repeats)).reshape(-1, 3)
