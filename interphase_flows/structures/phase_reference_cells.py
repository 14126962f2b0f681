"""Cells that the phase of an atom is learnt from: crystals, crystals with a foreign anion, packings, slabs.

Nothing here names an element: which elements move and which make anions is told by the caller.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms
from ase.data import atomic_numbers
from numpy.typing import NDArray
from pymatgen.core import Element
from scipy.optimize import nnls

from interphase_flows.exceptions import OverlappingAtomsError, StructureError
from interphase_flows.structures.amorphous.mixtures import random_packing
from interphase_flows.structures.amorphous.overlap_removal import soft_push_off
from interphase_flows.structures.checks import pair_distances_angstrom
from interphase_flows.structures.crystals.smallest_cells import smallest_cell

EXPANSION = 1.1
"""Volume of a melt over that of its crystals."""
PACKING_FRACTION = 0.75
"""Atoms of a packing begin no closer than this share of the sum of their covalent radii."""
TRIES = 3000
HOLE_GRID_ANGSTROM = 0.4
LEAST_WIDTH_ANGSTROM, LAYER_ANGSTROM = 6.9, 7.0
"""Of a slab: its cell across the normal, and its crystal and its metal along it, at least."""


def mixture(
    phases: Mapping[str, Atoms], electrolyte: Mapping[str, float], mobile: Collection[str], n_atoms: int
) -> tuple[dict[str, int], float]:
    """Mix phases so that their anions are those of the electrolyte, as a full reaction would.

    Returns
    -------
    composition
        Atoms of each element, about `n_atoms` in all, whole formula units of every phase that takes part.
    volume_per_atom_angstrom3
        Of the phases together, as crystals.

    Raises
    ------
    StructureError
        No mixture has such anions.
    """
    elements = sorted(set(electrolyte) - set(mobile))
    names = list(phases)
    units = [_unit(phases[name]) for name in names]
    table = np.array([[unit.get(e, 0) for unit in units] for e in elements], dtype=float)
    wanted = np.array([electrolyte[e] for e in elements], dtype=float)
    amounts, missed = nnls(table, wanted)
    if not amounts.any() or missed > 0.7 * np.linalg.norm(wanted):
        raise StructureError(
            f"{', '.join(names)} have not the anions of the electrolyte ({', '.join(elements)}); add phases that do"
        )
    sizes = np.array([sum(unit.values()) for unit in units], dtype=float)
    whole = np.where(amounts > 0, np.maximum(1, np.rint(amounts * n_atoms / (amounts @ sizes))), 0).astype(
        int
    )
    composition: dict[str, int] = {}
    volume = 0.0
    for name, unit, n in zip(names, units, whole.tolist(), strict=True):
        for symbol, count in unit.items():
            composition[symbol] = composition.get(symbol, 0) + n * count
        volume += n * sum(unit.values()) * phases[name].get_volume() / len(phases[name])
    composition = {symbol: n for symbol, n in sorted(composition.items()) if n}
    return composition, volume / sum(composition.values())


def packed(composition: Mapping[str, int], volume_per_atom_angstrom3: float, seed: int) -> Atoms:
    """Return a cube of atoms at random, none too close, to be melted.

    Raises
    ------
    OverlappingAtomsError
        An atom finds no place.
    """
    return soft_push_off(
        random_packing(composition, seed, volume_per_atom_angstrom3=EXPANSION * volume_per_atom_angstrom3)
    )


def with_foreign_anion(crystal: Atoms, host: str, guest: str, mobile: str, seed: int) -> Atoms:
    """Put a guest in the place of one anion, and mobile cations where charge asks for them.

    Charges are the lowest usual oxidation states (P -3, S -2). Cations that are added go into the largest holes; those
    that are too many are the nearest to the guest.

    Raises
    ------
    StructureError
        The crystal has no such anion.
    """
    atoms = Atoms(crystal.numbers, crystal.positions, cell=crystal.cell, pbc=True)
    sites = np.flatnonzero(atoms.numbers == atomic_numbers[host])
    if not len(sites):
        raise StructureError(f"{crystal.get_chemical_formula()} has no {host} that {guest} could replace")
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


def layered(
    crystal: Atoms,
    metal: Atoms,
    molten: Mapping[str, int],
    molten_volume_per_atom_angstrom3: float,
    seed: int,
    *,
    least_width_angstrom: float = LEAST_WIDTH_ANGSTROM,
    crystal_angstrom: float = LAYER_ANGSTROM,
    metal_angstrom: float = LAYER_ANGSTROM,
) -> tuple[Atoms, NDArray[np.str_]]:
    """Stack a crystal, a packing of the mixture and a packing of the electrode in one cell, periodic along its c.

    Atoms of the crystal are held by a `FixAtoms`, for the time of melting the rest.

    Parameters
    ----------
    crystal
        The phase; its primitive cell is repeated.
    metal
        The electrode's crystal, for its composition and density.
    molten, molten_volume_per_atom_angstrom3
        Composition of the packing and its density as crystals; taken once or more, as the cell's width asks for.
    seed
        Of the packing.
    least_width_angstrom, crystal_angstrom, metal_angstrom
        Smallest width of the cell across the normal, and smallest thicknesses, Å.

    Returns
    -------
    atoms, parts
        The slab, and ``crystal``, ``molten`` or ``metal`` for each atom, (n_atoms,).

    Raises
    ------
    OverlappingAtomsError
        An atom finds no place.
    """
    layers = _layers(
        crystal,
        metal,
        molten,
        molten_volume_per_atom_angstrom3,
        least_width_angstrom,
        crystal_angstrom,
        metal_angstrom,
    )
    block, normal, height = layers.block, layers.normal, layers.height_angstrom
    parts = ["crystal"] * len(block)
    whole = block.cell[:].copy()
    whole[2] += (layers.melt_angstrom + layers.metal_angstrom) * normal
    atoms = Atoms(block.numbers, block.positions, cell=whole, pbc=True)
    rng = np.random.default_rng(seed)
    for name, composition, low, thick in (
        ("molten", layers.melt, height, layers.melt_angstrom),
        ("metal", layers.metal, height + layers.melt_angstrom, layers.metal_angstrom),
    ):
        kinds = [atomic_numbers[s] for s, n in composition.items() for _ in range(n)]
        for number in rng.permutation(kinds).tolist():
            atoms = _with_one_more(atoms, number, low, thick, normal, rng)
            parts.append(name)
    pushed = soft_push_off(atoms)
    pushed.positions[: len(block)] = block.positions
    pushed.set_constraint(FixAtoms(range(len(block))))
    return pushed, np.array(parts)


def n_layered(
    crystal: Atoms, metal: Atoms, molten: Mapping[str, int], molten_volume_per_atom_angstrom3: float
) -> int:
    """Return how many atoms `layered` stacks by default."""
    layers = _layers(
        crystal,
        metal,
        molten,
        molten_volume_per_atom_angstrom3,
        LEAST_WIDTH_ANGSTROM,
        LAYER_ANGSTROM,
        LAYER_ANGSTROM,
    )
    return len(layers.block) + sum(layers.melt.values()) + sum(layers.metal.values())


@dataclass(frozen=True)
class _Layers:
    """A block of crystal, and the packings above it."""

    block: Atoms
    normal: NDArray[np.floating]
    height_angstrom: float
    melt: Mapping[str, int]
    melt_angstrom: float
    metal: Mapping[str, int]
    metal_angstrom: float


def _layers(
    crystal: Atoms,
    metal: Atoms,
    molten: Mapping[str, int],
    molten_volume_per_atom_angstrom3: float,
    least_width_angstrom: float,
    crystal_angstrom: float,
    metal_angstrom: float,
) -> _Layers:
    cell = smallest_cell(crystal)
    lengths = cell.cell.lengths()
    plane = float(np.linalg.norm(np.cross(cell.cell[0], cell.cell[1])))
    across = (plane / lengths[1], plane / lengths[0], cell.cell.volume / plane)
    least = (least_width_angstrom, least_width_angstrom, crystal_angstrom)
    repeats = [math.ceil(wanted / there) for wanted, there in zip(least, across, strict=True)]
    block = cell * tuple(repeats)
    normal = np.cross(block.cell[0], block.cell[1])
    area = float(np.linalg.norm(normal))
    normal /= area
    block.wrap()
    n_metal = max(1, round(area * metal_angstrom * len(metal) / metal.get_volume()))
    metal_angstrom = n_metal * metal.get_volume() / len(metal) / area
    n_copies = max(
        1, round(area * metal_angstrom / (molten_volume_per_atom_angstrom3 * sum(molten.values())))
    )
    melt = {symbol: n_copies * n for symbol, n in molten.items()}
    symbols = sorted(set(metal.get_chemical_symbols()))
    share = [metal.get_chemical_symbols().count(s) / len(metal) for s in symbols]
    return _Layers(
        block=block,
        normal=normal,
        height_angstrom=float(block.cell[2] @ normal),
        melt=melt,
        melt_angstrom=EXPANSION * molten_volume_per_atom_angstrom3 * sum(melt.values()) / area,
        metal={s: max(1, round(f * n_metal)) for s, f in zip(symbols, share, strict=True)},
        metal_angstrom=metal_angstrom,
    )


def _unit(atoms: Atoms) -> dict[str, int]:
    counts = {s: atoms.get_chemical_symbols().count(s) for s in sorted(set(atoms.get_chemical_symbols()))}
    divisor = math.gcd(*counts.values())
    return {symbol: n // divisor for symbol, n in counts.items()}


def _lowest_charge(symbol: str) -> int:
    return int(min(Element(symbol).common_oxidation_states, default=0))


def _largest_hole(atoms: Atoms, near: NDArray[np.floating]) -> NDArray[np.floating]:
    """Place that is farthest from all atoms; of equals, the nearest to a point."""
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
    """Shortest distances to images in the neighbouring cells, (n_first, n_second), Å."""
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ np.asarray(
        cell
    )
    nearest = np.full((len(first), len(second)), np.inf)
    for shift in shifts:
        nearest = np.minimum(nearest, np.linalg.norm(first[:, None] - second[None] - shift, axis=-1))
    return nearest


def _with_one_more(
    atoms: Atoms,
    number: int,
    low: float,
    thick: float,
    normal: NDArray[np.floating],
    rng: np.random.Generator,
) -> Atoms:
    cell = atoms.cell[:]
    one = Atoms([number])
    symbols = {*atoms.get_chemical_symbols(), *one.get_chemical_symbols()}
    allowed = pair_distances_angstrom(symbols, PACKING_FRACTION)
    mine = one.get_chemical_symbols()[0]
    least = np.array([allowed[min(mine, s), max(mine, s)] for s in atoms.get_chemical_symbols()])
    for _ in range(TRIES):
        across = rng.random(2)
        place = across[0] * cell[0] + across[1] * cell[1]
        # heights alone decide which layer it is in; a and b are in the plane
        place = place + (low + thick * rng.random()) * normal
        if (_distances(place[None], atoms.positions, cell)[0] >= least).all():
            return atoms + Atoms([number], positions=[place])
    raise OverlappingAtomsError(
        f"no place for atom {len(atoms)} of a slab in {TRIES} draws; try another seed"
    )
