"""Model of single atoms that diffuse and vibrate, fitted to their moments: what vibration adds to a step.

Position = random walk (rate D) + vibration, a sum of processes with exponential memory (AR(1)),
<u(0) u(t)> = sum_m a_m exp(-t / tau_m), of which one may be uncorrelated from frame to frame. With g_l the covariance of
the averages of u over blocks of k frames that are l blocks apart, steps between block averages have, per axis,

    C_0 = 2 k dt D alpha_k + 2 g_0 - 2 g_1,    C_1 = 2 k dt D beta_k + 2 g_1 - g_0 - g_2,

with alpha_k and beta_k of `diffusive_lags`. The covariance estimator cancels g_0 and keeps (g_1 - g_2) / (k dt), the bias
of a step, which falls with the third power of a step longer than tau. C_0 and C_1 are linear in D and the a_m.

Memories near the length of the longest steps are hard to distinguish from diffusion, and one that is not found is a
bias. Therefore no model is selected: the amplitudes are averaged over all models with up to `MOST_MEMORIES` memories of
a grid, with weights exp(-chi²/2 - n `PENALTY`/2) shared by the models of n memories (Bayesian model averaging: Hoeting et
al., Stat. Sci. 14, 382 (1999)). Their covariance, within and between models, is the error of the bias.

Soft vibration that oscillates, <u(0) u(t)> = a exp(-t / tau) cos(omega t), is no such sum. If the models do not describe
all steps (chi² per moment above `LARGEST_CHI2_PER_MOMENT`), the shortest are left out until diffusion with uncorrelated
vibration does. Memories are not fitted to the rest: without short steps nothing limits their amplitudes, which are
positive, and their mean would be a bias. If no such model holds, the covariance is multiplied by chi² per moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.transport.covariance_estimator import diffusive_lags
from interphase_flows.analysis.transport.self_moments import SelfRung, mean_moments

PENALTY = 2.0
"""Reduction of chi² that a further memory must achieve to have the same weight, as in Akaike's criterion."""
MOST_MEMORIES = 2
MEMORIES_PER_OCTAVE = 2
LEAST_STEPS = 10
"""Minimum number of steps of a fitted rung."""
LEAST_RUNGS = 3
"""Minimum number of rungs of a fit from which steps are left out."""
LARGEST_CHI2_PER_MOMENT = 5.0
"""Largest chi² of models that describe all steps: up to 3.6 by chance for few atoms, above 100 for soft oscillations of
0.5 Å."""
LARGEST_CHI2_WITHOUT_MEMORY = 2.0
"""Largest chi² per moment of diffusion with uncorrelated vibration, where short steps are left out."""
UNCORRELATED = 0.0


@dataclass(frozen=True)
class Vibration:
    """Diffusion and vibration of the atoms of every species: squared amplitudes by memory."""

    interval_ps: float
    diffusion_angstrom2_per_ps: FloatArray
    """(n_species,), D."""
    memory_frames: FloatArray
    """(n_memories,), correlation time in frames; 0 for vibration that is uncorrelated from frame to frame."""
    squared_amplitude_angstrom2: FloatArray
    """(n_species, n_memories), Å² per axis."""
    covariance_angstrom4: FloatArray
    """(n_species, n_memories, n_memories), of the squared amplitudes."""
    shortest_step_frames: IntArray
    """(n_species,), shortest step that the model describes."""

    def lags(self, block_frames: int) -> tuple[FloatArray, FloatArray]:
        """Return what vibration adds to C_0 and C_1 of one atom, (n_species,) each, Å²."""
        zero, one = vibration_lags(block_frames, self.memory_frames)
        return self.squared_amplitude_angstrom2 @ zero, self.squared_amplitude_angstrom2 @ one

    def bias(self, block_frames: int) -> tuple[FloatArray, FloatArray]:
        """Return what vibration adds to the rate of one atom and its variance, (n_species,), Å²/ps and Å⁴/ps²."""
        zero, one = vibration_lags(block_frames, self.memory_frames)
        added = (zero + 2.0 * one) / (2.0 * block_frames * self.interval_ps)
        return self.squared_amplitude_angstrom2 @ added, added @ (self.covariance_angstrom4 @ added).T


def vibration_lags(block_frames: int, memory_frames: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return C_0 and C_1 of vibration of unit amplitude by memory, (n_memories,) each."""
    k = block_frames
    rate = 1.0 / np.maximum(memory_frames, 1e-3)
    rho = np.exp(-rate)
    # 1 - rho loses the digits on which the difference below depends
    left, faded = -np.expm1(-rate), -np.expm1(-k * rate)
    same = (k + 2.0 * rho * (k * left - faded) / left**2) / k**2
    beside = rho * (faded / left) ** 2 / k**2
    apart = beside * rho**k
    return 2.0 * (same - beside), 2.0 * beside - same - apart


def fit_vibration(
    rungs: Sequence[SelfRung], first: int, interval_ps: float, n_atoms: IntArray, axes: Sequence[int]
) -> Vibration:
    """Fit diffusion and vibration to the moments of single atoms of every species.

    `rungs` are ordered by the exponent of the step; those before `first` are left out, because motion in them may be
    ballistic. `n_atoms`, (n_species,), is the number of sampled atoms.
    """
    used = [i for i in range(first, len(rungs)) if len(rungs[i].squared_angstrom2) >= LEAST_STEPS]
    steps = [2**i for i in used]
    moments = np.array([mean_moments(rungs[i], n_atoms, axes) for i in used])
    octaves = np.log2(steps[-1])
    grid = np.concatenate([[UNCORRELATED], 2.0 ** np.linspace(-1.0, octaves, int(MEMORIES_PER_OCTAVE * octaves) + 3)])
    of_memory = np.array([vibration_lags(k, grid) for k in steps])
    of_diffusion = np.array([diffusive_lags(k) for k in steps]) * 2.0 * interval_ps * np.array(steps)[:, None]
    columns = np.concatenate([of_diffusion[..., None], of_memory], axis=2)
    mean = np.zeros((len(n_atoms), columns.shape[2]))
    covariance = np.zeros((*mean.shape, columns.shape[2]))
    shortest = np.full(len(n_atoms), steps[0])
    for species in np.flatnonzero(moments[0, 0] > 0.0):
        fit = _average(*_whitened(moments[:, :, species], columns), MOST_MEMORIES)
        largest = LARGEST_CHI2_PER_MOMENT
        for i in range(1, max(len(steps) - LEAST_RUNGS, 0) + 1):
            if fit.chi2_per_moment <= largest or not (moments[i:, 0, species] > 0.0).all():
                break
            fit = _average(*_whitened(moments[i:, :, species], columns[i:]), 0)
            shortest[species], largest = steps[i], LARGEST_CHI2_WITHOUT_MEMORY
        mean[species] = fit.mean
        covariance[species] = max(fit.chi2_per_moment, 1.0) * fit.covariance
    return Vibration(interval_ps, np.maximum(mean[:, 0], 0.0), grid, mean[:, 1:], covariance[:, 1:, 1:], shortest)


class _Fit(NamedTuple):
    mean: FloatArray
    """(n_columns,), amplitudes averaged over models."""
    covariance: FloatArray
    """(n_columns, n_columns)."""
    chi2_per_moment: float
    """Of the best model."""


@cache
def _models(n_columns: int, most_memories: int) -> tuple[IntArray, ...]:
    """Return the columns of all models, (n_models, n_chosen): diffusion, with or without the uncorrelated vibration.

    Each array holds the models with one number of memories.
    """
    found: list[IntArray] = []
    for n in range(most_memories + 1):
        memories = list(combinations(range(2, n_columns), n))
        found += [np.array([(*always, *each) for each in memories]) for always in ((0,), (0, 1)) if memories]
    return tuple(found)


def _average(columns: FloatArray, value: FloatArray, most_memories: int) -> _Fit:
    """Average amplitudes of the columns over all models without negative amplitudes.

    A model whose best amplitudes are negative is replaced by the smaller ones, which are among the models.
    """
    scale = np.linalg.norm(columns, axis=0)
    columns = columns / scale
    normal, target = columns.T @ columns, columns.T @ value
    fits, most = [], 0.0
    for chosen in _models(len(scale), most_memories):
        n_memories = np.count_nonzero(chosen[0] > 1)
        inverse = np.linalg.pinv(normal[chosen[:, :, None], chosen[:, None, :]], rcond=1e-12, hermitian=True)
        found = np.einsum("mij,mj->mi", inverse, target[chosen])
        gain = np.einsum("mi,mi->m", found, target[chosen])
        gain[(found[:, 1:] < 0.0).any(axis=1)] = -np.inf
        most = max(most, float(gain.max()))
        log_weight = 0.5 * (gain - PENALTY * n_memories) - np.log(len(chosen))
        fits.append((chosen, found, inverse, log_weight))
    top = max(each[3].max() for each in fits)
    mean, square, total = np.zeros(len(scale)), np.zeros((len(scale), len(scale))), 0.0
    for chosen, found, inverse, log_weight in fits:
        weight = np.exp(log_weight - top)
        total += float(weight.sum())
        np.add.at(mean, chosen, weight[:, None] * found)
        second = found[:, :, None] * found[:, None, :] + inverse
        np.add.at(square, (chosen[:, :, None], chosen[:, None, :]), weight[:, None, None] * second)
    mean /= total
    covariance = (square / total - np.outer(mean, mean)) / np.outer(scale, scale)
    return _Fit(mean / scale, covariance, (float(value @ value) - most) / len(value))


def _whitened(moments: FloatArray, columns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return columns, (2 n_rungs, n_columns), and moments, (2 n_rungs,), as independent values of unit variance.

    A rung that is low by chance claims too small an error. Errors relative to C_0 increase at least with the
    root of the step, and C_0 is at least that of diffusion with uncorrelated vibration. A rung contains the motion of
    the shorter ones: the correlation of two is the ratio of their relative errors. In long rungs C_0 may be zero, because
    incomplete blocks at the end are left out.
    """
    value, zero = moments[:, :2], np.maximum(moments[:, :1], 0.0)
    moves = zero[:, 0] > 0.0
    growth = 2.0 ** (0.5 * np.arange(len(value)))[:, None]
    relative = np.divide(moments[:, 2:], zero, out=np.zeros_like(value), where=moves[:, None])
    relative = np.maximum.accumulate(relative / growth) * growth
    error = (relative * zero)[moves]
    rows = (columns[moves] / error[..., None]).reshape(-1, columns.shape[2])
    # scaled, so that both columns have the same precision
    scale = np.linalg.norm(rows[:, :2], axis=0)
    found = nnls(rows[:, :2] / scale, np.ravel(value[moves] / error))[0] / scale
    error = relative * np.maximum(zero, columns[:, :1, :2] @ found)
    white_columns, white_value = [], []
    for kind in (0, 1):
        ratio = relative[:, kind, None] / relative[:, kind]
        whitening = np.linalg.inv(np.linalg.cholesky(np.minimum(ratio, 1.0 / ratio)))
        white_columns.append(whitening @ (columns[:, kind] / error[:, kind, None]))
        white_value.append(whitening @ (value[:, kind] / error[:, kind]))
    return np.concatenate(white_columns), np.concatenate(white_value)
