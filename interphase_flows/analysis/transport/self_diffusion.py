"""Self-diffusion coefficients D*_i of single atoms about the barycentre, by the covariance estimator.

D*_i = [<D_n²> + 2 <D_n D_n+1>] / (2 d tau), D_n the step of one atom between block averages, averaged over the
sampled atoms of the species and over time; the drift of the species is subtracted. The self part of the
Onsager coefficient is N_i D*_i / (kB T V); the rest of L_ii is the distinct part.

The error is that of the time average: the larger of the scatter of the terms from step to step and the value for
independent Gaussian atoms. It does not contain the choice of the sampled atoms, which matters where mobile and immobile
atoms of one species coexist and there are more than `ATOMS_PER_GROUP` of them.
"""

from collections.abc import Sequence

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.transport.self_moments import ATOMS_PER_GROUP, SelfRung

SCATTER_LAGS = 2


def self_diffusion_angstrom2_per_ps(
    rung: SelfRung,
    *,
    counts: IntArray,
    step_ps: float,
    axes: Sequence[int],
) -> tuple[FloatArray, FloatArray]:
    """Return D* of each group and its standard error, Å²/ps, averaged over some axes.

    `rung` holds the moments of single atoms for this step, drift included; `counts` the atoms of each group, (n_groups,).
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
    terms = squared[:-1] + 2.0 * lagged
    terms = terms - terms.mean(axis=0)
    of_scatter = (terms * terms).mean(axis=0)
    for lag in range(1, min(SCATTER_LAGS, len(terms) - 1) + 1):
        of_scatter = of_scatter + 2.0 * (terms[lag:] * terms[:-lag]).mean(axis=0)
    zero = about_drift.squared_angstrom2[:, :, columns].mean(axis=0)
    one = about_drift.lagged_angstrom2[:, :, columns].mean(axis=0)
    of_gauss = 2.0 * (3.0 * zero**2 + 8.0 * zero * one + 8.0 * one**2).sum(axis=1) / sampled
    return value, scale * np.sqrt(np.maximum(of_scatter, of_gauss) / len(terms))
