"""Strained, scaled and rattled supercells: structures near equilibrium for an initial training set."""

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from interphase_flows.exceptions import OverlappingAtomsError, StructureError
from interphase_flows.structures.checks import check_has_cell, check_no_overlap
from interphase_flows.structures.crystals.symmetry import primitive_cell

MAX_TRIES = 50
WALKER_ATOMS = 40
"""Smallest number of atoms of the crystals that walkers start from."""


def repeated(atoms: Atoms, min_atoms: int) -> Atoms:
    """Return a supercell of at least `min_atoms` atoms; the shortest vector is repeated first."""
    check_has_cell(atoms, "repeated")
    repeats = np.ones(3, dtype=int)
    lengths = atoms.cell.lengths()
    while len(atoms) * repeats.prod() < min_atoms:
        repeats[np.argmin(lengths * repeats)] += 1
    return atoms.repeat(tuple(int(n) for n in repeats))


def walker_supercell(crystal: Atoms, min_atoms: int) -> Atoms:
    """Return the perfect supercell that a walker starts from, of at least ``min_atoms`` atoms.

    Vector a is along x and b in the xy plane, which a barostat along z needs. Its frames are labelled, so the primitive
    cell of a large crystal is enough.
    """
    smallest = primitive_cell(crystal) if len(crystal) > min_atoms else crystal
    supercell = repeated(smallest, min_atoms)
    supercell.set_cell(supercell.cell.standard_form()[0], scale_atoms=True)
    return supercell


def strained_and_rattled(
    atoms: Atoms,
    n: int,
    max_strain: float,
    rattle_angstrom: float,
    seed: int,
    min_atoms: int = 1,
) -> list[Atoms]:
    """Return copies of a crystal with random strains and Gaussian displacements.

    The six components of the symmetric strain, volume changes included, are drawn uniformly from ±`max_strain` for
    each copy. Displacements have a standard deviation of `rattle_angstrom` per component. The crystal is first
    repeated to at least `min_atoms` atoms. The first k copies of a seed do not depend on `n`.

    Raises
    ------
    StructureError
        If a parameter is out of range, or `atoms` has no cell.
    OverlappingAtomsError
        If 50 draws of one copy all overlap: the rattle is too large.
    """
    if n < 0 or not 0.0 <= max_strain < 0.3 or rattle_angstrom < 0.0:
        raise StructureError(
            f"strained_and_rattled: n={n}, max_strain={max_strain}, rattle_angstrom={rattle_angstrom}; "
            "required: n >= 0, 0 <= max_strain < 0.3 and rattle_angstrom >= 0"
        )
    rng = np.random.default_rng(seed)
    crystal = repeated(atoms, min_atoms)
    return [_one_copy(crystal, max_strain, rattle_angstrom, rng) for _ in range(n)]


def _one_copy(crystal: Atoms, max_strain: float, rattle_angstrom: float, rng: np.random.Generator) -> Atoms:
    rows, columns = np.triu_indices(3)
    for _ in range(MAX_TRIES):
        strain = np.zeros((3, 3))
        strain[rows, columns] = strain[columns, rows] = rng.uniform(-max_strain, max_strain, 6)
        copy = Atoms(crystal.numbers, positions=crystal.positions, cell=crystal.cell, pbc=True)
        copy.set_cell(crystal.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        copy.positions += rng.normal(0.0, rattle_angstrom, (len(copy), 3))
        try:
            check_no_overlap(copy, where="strained_and_rattled")
        except OverlappingAtomsError as error:
            last = error
            continue
        return copy
    raise OverlappingAtomsError(
        f"strained_and_rattled: {MAX_TRIES} draws overlap with max_strain={max_strain}, "
        f"rattle_angstrom={rattle_angstrom}. Hint: lower them. Last overlap: {last}"
    )


def linear_strains(n_volumes: int, max_strain: float) -> list[float]:
    """Return linear strains evenly from ``-max_strain`` to ``max_strain``; a single one is ``max_strain``."""
    if n_volumes == 1:
        return [max_strain]
    return [float(strain) for strain in np.linspace(-max_strain, max_strain, n_volumes)]


def equation_of_state(atoms: Atoms, n_volumes: int, max_strain: float, min_atoms: int = 1) -> list[Atoms]:
    """Return isotropically scaled cells of a crystal, densest first.

    The crystal is first repeated to at least `min_atoms` atoms. Lengths are strained by `linear_strains`, so an odd
    number of volumes includes the unstrained crystal; the volume changes by about three times `max_strain`. Fractional
    coordinates and symmetry are those of `atoms`; ``info["linear_strain"]`` is the strain.

    Raises
    ------
    StructureError
        A parameter is out of range, or `atoms` has no cell.
    OverlappingAtomsError
        Atoms overlap in the densest cell.
    """
    if n_volumes < 0 or not 0.0 < max_strain < 0.3:
        raise StructureError(
            f"equation_of_state: n_volumes={n_volumes}, max_strain={max_strain}; required: n_volumes >= 0 and "
            "0 < max_strain < 0.3"
        )
    crystal = repeated(atoms, min_atoms)
    cells = []
    for strain in linear_strains(n_volumes, max_strain):
        scaled = Atoms(crystal.numbers, positions=crystal.positions, cell=crystal.cell, pbc=True)
        scaled.set_cell(crystal.cell.array * (1.0 + strain), scale_atoms=True)
        check_no_overlap(scaled, where=f"equation_of_state, strain {strain:.3f}")
        scaled.info["linear_strain"] = strain
        cells.append(scaled)
    return cells


def rattled_at_volumes(
    atoms: Atoms,
    n_volumes: int,
    max_strain: float,
    n_per_volume: int,
    max_rattle_fraction: float,
    min_atoms: int,
    seed: int,
) -> list[Atoms]:
    """Return rattled copies of the cells of `equation_of_state`, ``n_per_volume`` of each.

    Displacements are Gaussian. Their standard deviation per component, ``info["rattle_angstrom"]``, ranges from a third
    of `max_rattle_fraction` to it, relative to the smallest distance in the crystal, in random order over the copies.
    Atoms of lithium at 300 K have about 0.08.

    Raises
    ------
    StructureError, OverlappingAtomsError
        As `equation_of_state` and `strained_and_rattled`.
    """
    cells = equation_of_state(atoms, n_volumes, max_strain, min_atoms) * n_per_volume
    if not cells:
        return []
    rng = np.random.default_rng(seed)
    distance = float(neighbor_list("d", atoms, 6.0).min())
    sizes = rng.permutation(np.linspace(max_rattle_fraction / 3, max_rattle_fraction, len(cells))) * distance
    copies = []
    for cell, size in zip(cells, sizes, strict=True):
        copy = _one_copy(cell, 0.0, float(size), rng)
        copy.info = cell.info | {"rattle_angstrom": float(size)}
        copies.append(copy)
    return copies
