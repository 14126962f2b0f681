"""Errors of a fit when frames are correlated: a moving block bootstrap of its residuals.

Whole blocks of neighbouring residuals are drawn with replacement and put back onto the fitted curve, and the
curve is fitted again (Künsch, Ann. Statist. 17, 1217 (1989)). Blocks keep the correlation that single frames
would lose.

The rule for the length of a block: `BLOCK_INEFFICIENCIES` statistical inefficiencies g of the residuals, but
a tenth of the series at most. Blocks end the correlation at their ends, and the fit took a part of the noise
away; both make intervals too short, by a tenth and more. So the residuals are scaled until blocks have the
long-run variance g sigma² that `statistical_inefficiency` finds with both put back.
"""

import math

import numpy as np

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.statistics.autocorrelation import statistical_inefficiency

BLOCK_INEFFICIENCIES = 6.0
LARGEST_SHARE_OF_A_BLOCK = 0.1
LARGEST_SHARE_FITTED_AWAY = 0.5
LARGEST_SCALE = 2.0
"""Of the residuals: beyond it, the series is too short for any bootstrap."""


def block_length(n_frames: int, inefficiency: float) -> int:
    """Return the frames of a block by the rule above."""
    return max(1, math.ceil(min(BLOCK_INEFFICIENCIES * inefficiency, LARGEST_SHARE_OF_A_BLOCK * n_frames)))


def resampled_noise(
    residuals: FloatArray, n_parameters: int, n_resamples: int, random: np.random.Generator
) -> FloatArray:
    """Return (n_resamples, n_frames) of noise with the size and the correlation of the residuals.

    Blocks may run over the end into the beginning, so that every frame is drawn equally often.
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
    return centred[_blocks(n, length, first).reshape(n_resamples, -1)[:, :n]]


def _blocks(n_frames: int, length: int, first: IntArray) -> IntArray:
    return (first + np.arange(length)) % n_frames
