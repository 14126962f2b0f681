"""Spherical grains of a crystal, turned at random, in a glass: composites whose phases are known atom by atom.

Grain and glass are cut out of thermal runs; glass atoms that overlap with the grain are removed.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from interphase_flows.analysis.geometry.frames import ArrayFrames

LITHIUM = 3
OVERLAP_ANGSTROM = {(True, True): 2.2, (True, False): 2.1, (False, False): 3.2}
"""Shortest distance of a glass atom from the grain, by whether either atom is lithium."""
MARGIN_ANGSTROM = 14.0
"""Thickness of the glass between a grain and its periodic image."""


class Composite(NamedTuple):
    """A grain in a glass."""

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    is_grain: np.ndarray
    """(n_atoms,), atoms of the grain."""


def sphere(run: ArrayFrames, frame: int, diameter: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and positions of a sphere of a crystal around a random place, turned at random, centre at 0."""
    cell = np.asarray(run.cell(frame))
    inverse = np.linalg.inv(cell)
    n = np.ceil(0.5 * diameter * np.linalg.norm(inverse, axis=0)).astype(int) + 1
    shifts = np.stack(np.meshgrid(*(np.arange(-k, k + 1) for k in n), indexing="ij"), axis=-1).reshape(-1, 3)
    fractions = (run.positions(frame) @ inverse) % 1.0 - rng.random(3)
    places = (fractions[None] + shifts[:, None]).reshape(-1, 3) @ cell
    numbers = np.tile(run.numbers, len(shifts))
    inside = np.linalg.norm(places, axis=1) < 0.5 * diameter
    return numbers[inside], places[inside] @ Rotation.random(random_state=rng).as_matrix().T


def composite(crystal: ArrayFrames, glass: ArrayFrames, diameter: float, seed: int) -> Composite:
    """Return a grain in the middle of a glass of repeated cells, both in a random frame of their run."""
    rng = np.random.default_rng(seed)
    numbers, grain = sphere(crystal, int(rng.integers(crystal.n_frames)), diameter, rng)
    frame = int(rng.integers(glass.n_frames))
    unit = np.asarray(glass.cell(frame))
    repeats = np.ceil((diameter + MARGIN_ANGSTROM) / np.linalg.norm(unit, axis=1)).astype(int)
    cell = unit * repeats[:, None]
    shifts = np.stack(np.meshgrid(*(np.arange(k) for k in repeats), indexing="ij"), axis=-1).reshape(-1, 3)
    fractions = (glass.positions(frame) @ np.linalg.inv(unit)) % 1.0
    around = (fractions[None] + shifts[:, None]).reshape(-1, 3) @ unit
    kinds = np.tile(glass.numbers, len(shifts))
    grain = grain + cell.sum(axis=0) / 2
    kept = np.ones(len(kinds), dtype=bool)
    for grain_is_li in (True, False):
        tree = cKDTree(grain[(numbers == LITHIUM) == grain_is_li])
        for glass_is_li in (True, False):
            chosen = np.flatnonzero((kinds == LITHIUM) == glass_is_li)
            nearest, _ = tree.query(around[chosen])
            kept[chosen[nearest < OVERLAP_ANGSTROM[tuple(sorted((grain_is_li, glass_is_li), reverse=True))]]] = False
    return Composite(
        np.concatenate([numbers, kinds[kept]]),
        np.concatenate([grain, around[kept]]),
        cell,
        np.arange(len(numbers) + kept.sum()) < len(numbers),
    )
