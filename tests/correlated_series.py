"""Series with correlated noise, as in trajectories, for tests of kinetics and verdicts."""

import numpy as np
from scipy.signal import lfilter


def correlated_noise(n_series, seed, *, size=0.05, correlation=0.6, n_frames=300):
    """Return (n_series, n_frames) of noise whose neighbouring frames have a correlation."""
    shocks = np.random.default_rng(seed).standard_normal((n_series, n_frames + 200))
    noise = lfilter([1.0], [1.0, -correlation], shocks, axis=1)[:, 200:]
    return size * np.sqrt(1 - correlation**2) * noise
