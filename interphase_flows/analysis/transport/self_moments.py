"""Moments of the motion of single atoms: squared steps between block averages, for steps of 1, 2, 4, ... frames.

The collective displacement of a species is one number per frame for any number of atoms; the mean over its atoms is
much more precise. It shows from which step on the motion has no memory, and it gives the self part of L.

A ladder of block averages (Flyvbjerg and Petersen, J. Chem. Phys. 91, 461 (1989)) needs one pass and the memory of a
few frames: rung l holds sums over 2^l frames, computed from pairs of the rung below.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.transport.covariance_estimator import gaussian_variance

ATOMS_PER_GROUP = 128
"""Atoms of a group that are sampled, evenly spaced among its atoms."""

SCATTER_LAGS = 2
HELD_ROWS = 64
"""Averages that are passed to a rung at once."""


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
    """Return the sampled atoms, group by group."""
    chosen = []
    for group in range(n_groups):
        atoms = np.flatnonzero(labels == group)
        n = min(len(atoms), ATOMS_PER_GROUP)
        chosen.append(atoms[np.linspace(0, len(atoms) - 1, n).round().astype(np.int64)])
    return np.concatenate(chosen)


@dataclass
class _Rung:
    held: list[NDArray[np.floating]] = field(default_factory=list)
    n_held: int = 0
    last: NDArray[np.floating] | None = None
    """The last values, two of them if there are so many, which the next steps begin at."""
    is_last_paired: bool = True
    mean: list[FloatArray] = field(default_factory=list)
    squared: list[FloatArray] = field(default_factory=list)
    lagged: list[FloatArray] = field(default_factory=list)


class SelfLadder:
    """Accumulator of the moments of sampled atoms, batch by batch.

    `group_of_sample`, (n_sampled,), is the group of each sampled atom, in rising order.
    """

    def __init__(self, group_of_sample: IntArray) -> None:
        edges = [*np.flatnonzero(np.diff(group_of_sample, prepend=-1)).tolist(), len(group_of_sample)]
        self._groups = [slice(begin, end) for begin, end in pairwise(edges)]
        self._sizes = np.diff(edges)
        weights = np.repeat(np.eye(len(self._sizes)) / self._sizes, self._sizes, axis=0)
        self._weights = weights.astype(np.float32)
        self._rungs: list[_Rung] = []

    def add(self, displacements: NDArray[np.floating]) -> float:
        """Add the next frames, (n_frames, 3, n_sampled), Å; return the largest step of an atom along an axis, Å."""
        if not self._rungs:
            self._rungs.append(_Rung())
        sums, steps = self._climb(self._rungs[0], [displacements])
        self._hold(1, sums)
        return float(max(steps.max(), -steps.min())) if steps.size else 0.0

    def rungs(self) -> list[SelfRung]:
        """Return the moments by rung; rungs without steps are left out."""
        level = 1
        while level < len(self._rungs):
            self._climb_held(level)
            level += 1
        found = []
        for level, rung in enumerate(self._rungs):
            if rung.lagged:
                share = 0.5**level  # of a sum over 2^level frames
                mean, squared, lagged = (np.concatenate(each) for each in (rung.mean, rung.squared, rung.lagged))
                found.append(SelfRung(share * mean, share**2 * squared, share**2 * lagged))
        return found

    def _hold(self, level: int, values: NDArray[np.floating]) -> None:
        """Collect sums until there are enough for a rung, since many small calls are slow."""
        if level == len(self._rungs):
            self._rungs.append(_Rung())
        rung = self._rungs[level]
        rung.held.append(values)
        rung.n_held += len(values)
        if rung.n_held >= HELD_ROWS:
            self._climb_held(level)

    def _climb_held(self, level: int) -> None:
        rung = self._rungs[level]
        if rung.n_held:
            sums, _ = self._climb(rung, rung.held)
            rung.held, rung.n_held = [], 0
            self._hold(level + 1, sums)

    def _climb(
        self, rung: _Rung, values: list[NDArray[np.floating]]
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Record the steps of a rung; return the sums over pairs, for the rung above, and the steps."""
        known = 0 if rung.last is None else len(rung.last)
        points = np.concatenate(values if rung.last is None else [rung.last, *values])
        steps = points[1:] - points[:-1]
        begin = max(known - 1, 0)
        new = steps[begin:]
        if len(new):
            rung.mean.append(np.diff(self._mean(points[begin:]), axis=0))
            rung.squared.append(self._mean_product(new, new))
        if len(steps) > 1:
            rung.lagged.append(self._mean_product(steps[:-1], steps[1:]))
        unpaired = points[known if rung.is_last_paired else known - 1 :]
        n_pairs = len(unpaired) // 2
        rung.is_last_paired = len(unpaired) % 2 == 0
        rung.last = points[-2:].copy()
        return unpaired[0 : 2 * n_pairs : 2] + unpaired[1 : 2 * n_pairs : 2], new

    def _mean(self, values: NDArray[np.floating]) -> FloatArray:
        """Average over the atoms of each group: (n, 3, n_sampled) -> (n, n_groups, 3)."""
        means = values.reshape(-1, values.shape[2]) @ self._weights.astype(values.dtype)
        return np.swapaxes(means.reshape(len(values), 3, -1), 1, 2)

    def _mean_product(self, first: NDArray[np.floating], second: NDArray[np.floating]) -> FloatArray:
        """Average the product over the atoms of each group: (n, 3, n_sampled) twice -> (n, n_groups, 3)."""
        sums = [np.vecdot(first[:, :, group], second[:, :, group]) for group in self._groups]
        return np.stack(sums, axis=1) / self._sizes[:, None]


def self_diffusion_angstrom2_per_ps(
    rung: SelfRung,
    *,
    counts: IntArray,
    step_ps: float,
    axes: Sequence[int],
) -> tuple[FloatArray, FloatArray]:
    """Return D* of each group and its standard error, Å²/ps, averaged over some axes, by the covariance estimator.

    D*_i = [<D_n²> + 2 <D_n D_n+1>] / (2 d tau) about the drift, averaged over sampled atoms and time. The self part of
    the Onsager coefficient is N_i D*_i / (kB T V); the rest of L_ii is the distinct part. The error is that of the time
    average: the larger of the scatter of the terms from step to step and the value for independent Gaussian atoms. It
    does not contain the choice of the sampled atoms, which matters where mobile and immobile atoms of one species
    coexist and there are more than `ATOMS_PER_GROUP` of them.

    `rung` holds the moments of single atoms for this step, drift included; `counts` the atoms of each group,
    (n_groups,).
    """
    columns = list(axes)
    about_drift = rung.without_drift()
    squared = about_drift.squared_angstrom2[:, :, columns].sum(axis=2)
    lagged = about_drift.lagged_angstrom2[:, :, columns].sum(axis=2)
    n = len(squared)
    sampled = np.minimum(counts, ATOMS_PER_GROUP)
    # corrects for the subtracted drift, as for the collective steps, where atoms are independent
    unbias = 1.0 / (1.0 - 3.0 / (n * sampled)) if n > 3 else 1.0
    scale = 1.0 / (2.0 * len(columns) * step_ps)
    value = scale * unbias * (squared.mean(axis=0) + 2.0 * lagged.mean(axis=0))
    zero, one = (about_drift.squared_angstrom2[:, :, columns], about_drift.lagged_angstrom2[:, :, columns])
    of_gauss = gaussian_variance(zero.mean(axis=0), one.mean(axis=0), sampled[:, None]).sum(axis=1)
    error = _error_of_mean(squared[:-1] + 2.0 * lagged, of_gauss)
    return value, scale * error


def mean_moments(
    rung: SelfRung, n_atoms: IntArray, axes: Sequence[int]
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return <D_n²> and <D_n D_n+1> about the drift, per axis, and their standard errors, (n_groups,) each, Å²."""
    columns = list(axes)
    about_drift = rung.without_drift()
    squared = about_drift.squared_angstrom2[:, :, columns].mean(axis=2)
    lagged = about_drift.lagged_angstrom2[:, :, columns].mean(axis=2)
    zero, one = squared.mean(axis=0), lagged.mean(axis=0)
    n = n_atoms * len(columns)
    zero_error = _error_of_mean(squared, 2.0 * (zero**2 + 2.0 * one**2) / n)
    return zero, one, zero_error, _error_of_mean(lagged, (zero**2 + 3.0 * one**2) / n)


def _error_of_mean(terms: FloatArray, of_gauss: FloatArray) -> FloatArray:
    """Return the standard error of the mean of terms, (n, n_groups), at least that of Gaussian atoms."""
    apart = terms - terms.mean(axis=0)
    of_scatter = (apart * apart).mean(axis=0)
    for lag in range(1, min(SCATTER_LAGS, len(apart) - 1) + 1):
        of_scatter = of_scatter + 2.0 * (apart[lag:] * apart[:-lag]).mean(axis=0)
    return np.sqrt(np.maximum(of_scatter, of_gauss) / len(terms))
