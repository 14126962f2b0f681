"""How single atoms move: squared displacements of block averages, for every step that is a power of two.

The collective displacement of a species is one number per frame however many atoms there are; the mean over
its atoms is known far better. It says from which step on motion has no memory, and it is the self part of L.

A ladder of block averages (Flyvbjerg and Petersen, J. Chem. Phys. 91, 461 (1989)) needs one pass and the memory
of a few frames: rung l holds averages over 2^l frames, made from pairs of the rung below.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.frames import FloatArray, IntArray

ATOMS_PER_GROUP = 128
"""Atoms of a group that are followed one by one, evenly spaced among its atoms."""


@dataclass(frozen=True)
class SelfRung:
    """Moments of the steps between block averages of one length, averaged over the atoms of each group."""

    mean_angstrom: FloatArray
    """(n_steps, n_groups, 3), D_n along each axis, Å."""
    squared_angstrom2: FloatArray
    """(n_steps, n_groups, 3), D_n² along each axis, Å²."""
    lagged_angstrom2: FloatArray
    """(n_steps - 1, n_groups, 3), D_n D_n+1 along each axis, Å²."""

    def of_groups(self, groups: IntArray) -> "SelfRung":
        """Return the moments of some groups."""
        return SelfRung(
            self.mean_angstrom[:, groups], self.squared_angstrom2[:, groups], self.lagged_angstrom2[:, groups]
        )

    def without_drift(self) -> "SelfRung":
        """Return the moments about the mean over all steps of each group."""
        drift = self.mean_angstrom.mean(axis=0)
        mean = self.mean_angstrom - drift
        squared = self.squared_angstrom2 - 2.0 * drift * mean - drift**2
        lagged = self.lagged_angstrom2 - drift * (mean[1:] + mean[:-1]) - drift**2
        return SelfRung(mean, squared, lagged)


def sampled_atoms(labels: IntArray, n_groups: int) -> IntArray:
    """Return the atoms that are followed, group by group."""
    chosen = []
    for group in range(n_groups):
        atoms = np.flatnonzero(labels == group)
        n = min(len(atoms), ATOMS_PER_GROUP)
        chosen.append(atoms[np.linspace(0, len(atoms) - 1, n).round().astype(np.int64)])
    return np.concatenate(chosen)


@dataclass
class _Rung:
    previous: NDArray[np.floating] | None = None
    last_step: NDArray[np.floating] | None = None
    unpaired: NDArray[np.floating] | None = None
    mean: list[FloatArray] = field(default_factory=list)
    squared: list[FloatArray] = field(default_factory=list)
    lagged: list[FloatArray] = field(default_factory=list)


class SelfLadder:
    """Takes displacements of sampled atoms, batch by batch, and keeps their moments.

    Parameters
    ----------
    group_of_sample
        Group of each sampled atom, in rising order, (n_sampled,).
    """

    def __init__(self, group_of_sample: IntArray) -> None:
        self._starts = np.flatnonzero(np.diff(group_of_sample, prepend=-1))
        self._sizes = np.diff(np.append(self._starts, len(group_of_sample)))
        self._rungs: list[_Rung] = []

    def add(self, displacements: NDArray[np.floating]) -> float:
        """Add frames that follow those before: (n_frames, 3, n_sampled), Å.

        Returns
        -------
        largest_step_angstrom
            Of an atom along an axis between two of these frames, or since the last frame before.
        """
        level, largest = 0, 0.0
        while len(displacements):
            if level == len(self._rungs):
                self._rungs.append(_Rung())
            displacements, step = self._climb(self._rungs[level], displacements)
            largest = largest if level else step
            level += 1
        return largest

    def rungs(self) -> list[SelfRung]:
        """Return the moments by rung; the last rungs have few steps, or none and are left out."""
        return [
            SelfRung(np.concatenate(rung.mean), np.concatenate(rung.squared), np.concatenate(rung.lagged))
            for rung in self._rungs
            if rung.lagged
        ]

    def _climb(self, rung: _Rung, values: NDArray[np.floating]) -> tuple[NDArray[np.floating], float]:
        """Record the steps of a rung; return the averages over pairs, for the rung above, and the largest step."""
        points = values if rung.previous is None else np.concatenate([rung.previous[None], values])
        steps = np.diff(points, axis=0)
        rung.previous = values[-1]
        largest = 0.0
        if len(steps):
            rung.mean.append(np.diff(self._mean(points), axis=0))
            squares = steps * steps
            largest = float(np.sqrt(squares.max()))
            rung.squared.append(self._mean(squares))
            if rung.last_step is not None:
                rung.lagged.append(self._mean(rung.last_step * steps[:1]))
            if len(steps) > 1:
                rung.lagged.append(self._mean(steps[:-1] * steps[1:]))
            rung.last_step = steps[-1]
        pairs = values if rung.unpaired is None else np.concatenate([rung.unpaired[None], values])
        n_pairs = len(pairs) // 2
        rung.unpaired = pairs[-1] if len(pairs) % 2 else None
        half = values.dtype.type(0.5)
        return half * (pairs[0 : 2 * n_pairs : 2] + pairs[1 : 2 * n_pairs : 2]), largest

    def _mean(self, values: NDArray[np.floating]) -> FloatArray:
        """Average over the atoms of each group: (n, 3, n_sampled) -> (n, n_groups, 3)."""
        return np.swapaxes(np.add.reduceat(values, self._starts, axis=2) / self._sizes, 1, 2)
