"""Measure the accuracy of rates in windows, of initial peaks and of verdicts on series with known noise.

Run: ``python benchmarks/rate_accuracy.py [--draws 200] [--seed 9200]``. Prints the tables of docs/kinetics.md: coverage
of 95 % intervals of the last two windows of 250 frames, ratios of initial peaks to the true largest rate, and verdicts
of 0.3 as many series.
"""

import argparse
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

from interphase_flows.analysis.passivation.history import InterphaseHistory
from interphase_flows.analysis.passivation.verdict import verdict
from interphase_flows.analysis.statistics.window_rate import window_rates

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from correlated_series import correlated_noise
from verdict_accuracy import KINDS, states

WINDOW_FRAMES = 250
NOISES = {
    "uncorrelated": (0.0, 0.0),
    **{f"bounded, correlation {c:g}": (0.0, c) for c in (0.6, 0.8, 0.9, 0.95, 0.97)},
    "random walk": (1.0, None),
    **{f"random walk below white noise of {size} steps": (1.0 / size, 0.0) for size in (3, 10, 30)},
    "bounded, correlation 0.9, and a walk with steps of a twentieth": (0.05, 0.9),
    "bounded, correlation 0.8, and a walk with steps of a twentieth": (0.05, 0.8),
    "bounded, correlation 0.6, and a walk with steps of a tenth": (0.1, 0.6),
}
"""Step of a random walk, and correlation of bounded noise of unit size, by name."""
PEAK_PS = 1000.0
"""Length of the first window, in which the initial peak is searched."""
N_FRAMES = 1001
CURVES = {
    "constant rate": lambda t: 0.02 * t,
    "exponential, 80 ps": lambda t: 20.0 * -np.expm1(-t / 80.0),
    "exponential, 400 ps": lambda t: 20.0 * -np.expm1(-t / 400.0),
    "square root": lambda t: np.sqrt(4.0 * t + 25.0) - 5.0,
    "maximum after 350 ps": lambda t: 20.0 / (1.0 + np.exp((350.0 - t) / 80.0)),
}
"""Growth in Å, by name."""


def noise_of(step: float, correlation: float | None, n_series: int, n_frames: int, seed: int) -> np.ndarray:
    """Return a random walk plus bounded noise of unit size, (n_series, n_frames)."""
    walk = np.cumsum(np.random.default_rng(seed).standard_normal((n_series, n_frames)), axis=1)
    if correlation is None:
        return step * walk
    return step * walk + correlated_noise(n_series, seed + 1, size=1.0, correlation=correlation, n_frames=n_frames)


def coverage(n_series: int, seed: int) -> None:
    """Print how many intervals contain the rate, and how many noises are classified as bounded."""
    print("| noise | coverage, % | bounded, % |\n| --- | --- | --- |")
    time = np.arange(3.0 * WINDOW_FRAMES + 1.0)
    edges = [float(WINDOW_FRAMES * i) for i in range(4)]
    for name, (step, correlation) in NOISES.items():
        drawn = noise_of(step, correlation, n_series, len(time), seed)
        rates = [rate for series in drawn for rate in window_rates(time, series, edges)[-2:]]
        intervals = [rate.interval() for rate in rates]
        covered = 100.0 * np.mean([each.lower <= 0.0 <= each.upper for each in intervals])
        bounded = 100.0 * np.mean([rate.noise == "bounded" for rate in rates])
        print(f"| {name} | {covered:.0f} | {bounded:.0f} |", flush=True)


def peaks(n_series: int, seed: int) -> None:
    """Print the mean ratio of the initial peak to the true largest rate, where it differs from zero."""
    print("\n| growth | noise, Å | peaks that differ from zero, % | peak / true peak |\n| --- | --- | --- | --- |")
    time = np.linspace(0.0, 4.0 * PEAK_PS, N_FRAMES)
    edges = np.linspace(0.0, PEAK_PS, 11)
    for name, curve in CURVES.items():
        true = max((curve(b) - curve(a)) / (b - a) for a, b in pairwise(edges))
        for size in (0.1, 0.2, 0.4):
            noise = size * correlated_noise(n_series, seed, size=1.0, correlation=0.8, n_frames=N_FRAMES)
            left = {"electrode": np.full(N_FRAMES, 300.0), "electrolyte": np.full(N_FRAMES, 300.0)}
            checks = [
                verdict([InterphaseHistory(time, 4.0 + curve(time) + each, {"Li": 8.0 * curve(time)}, left)]).checks
                for each in noise
            ]
            known = [check["thickness"] for check in checks if check["thickness"].epsilon_per_ps > 0]
            ratio = np.mean([each.initial_peak_per_ps.value for each in known]) / true if known else np.nan
            print(f"| {name} | {size:g} | {100 * len(known) / n_series:.0f} | {ratio:.2f} |", flush=True)


def verdicts(n_series: int, seed: int) -> None:
    """Print verdicts on interphases whose verdict is known."""
    print("\n| interphase | correlation | verdicts |\n| --- | --- | --- |")
    for kind in KINDS:
        for correlation in (0.6, 0.9, 0.95, 0.97):
            found = states(kind, range(seed, seed + n_series), correlation=correlation)
            print(f"| {kind} | {correlation:g} | {dict(found)} |", flush=True)


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=9200)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, {arguments.draws} series of each noise")
    coverage(arguments.draws, arguments.seed)
    fewer = max(3 * arguments.draws // 10, 1)
    peaks(fewer, arguments.seed)
    verdicts(fewer, arguments.seed)


if __name__ == "__main__":
    main()
