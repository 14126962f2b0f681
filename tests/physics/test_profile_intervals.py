"""95 % intervals of profiles cover what they should, with frames that are correlated."""

import numpy as np
import pytest
from scipy.special import ndtr

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.statistics.block_means import TimeBlocks, block_means

QUESTION = InterfaceAnalysisSettings(composition_of("Li"), composition_of("Li7P3S11"), 300.0, ("profiles",))


def correlated(shape: tuple[int, ...], frames: float, rng: np.random.Generator) -> np.ndarray:
    """Return normal noise whose correlation falls by e in so many frames, the first axis being time."""
    keep = np.exp(-1.0 / frames)
    noise = rng.standard_normal(shape)
    for i in range(1, len(noise)):
        noise[i] = keep * noise[i - 1] + np.sqrt(1 - keep**2) * noise[i]
    return noise


@pytest.mark.parametrize("correlation_frames", [0.5, 3.0, 8.0])
def test_the_density_of_wandering_atoms_is_covered(correlation_frames):
    """Lithium is everywhere equally often; sulfur at rest in one plane is the reference."""
    rng = np.random.default_rng(3)
    n_frames, n_lithium, height = 150, 80, 45.0
    covered, n_known = 0, 0
    for _ in range(4):
        places = np.full((n_frames, n_lithium + 10, 3), 0.5 * height)
        places[:, :, :2] = rng.random((n_lithium + 10, 2)) * 20.0
        places[:, :n_lithium, 2] = height * ndtr(correlated((n_frames, n_lithium), correlation_frames, rng))
        numbers = np.repeat([3, 16], [n_lithium, 10])
        frames = ArrayFrames(numbers, 100.0 * np.arange(n_frames), places, np.diag([20.0, 20.0, height]))
        found = analyse_interface(frames, QUESTION).arrays
        lower, upper = (found[f"profiles.atoms_per_nm3_{end}"][:, 0] for end in ("lower", "upper"))
        true = 1e3 * n_lithium / (400.0 * height)
        covered += ((lower <= true) & (true <= upper)).sum()
        n_known += lower.size
    assert 0.90 < covered / n_known < 0.99


@pytest.mark.parametrize("rise", [0.0, 30.0])
def test_means_and_ratios_are_covered_and_a_trend_is_no_noise(rise):
    rng = np.random.default_rng(4)
    n, columns = 200, 500
    blocks = TimeBlocks(n)
    line = 10.0 + rise * np.linspace(0, 1, n)[:, None]
    series = line + correlated((n, columns), 4.0, rng)
    true = block_means(line + np.zeros((n, columns)), np.ones((n, 1)), blocks.sample_edges).value
    found = block_means(series, np.ones((n, 1)), blocks.sample_edges)
    assert 0.92 < ((found.lower <= true) & (true <= found.upper)).mean() < 0.99
    ideal = 1.96 * np.sqrt((1 + np.exp(-0.25)) / (1 - np.exp(-0.25)) / (n / 6))
    assert 0.7 < np.median(found.upper - found.value) / ideal < 1.6
    # both sums of a ratio fluctuate; the interval is that of the ratio
    atoms = 1.0 + rng.poisson(3.0, (n, columns))
    ratio = block_means(series * atoms, atoms, blocks.sample_edges)
    if not rise:
        assert 0.92 < ((ratio.lower <= 10.0) & (ratio.upper >= 10.0)).mean() < 0.99
