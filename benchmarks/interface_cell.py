"""Build a cell of 20,000 atoms for benchmarks: layers of lithium, Li2S, Li3P and Li7P3S11.

Every layer is a supercell whose lateral vectors are nearest to those of the electrolyte and strained onto them, so that
no anion is cut. Atoms have Gaussian displacements as at 300 K.
"""

import numpy as np
from ase import Atoms
from ase.build import make_supercell

from interphase_flows.structures.crystals.library import load_phase

ELECTRODE, ELECTROLYTE = "Li", "Li7P3S11"
THICK_ANGSTROM = {ELECTRODE: 40.0, "Li2S": 24.0, "Li3P": 24.0, ELECTROLYTE: 64.0}
"""Thickness of the layers, in their order along the normal."""
LATERAL = (8, 4)
"""Cells of the electrolyte along a and b: 48 by 50 Å."""
MOVES_ANGSTROM = {3: 0.20, 15: 0.10, 16: 0.10}
"""Standard deviation of displacements per direction, by atomic number."""
GAP_ANGSTROM = 1.0


def layer(name: str, lateral: np.ndarray, thick_angstrom: float) -> Atoms:
    """Return a supercell of a crystal between two planes spanned by the lateral vectors, (2, 3)."""
    crystal = load_phase(name)
    normal = np.cross(lateral[0], lateral[1])
    wanted = np.vstack([lateral, thick_angstrom * normal / np.linalg.norm(normal)])
    multiples = np.rint(wanted @ np.linalg.inv(crystal.cell[:])).astype(int)
    block = make_supercell(crystal, multiples)
    cell = block.cell[:].copy()
    cell[:2] = lateral
    block.set_cell(cell, scale_atoms=True)
    return block


def interface_cell(thick_angstrom: dict[str, float] | None = None) -> Atoms:
    """Return the stacked layers at rest, periodic in three directions."""
    electrolyte = load_phase(ELECTROLYTE)
    lateral = electrolyte.cell[:][:2] * np.array(LATERAL)[:, None]
    normal = np.cross(lateral[0], lateral[1])
    normal /= np.linalg.norm(normal)
    parts, base = [], np.zeros(3)
    for name, thick in (thick_angstrom or THICK_ANGSTROM).items():
        block = layer(name, lateral, thick)
        block.wrap()
        block.positions += base
        base = base + block.cell[2] + GAP_ANGSTROM * normal
        parts.append(block)
    stack = sum(parts[1:], parts[0])
    stack.set_cell(np.vstack([lateral, base]))
    return stack


def moved(atoms: Atoms, generator: np.random.Generator) -> np.ndarray:
    """Return randomly displaced positions in Å, (n_atoms, 3)."""
    widths = np.array([MOVES_ANGSTROM[number] for number in atoms.numbers])
    return atoms.positions + widths[:, None] * generator.standard_normal((len(atoms), 3))
