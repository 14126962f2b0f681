"""Self-diffusion: D*_i of single atoms about the barycentre, by the covariance estimator.

D*_i = [<D_n²> + 2 <D_n D_n+1>] / (2 d tau), D_n the step of one atom between block averages, averaged over the
sampled atoms of the species and over time; the species' own drift is taken out. The self part of the
Onsager coefficient is N_i D*_i / (kB T V); the rest of L_ii is the distinct part.

The error is that of the average over time. Which atoms were sampled is no part of it: it matters where mobile
and immobile atoms of one species stand beside each other and there are more than `ATOMS_PER_GROUP` of them.
"""

from collections.abc import Sequence

import numpy as np

from interphase_flows.analysis.frames import FloatArray, IntArray
from interphase_flows.analysis.transport.self_moments import SelfRung

SCATTER_LAGS = 2


def self_diffusion_angstrom2_per_ps(
    rung: SelfRung,
    *,
    counts: IntArray,
    drift_angstrom: FloatArray,
    step_ps: float,
    axes: Sequence[int],
) -> tuple[FloatArray, FloatArray]:
    """Return D* of each group and its standard error, Å²/ps.

    Parameters
    ----------
    rung
        Moments of single atoms for this step.
    counts
        Atoms of each group, (n_groups,).
    drift_angstrom
        Mean step of each group's sum about the barycentre, (n_groups, n_axes), Å.
    step_ps
        Time of a step, ps.
    axes
        Axes that are averaged over.
    """
    columns = list(axes)
    squared = rung.squared_angstrom2[:, :, columns].sum(axis=2)
    lagged = rung.lagged_angstrom2[:, :, columns].sum(axis=2)
    n = len(squared)
    advected = ((drift_angstrom / counts[:, None]) ** 2).sum(axis=1)
    unbias = 1.0 / (1.0 - 3.0 / (n * counts)) if n > 3 else 1.0
    scale = 1.0 / (2.0 * len(columns) * step_ps)
    value = scale * unbias * (squared.mean(axis=0) + 2.0 * lagged.mean(axis=0) - 3.0 * advected)
    terms = squared[:-1] + 2.0 * lagged
    terms = terms - terms.mean(axis=0)
    variance = (terms * terms).mean(axis=0)
    for lag in range(1, min(SCATTER_LAGS, len(terms) - 1) + 1):
        variance = variance + 2.0 * (terms[lag:] * terms[:-lag]).mean(axis=0)
    return value, scale * np.sqrt(np.maximum(variance, 0.0) / len(terms))
