"""Means of correlated series over time blocks, with confidence intervals.

A mean is a ratio of sums, such as atoms over volumes, so that the mean of a slice that is sometimes empty is that over
its occupied samples. The interval is that of the linearised ratio (Cochran, *Sampling Techniques*, 3rd ed. 1977,
section 6.4), with g sigma² / n for the n correlated samples of a block. The statistical inefficiency g is that of all
blocks together, and Student's t has one degree of freedom less than there are independent samples. Noise is the
residual of a trend, because growth within a block is not an error of its mean.
"""

import numpy as np
from scipy.special import stdtrit

from interphase_flows.analysis.array_types import FloatArray, IntArray
from interphase_flows.analysis.statistics.autocorrelation import (
    LARGEST_SHARE_FITTED_AWAY,
    statistical_inefficiencies,
)
from interphase_flows.analysis.statistics.estimate import CONFIDENCE, Estimate

MOST_BLOCKS = 6
LEAST_SAMPLES = 5
"""Minimum number of samples in a block if there are several blocks."""
LEAST_FOR_AN_INTERVAL = 4
BLOCKS_OF_A_LINE = 2
"""Number of blocks over which a trend is linear."""
LEAST_INDEPENDENT = 3.0
"""Minimum number of independent samples of a block for Student's t."""
MOST_SAMPLES = 600
"""Largest number of samples; of more frames, consecutive ones are averaged."""


class TimeBlocks:
    """Division of frames into samples of a few consecutive frames, and of samples into blocks of equal length.

    Parameters
    ----------
    n_frames
        Number of frames.
    """

    def __init__(self, n_frames: int) -> None:
        self.n_frames = n_frames
        self.frames_per_sample = -(-n_frames // MOST_SAMPLES)
        self.n_samples = -(-n_frames // self.frames_per_sample)
        n_blocks = int(np.clip(self.n_samples // LEAST_SAMPLES, 1, MOST_BLOCKS))
        self.sample_edges: IntArray = np.linspace(0, self.n_samples, n_blocks + 1).round().astype(np.int64)
        """(n_blocks + 1,)."""
        self.frame_edges: IntArray = np.minimum(self.sample_edges * self.frames_per_sample, n_frames)
        """(n_blocks + 1,)."""

    def __len__(self) -> int:
        return len(self.sample_edges) - 1

    def sample_of(self, frame: IntArray) -> IntArray:
        """Return the sample that each frame belongs to."""
        return frame // self.frames_per_sample


def block_means(numerator: FloatArray, denominator: FloatArray, edges: IntArray) -> Estimate:
    """Return the sum of numerators over the sum of denominators in each block, (n_blocks, ...).

    Parameters
    ----------
    numerator, denominator
        (n_samples, ...), of shapes that can be broadcast together.
    edges
        First samples of the blocks, then the number of samples, (n_blocks + 1,).
    """
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    shape = numerator.shape[1:]
    above, below = (x.reshape(len(x), -1).astype(float) for x in (numerator, denominator))
    n_blocks = len(edges) - 1
    n = np.diff(edges)[:, None]
    per_block = np.add.reduceat(below, edges[:-1], axis=0)
    known = per_block > 0
    value = np.divide(
        np.add.reduceat(above, edges[:-1], axis=0),
        per_block,
        out=np.full(per_block.shape, np.nan),
        where=known,
    )
    block_of = np.repeat(np.arange(n_blocks), np.diff(edges))
    scale = np.divide(n, per_block, out=np.zeros(per_block.shape), where=known)
    # linearised ratio plus the block means, so that a trend is continuous across blocks
    middle = np.where(known, value, np.divide(above.sum(axis=0), np.maximum(below.sum(axis=0), 1e-300)))
    series = (above - middle[block_of] * below) * scale[block_of] + middle[block_of]
    trend = _trend(edges)
    noise = series - trend @ np.linalg.lstsq(trend, series, rcond=None)[0]
    g = statistical_inefficiencies(noise, trend.shape[1])
    n_independent = np.maximum(n / g, LEAST_INDEPENDENT)
    left = 1.0 - np.minimum(trend.shape[1] * g / len(noise), LARGEST_SHARE_FITTED_AWAY)
    variance = np.add.reduceat(noise**2, edges[:-1], axis=0) / n / left
    error = np.sqrt(variance / n_independent)
    error[(n < LEAST_FOR_AN_INTERVAL) | ~known] = np.nan
    value, error, quantile = (
        x.reshape(n_blocks, *shape) for x in (value, error, stdtrit(n_independent - 1.0, 0.5 * (1.0 + CONFIDENCE)))
    )
    return Estimate.symmetric(value, error, quantile=quantile)


def _trend(edges: IntArray) -> FloatArray:
    """Return hat functions on some block edges, (n_samples, n_hats), whose sums are piecewise linear."""
    knots = edges[np.linspace(0, len(edges) - 1, (len(edges) - 1) // BLOCKS_OF_A_LINE + 1).round().astype(int)]
    place = np.arange(edges[-1])
    return np.stack([np.interp(place, knots, row) for row in np.eye(len(knots))], axis=1)
