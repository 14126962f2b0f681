"""Measure the coverage of the intervals of growth laws on twelve kinds of series with known parameters.

Run: ``python benchmarks/growth_accuracy.py [--draws 100] [--seed 9100]``. Intervals are those of a moving block
bootstrap; decisions and independent samples are those of a fifth of as many series.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from interphase_flows.analysis.growth.kinetics import thickness_kinetics

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from growth_accuracy import KINDS, coverage


def main() -> None:
    """Print a line for each kind of series."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--seed", type=int, default=9100)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}; coverage in % by parameter, decisions, independent samples: least, median, true")
    for name, kind in KINDS.items():
        covered = 100 * coverage(kind, arguments.draws, arguments.seed)
        series = kind.drawn(max(arguments.draws // 5, 1), arguments.seed + 400)
        found = [thickness_kinetics(kind.time_ps, each, n_resamples=10) for each in series]
        samples = [each.n_independent for each in found]
        true = kind.n_frames * (1 - kind.correlation) / (1 + kind.correlation)
        print(
            f"{name:30s} {np.round(covered, 1)} mean {covered.mean():.1f}  "
            f"{dict(Counter(each.decision for each in found))}  "
            f"{min(samples):.0f} {np.median(samples):.0f} {true:.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
