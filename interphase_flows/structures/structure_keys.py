"""Content hash of a structure, independent of float noise, file format and wrapping."""

import hashlib

import numpy as np
from ase import Atoms

from interphase_flows.exceptions import StructureError
from interphase_flows.structures.checks import check_finite

POSITION_GRID_ANGSTROM = 1.03e-7
"""Upper bound of the grid step for positions; not round, so that no round length lies on a boundary."""

CELL_GRID_ANGSTROM = 1e-7
_CELL_OFFSET = 0.2718  # keeps cells written with eight decimals away from grid boundaries


def structure_key(atoms: Atoms) -> str:
    """Return the content hash of species, cell, positions and periodicity: 32 hexadecimal digits of SHA-256.

    The key ignores float noise far below 1e-8 Å, the sign of zero, data types, lattice translations of atoms
    along periodic directions (fractions of 1 - 1e-10 and 0 agree), ``info``, the calculator and extra arrays.
    It changes if an atom or the cell moves by 1e-6 Å, and with the *order* of atoms, since forces are stored
    in that order.

    Fractional coordinates are rounded to a grid of 2**k points per cell vector, with k such that a step is
    below 1.03e-7 Å, modulo 2**k along periodic directions. Simple fractions lie at or near grid points. As
    with any rounding, a coordinate perturbed by d Å changes its grid point with probability d / 1e-7: about
    1e-7 for the last bit of a float, 0.1 for 1e-8 Å. Write positions with all digits to get the same key.

    Raises
    ------
    StructureError
        If a coordinate is not finite or the cell is flat.
    """
    check_finite(atoms, "structure_key")
    cell = np.asarray(atoms.cell.complete().array, dtype=np.float64)
    lengths = np.linalg.norm(cell, axis=1)
    if abs(np.linalg.det(cell)) < 1e-6 * lengths.prod():
        raise StructureError(
            f"structure_key: the cell is flat: {cell.tolist()}. Hint: give three linearly independent vectors"
        )
    steps = np.ldexp(1.0, np.ceil(np.log2(lengths / POSITION_GRID_ANGSTROM)).astype(int))
    fractions = np.asarray(atoms.positions, dtype=np.float64) @ np.linalg.inv(cell)
    grid = np.rint(fractions * steps).astype(np.int64)
    pbc = np.asarray(atoms.pbc, dtype=bool)
    grid[:, pbc] %= steps[pbc].astype(np.int64)

    digest = hashlib.sha256(b"interphase_flows structure key 1\n")
    digest.update(np.asarray(atoms.numbers, dtype="<i8").tobytes())
    digest.update(pbc.astype(np.uint8).tobytes())
    cell_grid = np.floor(atoms.cell.array.astype(np.float64) / CELL_GRID_ANGSTROM + 0.5 + _CELL_OFFSET)
    digest.update(cell_grid.astype("<i8").tobytes())
    digest.update(grid.astype("<i8").tobytes())
    return digest.hexdigest()[:32]
