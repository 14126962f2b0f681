"""Model of single atoms that diffuse and vibrate, fitted to their moments: what vibration adds to a step.

Position = random walk (rate D) + vibration, a sum of processes with exponential memory (AR(1)),
<u(0) u(t)> = sum_m a_m exp(-t / tau_m), of which one may be uncorrelated from frame to frame. With g_l the covariance of
the averages of u over blocks of k frames that are l blocks apart, steps between block averages have, per axis,

    C_0 = 2 k dt D alpha_k + 2 g_0 - 2 g_1,    C_1 = 2 k dt D beta_k + 2 g_1 - g_0 - g_2,

with alpha_k and beta_k of `diffusive_lags`. The covariance estimator cancels g_0 and keeps (g_1 - g_2) / (k dt), the bias
of a step, which falls with the third power of a step longer than tau. C_0 and C_1 are linear in D and the a_m. Memories
are added one by one, each the shortest of those that reduce chi² most, by `SIGNIFICANT` or more: nonnegative least
squares (Lawson and Hanson, *Solving Least Squares Problems*, 1974) with forward selection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.transport.covariance_estimator import diffusive_lags
from interphase_flows.analysis.transport.self_moments import SelfRung, mean_moments

SIGNIFICANT = 25.0
"""Reduction of chi² by a further memory."""
INDISTINCT = 4.0
"""Difference of chi² of memories that the moments do not distinguish; the shortest of them is taken."""
MOST_MEMORIES = 3
MEMORIES_PER_OCTAVE = 2
LEAST_STEPS = 10
"""Minimum number of steps of a fitted rung."""
UNCORRELATED = 0.0


@dataclass(frozen=True)
class Vibration:
    """Diffusion and vibration of the atoms of every species: squared amplitudes by memory."""

    diffusion_angstrom2_per_ps: FloatArray
    """(n_species,), D."""
    memory_frames: FloatArray
    """(n_memories,), correlation time in frames; 0 for vibration that is uncorrelated from frame to frame."""
    squared_amplitude_angstrom2: FloatArray
    """(n_species, n_memories), Å² per axis."""

    def lags(self, block_frames: int) -> tuple[FloatArray, FloatArray]:
        """Return what vibration adds to C_0 and C_1 of one atom, (n_species,) each, Å²."""
        zero, one = vibration_lags(block_frames, self.memory_frames)
        return self.squared_amplitude_angstrom2 @ zero, self.squared_amplitude_angstrom2 @ one


def vibration_lags(block_frames: int, memory_frames: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return C_0 and C_1 of vibration of unit amplitude by memory, (n_memories,) each."""
    k = block_frames
    rho = np.exp(-1.0 / np.maximum(memory_frames, 1e-3))
    left = 1.0 - rho
    faded = -np.expm1(-k / np.maximum(memory_frames, 1e-3))
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
    octaves = np.log2(steps[-1]) + 2.0
    grid = np.concatenate([[UNCORRELATED], 2.0 ** np.linspace(-1.0, octaves, int(MEMORIES_PER_OCTAVE * octaves) + 3)])
    of_memory = np.array([vibration_lags(k, grid) for k in steps])
    of_diffusion = np.array([diffusive_lags(k) for k in steps]) * 2.0 * interval_ps * np.array(steps)[:, None]
    amplitudes = np.zeros((len(n_atoms), len(grid)))
    diffusion = np.zeros(len(n_atoms))
    for species in np.flatnonzero(moments[:, 0].any(axis=0)):
        columns = np.concatenate([of_diffusion[..., None], of_memory], axis=2)
        columns, value = _whitened(moments[:, :, species], columns)
        chosen, found, chi2 = [0, 1], *_least_squares(columns, value, [0, 1])
        while len(chosen) < 2 + MOST_MEMORIES:
            others = [i for i in range(2, columns.shape[1]) if i not in chosen]
            trials = [_least_squares(columns, value, [*chosen, i]) for i in others]
            least = min(trial[1] for trial in trials)
            if chi2 - least < SIGNIFICANT:
                break
            best = next(i for i, trial in enumerate(trials) if trial[1] < least + INDISTINCT)
            chosen.append(others[best])
            found, chi2 = trials[best]
        diffusion[species] = found[0]
        amplitudes[species, np.array(chosen[1:]) - 1] = found[1:]
    present = amplitudes.any(axis=0)
    return Vibration(diffusion, grid[present], amplitudes[:, present])


def _whitened(moments: FloatArray, columns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return columns, (2 n_rungs, n_columns), and moments, (2 n_rungs,), as independent values of unit variance.

    A rung that is low by chance claims too small an error. Errors relative to C_0 increase at least with the
    root of the step, and C_0 is at least that of diffusion with uncorrelated vibration. A rung contains the motion of
    the shorter ones: the correlation of two is the ratio of their relative errors.
    """
    value = moments[:, :2]
    growth = 2.0 ** (0.5 * np.arange(len(value)))[:, None]
    relative = moments[:, 2:] / moments[:, :1]
    relative = np.maximum(np.maximum.accumulate(relative / growth) * growth, 1e-12)
    error = relative * moments[:, :1]
    rows = (columns / error[..., None]).reshape(-1, columns.shape[2])
    found, _ = _least_squares(rows, np.ravel(value / error), [0, 1])
    error = relative * np.maximum(moments[:, :1], columns[:, :1, :2] @ found)
    white_columns, white_value = [], []
    for kind in (0, 1):
        ratio = relative[:, kind, None] / relative[:, kind]
        whitening = np.linalg.inv(np.linalg.cholesky(np.minimum(ratio, 1.0 / ratio)))
        white_columns.append(whitening @ (columns[:, kind] / error[:, kind, None]))
        white_value.append(whitening @ (value[:, kind] / error[:, kind]))
    return np.concatenate(white_columns), np.concatenate(white_value)


def _least_squares(columns: FloatArray, value: FloatArray, chosen: Sequence[int]) -> tuple[FloatArray, float]:
    """Return the nonnegative amplitudes of some columns and chi²."""
    some = columns[:, chosen]
    scale = np.linalg.norm(some, axis=0)
    found, residual = nnls(some / scale, value)
    return found / scale, float(residual) ** 2
