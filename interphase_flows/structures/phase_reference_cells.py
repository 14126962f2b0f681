"""Cells for the reference runs of the phase classifier: substituted crystals, packings, layered cells.

The caller states which elements are mobile and which form anions.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms
from ase.data import atomic_numbers, chemical_symbols
from ase.formula import Formula
from numpy.typing import NDArray
from pymatgen.core import Element
from scipy.optimize import nnls

from interphase_flows.exceptions import OverlappingAtomsError, StructureError
from interphase_flows.structures.amorphous.mixtures import random_packing, reduced_formula, remove_overlaps
from interphase_flows.structures.checks import pair_distances_angstrom
from interphase_flows.structures.crystals.symmetry import primitive_cell

MELT_EXPANSION = 1.1
"""Volume of a melt relative to its crystals."""
PACKING_FRACTION = 0.75
"""Smallest initial distance in a packing, as a fraction of the sum of the covalent radii."""
MAX_DRAWS = 3000
HOLE_GRID_ANGSTROM = 0.4
MIN_WIDTH_ANGSTROM, LAYER_ANGSTROM = 6.9, 7.0
"""Smallest width of a layered cell, and smallest thickness of its crystal and its metal."""


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


def layered_cell(
    crystal: Atoms,
    metal: Atoms,
    molten: Mapping[str, int],
    molten_volume_per_atom_angstrom3: float,
    seed: int,
) -> tuple[Atoms, NDArray[np.str_]]:
    """Stack a crystal, a packing of the mixture and a packing of the electrode along c of one periodic cell.

    The primitive cell of the crystal is repeated; `molten` and its volume per atom as crystals are repeated to fill the
    width; the electrode has composition and density of `metal`. A `FixAtoms` constrains the atoms of the crystal while
    the rest is melted. The second value is ``crystal``, ``molten`` or ``metal`` for each atom, (n_atoms,).

    Raises
    ------
    OverlappingAtomsError
        An atom cannot be placed.
    """
    layers = _layers(crystal, metal, molten, molten_volume_per_atom_angstrom3)
    block, normal, height = layers.block, layers.normal, layers.height_angstrom
    parts = ["crystal"] * len(block)
    cell = block.cell[:].copy()
    cell[2] += (layers.melt_angstrom + layers.metal_angstrom) * normal
    atoms = Atoms(block.numbers, block.positions, cell=cell, pbc=True)
    rng = np.random.default_rng(seed)
    for name, composition, low, thick in (
        ("molten", layers.melt, height, layers.melt_angstrom),
        ("metal", layers.metal, height + layers.melt_angstrom, layers.metal_angstrom),
    ):
        kinds = [atomic_numbers[s] for s, n in composition.items() for _ in range(n)]
        for number in rng.permutation(kinds).tolist():
            atoms = _add_atom(atoms, number, low, thick, normal, rng)
            parts.append(name)
    relaxed = remove_overlaps(atoms)
    relaxed.positions[: len(block)] = block.positions
    relaxed.set_constraint(FixAtoms(range(len(block))))
    return relaxed, np.array(parts)


def n_atoms_of_layered_cell(
    crystal: Atoms, metal: Atoms, molten: Mapping[str, int], molten_volume_per_atom_angstrom3: float
) -> int:
    """Return the number of atoms of `layered_cell`."""
    layers = _layers(crystal, metal, molten, molten_volume_per_atom_angstrom3)
    return len(layers.block) + sum(layers.melt.values()) + sum(layers.metal.values())


@dataclass(frozen=True)
class _Layers:
    """A block of crystal and the compositions and thicknesses of the packings above it."""

    block: Atoms
    normal: NDArray[np.floating]
    height_angstrom: float
    melt: Mapping[str, int]
    melt_angstrom: float
    metal: Mapping[str, int]
    metal_angstrom: float


def _layers(
    crystal: Atoms, metal: Atoms, molten: Mapping[str, int], molten_volume_per_atom_angstrom3: float
) -> _Layers:
    cell = primitive_cell(crystal)
    lengths = cell.cell.lengths()
    plane = float(np.linalg.norm(np.cross(cell.cell[0], cell.cell[1])))
    across = (plane / lengths[1], plane / lengths[0], cell.cell.volume / plane)
    minimum = (MIN_WIDTH_ANGSTROM, MIN_WIDTH_ANGSTROM, LAYER_ANGSTROM)
    repeats = [math.ceil(smallest / width) for smallest, width in zip(minimum, across, strict=True)]
    block = cell * tuple(repeats)
    normal = np.cross(block.cell[0], block.cell[1])
    area = float(np.linalg.norm(normal))
    normal /= area
    block.wrap()
    n_metal = max(1, round(area * LAYER_ANGSTROM * len(metal) / metal.get_volume()))
    metal_angstrom = n_metal * metal.get_volume() / len(metal) / area
    n_copies = max(1, round(area * metal_angstrom / (molten_volume_per_atom_angstrom3 * sum(molten.values()))))
    melt = {symbol: n_copies * n for symbol, n in molten.items()}
    symbols = sorted(set(metal.get_chemical_symbols()))
    share = [metal.get_chemical_symbols().count(s) / len(metal) for s in symbols]
    return _Layers(
        block=block,
        normal=normal,
        height_angstrom=float(block.cell[2] @ normal),
        melt=melt,
        melt_angstrom=MELT_EXPANSION * molten_volume_per_atom_angstrom3 * sum(melt.values()) / area,
        metal={s: max(1, round(f * n_metal)) for s, f in zip(symbols, share, strict=True)},
        metal_angstrom=metal_angstrom,
    )


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


def _add_atom(
    atoms: Atoms,
    number: int,
    low: float,
    thick: float,
    normal: NDArray[np.floating],
    rng: np.random.Generator,
) -> Atoms:
    cell = atoms.cell[:]
    symbol = chemical_symbols[number]
    symbols = {*atoms.get_chemical_symbols(), symbol}
    allowed = pair_distances_angstrom(symbols, PACKING_FRACTION)
    distances = np.array([allowed[min(symbol, s), max(symbol, s)] for s in atoms.get_chemical_symbols()])
    for _ in range(MAX_DRAWS):
        across = rng.random(2)
        place = across[0] * cell[0] + across[1] * cell[1]
        # a and b lie in the plane, so the height alone selects the layer
        place = place + (low + thick * rng.random()) * normal
        if (_distances(place[None], atoms.positions, cell)[0] >= distances).all():
            return atoms + Atoms([number], positions=[place])
    raise OverlappingAtomsError(
        f"atom {len(atoms)} of a layered cell could not be placed in {MAX_DRAWS} draws. Hint: try another seed"
    )
