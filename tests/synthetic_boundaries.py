"""Cells of electrode, interphase and electrolyte whose boundaries are known, in planes 0.1 Å apart."""

from collections.abc import Callable

import numpy as np

PLANE_ANGSTROM = 0.1
CELL = np.array([[12.0, 0.0, 0.0], [4.0, 13.0, 0.0], [-5.0, 6.0, 90.0]])
HEIGHT_ANGSTROM = 90.0
BULK = {3: 7, 15: 3, 16: 11}
REACTED = {3: 31, 15: 3, 16: 11}
METAL = {3: 20}
NOTHING: dict[int, int] = {}


def layers(*thick: tuple[dict[int, int], float]) -> Callable[[float], dict[int, int]]:
    """Return the composition of a plane at a height, from layers of given thickness in Å, bottom first."""

    def at(height: float) -> dict[int, int]:
        top = 0.0
        for composition, thickness in thick:
            top += thickness
            if height < top:
                return composition
        return thick[-1][0]

    return at


def planted_cell(
    at: Callable[[float], dict[int, int]], *, height: float = HEIGHT_ANGSTROM, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return numbers, fractional coordinates and the cell of planes of atoms, at random places in the planes."""
    rng = np.random.default_rng(seed)
    cell = CELL.copy()
    cell[2] *= height / HEIGHT_ANGSTROM
    n_planes = round(height / PLANE_ANGSTROM)
    numbers, heights = [], []
    for plane in range(n_planes):
        middle = (plane + 0.5) * PLANE_ANGSTROM
        for number, count in at(middle).items():
            numbers += [number] * count
            heights += [middle / height] * count
    fractions = rng.random((len(numbers), 3))
    fractions[:, 2] = heights
    return np.array(numbers), fractions, cell
