"""Moving block bootstrap of the residuals of a fit to correlated frames.

Blocks of consecutive residuals are drawn with replacement and added to the fitted curve, which is fitted again
(Künsch, Ann. Statist. 17, 1217 (1989)). Blocks preserve the correlation of frames.

A block has `BLOCK_INEFFICIENCIES` statistical inefficiencies g of the residuals, at most a tenth of the series. The
correlation ends at the ends of blocks, and the fit removes a part of the noise, which would make intervals too short by a
tenth or more. Residuals are therefore scaled such that blocks have the corrected long-run variance g sigma².

This variance is itself an estimate, of a relative variance 2 / nu with nu = n / (2 M + 1) for correlations that are
summed over M lags (Madras and Sokal, J. Stat. Phys. 50, 109 (1988)). Each resample is therefore multiplied by
sqrt(nu / chi²_nu), which turns the normal distribution into Student's t, with M = 2 g, four correlation times.
"""

import math

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.statistics.autocorrelation import statistical_inefficiency

BLOCK_INEFFICIENCIES = 6.0
LARGEST_SHARE_OF_A_BLOCK = 0.1
LARGEST_SHARE_FITTED_AWAY = 0.5
LARGEST_SCALE = 2.0
"""Largest scale of the residuals; the series is too short for a bootstrap beyond it."""
LEAST_DEGREES_OF_FREEDOM = 2.0
LARGEST_SCALE_OF_A_RESAMPLE = 3.0
"""Largest factor of a resample for the uncertainty of the long-run variance."""


def block_length(n_frames: int, inefficiency: float) -> int:
    """Return the number of frames of a block."""
    return max(1, math.ceil(min(BLOCK_INEFFICIENCIES * inefficiency, LARGEST_SHARE_OF_A_BLOCK * n_frames)))


def resampled_noise(
    residuals: FloatArray, n_parameters: int, n_resamples: int, random: np.random.Generator
) -> FloatArray:
    """Return noise with the correlation and the uncertain variance of the residuals, (n_resamples, n_frames).

    Blocks are circular, so that every frame is drawn equally often.
    """
    n = len(residuals)
    g = statistical_inefficiency(residuals, n_parameters)
    centred = residuals - residuals.mean()
    frames = _blocks(n, block_length(n, g), np.arange(n)[:, None])
    of_blocks = (centred[frames].sum(axis=1) ** 2).mean() / frames.shape[1]
    fitted_away = min(n_parameters * g / n, LARGEST_SHARE_FITTED_AWAY)
    wanted = g * (centred**2).mean() / (1 - fitted_away)
    scale = math.sqrt(wanted / of_blocks) if of_blocks > 0 else 1.0
    centred *= min(max(scale, 1.0), LARGEST_SCALE)

    length = frames.shape[1]
    first = random.integers(0, n, size=(n_resamples, -(-n // length), 1))
    degrees = max((n - n_parameters * g) / (1 + 4 * g), LEAST_DEGREES_OF_FREEDOM)
    uncertainty = np.sqrt(degrees / random.chisquare(degrees, size=(n_resamples, 1)))
    noise = centred[_blocks(n, length, first).reshape(n_resamples, -1)[:, :n]]
    return np.asarray(noise * np.minimum(uncertainty, LARGEST_SCALE_OF_A_RESAMPLE))


def _blocks(n_frames: int, length: int, first: IntArray) -> IntArray:
    return (first + np.arange(length)) % n_frames
