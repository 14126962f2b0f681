"""Mean squared cross-displacement by fast Fourier transforms: an independent estimate of L_ij.

M_ij(t) = < [R_i(s+t) - R_i(s)] . [R_j(s+t) - R_j(s)] >_s over all origins s. With S_ij(t) the correlation of
R_i(s) . R_j(s+t),

    (n - t) M_ij(t) = sum over s of [R_i R_j](s) + [R_i R_j](s+t) - S_ij(t) - S_ji(t),

whose last two terms are correlations, computed by zero-padded fast Fourier transforms in O(n log n):
Calandrini et al., Collection SFN 12, 201 (2011), section 3.4.

The slope is fitted at *short* lags, beyond the vibration. The long lags of one run hold few independent displacements:
the common fit from 10 to 50 % of a run has an error of half the value.
"""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.exceptions import AnalysisError


def cross_displacement(displacement_angstrom: FloatArray, n_lags: int | None = None) -> FloatArray:
    """Return M_ij at the first lags, all by default, (n_lags, n_species, n_species), Å².

    Displacements are (n_frames, n_species, n_axes).
    """
    # subtracting the mean position leaves displacements unchanged and reduces rounding errors
    values = np.ascontiguousarray((displacement_angstrom - displacement_angstrom.mean(axis=0)).transpose(1, 2, 0))
    n = values.shape[2]
    n_lags = n if n_lags is None else n_lags
    size = next_fast_len(n + n_lags, real=True)
    transform = rfft(values, n=size)
    first, second = np.triu_indices(len(values))
    # S_ij + S_ji
    product = (transform[first].real * transform[second].real + transform[first].imag * transform[second].imag).sum(1)
    correlation = 2.0 * irfft(product, n=size)[:, :n_lags]
    same_time = (values[first] * values[second]).sum(axis=1)
    from_start = np.concatenate([np.zeros((len(first), 1)), np.cumsum(same_time, axis=1)], axis=1)
    lags = np.arange(n_lags)
    # sums over s = 0 .. n-t-1 and over s + t = t .. n-1
    squares = from_start[:, n - lags] + from_start[:, -1:] - from_start[:, lags]
    sums = squares - correlation
    sums[:, 0] = 0.0
    found = np.empty((n_lags, len(values), len(values)))
    found[:, first, second] = found[:, second, first] = (sums / (n - lags)).T
    return found


def short_lag_rate(displacement_angstrom: FloatArray, interval_ps: float, first_lag: int, last_lag: int) -> FloatArray:
    """Return d/dt M_ij / 2d fitted between two lags in frames (last included), (n_species, n_species), Å²/ps.

    The drift of each species over the window is subtracted. The remainder is zero at both ends, so that a slope in t
    becomes one in t (1 - t/T), which is fitted together with a constant for vibration. Raises AnalysisError if the
    lags are not in order, or do not fit into the window.
    """
    n = len(displacement_angstrom)
    if not 1 <= first_lag < last_lag < n:
        raise AnalysisError(
            f"lags {first_lag} to {last_lag} of {n} frames; they must satisfy 1 <= first < last < frames"
        )
    steps = np.arange(n)[:, None, None] / (n - 1)
    straight = displacement_angstrom[0] + steps * (displacement_angstrom[-1] - displacement_angstrom[0])
    moved = cross_displacement(displacement_angstrom - straight, last_lag + 1)[first_lag:]
    lag_ps = np.arange(first_lag, last_lag + 1) * interval_ps
    tied = lag_ps * (1.0 - lag_ps / ((n - 1) * interval_ps))
    centred = tied - tied.mean()
    slope = np.einsum("t,tij->ij", centred, moved) / (centred @ centred)
    return slope / (2.0 * displacement_angstrom.shape[2])
