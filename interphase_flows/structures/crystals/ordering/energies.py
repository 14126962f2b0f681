"""Electrostatic energies of all orderings as one quadratic form (Ewald sum of point charges)."""

from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Lattice, Structure

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.structures.checks import distance_table_angstrom, pair_distances_angstrom

OVERLAP_ENERGY_EV = 100.0
"""Energy of two atoms that are closer than any bond, instead of their electrostatic energy."""
SEPARABLE_FRACTION, SEPARABLE_ENERGY_EV = 0.8, 2.0
"""Atoms of equal sign down to this fraction of the limit are avoided by this energy, but allowed: sites of lithium in
Li10GeP2S12 are 1.5 Å apart, and two of three are occupied. `separated` moves them."""
LARGEST_SHIFT_ANGSTROM = 0.3
SEPARATION_STEPS = 200


def unit_charge_energies(cell: FloatArray, scaled: FloatArray) -> FloatArray:
    """Return the electrostatic energy in eV of each pair of sites with charges of 1 e, shape (n_sites, n_sites).

    The energy of charges q is q·M·q if they sum to zero; the diagonal has a site with its periodic images.
    """
    structure = Structure(Lattice(cell), ["H"] * len(scaled), scaled, site_properties={"charge": [1.0] * len(scaled)})
    energies = np.asarray(EwaldSummation(structure).total_energy_matrix)
    return (energies + energies.T) / 2.0


def option_energies(
    cell: FloatArray,
    scaled: FloatArray,
    sites: IntArray,
    symbols: Sequence[str],
    charges: Mapping[str, float],
) -> FloatArray:
    """Return V with the energy x·V·x in eV of a choice x of options, each of which is an element on a site.

    Atoms of two sites closer than any bond have `OVERLAP_ENERGY_EV`: opposite charges on split sites would attract each
    other without limit.
    """
    q = np.array([charges[symbol] for symbol in symbols])
    energies = np.asarray(q[:, None] * q[None] * unit_charge_energies(cell, scaled)[np.ix_(sites, sites)])
    distances = np.asarray(Lattice(cell).get_all_distances(scaled, scaled))[np.ix_(sites, sites)]
    smallest = pair_distances_angstrom(set(symbols))
    limits = np.array([[smallest[min(a, b), max(a, b)] for b in symbols] for a in symbols])
    close = (distances < limits) & (sites[:, None] != sites[None])
    separable = close & (distances > SEPARABLE_FRACTION * limits) & (q[:, None] * q[None] > 0.0)
    energies[separable] += SEPARABLE_ENERGY_EV / 2.0
    energies[close & ~separable] = OVERLAP_ENERGY_EV / 2.0
    return energies


def separated(atoms: Atoms) -> tuple[Atoms, float]:
    """Move atoms closer than any bond apart; return a copy and the largest shift in Å.

    Atoms that would move farther than `LARGEST_SHIFT_ANGSTROM` stay overlapping.
    """
    moved = atoms.copy()
    limits = pair_distances_angstrom(set(atoms.symbols))
    table = distance_table_angstrom(limits)
    for _ in range(SEPARATION_STEPS):
        i, j, d, vectors = neighbor_list("ijdD", moved, limits)
        if not len(d):
            break
        missing = 1.01 * table[moved.numbers[i], moved.numbers[j]] - d
        shifts = np.zeros((len(moved), 3))
        np.add.at(shifts, i, -0.5 * (missing / d)[:, None] * vectors)
        if np.linalg.norm(moved.positions + shifts - atoms.positions, axis=1).max() > LARGEST_SHIFT_ANGSTROM:
            break
        moved.positions += shifts
    return moved, float(np.linalg.norm(moved.positions - atoms.positions, axis=1).max())
