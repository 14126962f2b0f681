"""Measure errors, intervals and bias of Onsager coefficients on Brownian motion with exactly known coefficients.

Run: ``python benchmarks/onsager_accuracy.py [--draws 100] [--first-seed 5000]``. Each kind of trajectory is drawn 100
times, with the seeds that are printed. Errors of L_ij are in units of the root of L_ii L_jj. The reference is an ideal
block estimator: the covariance estimator at the one step that has the smallest error over all draws, which only those
who know the answer can choose. Bias by vibration is that of pairs of draws with and without vibration, at the step
that was chosen with it.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from onsager_accuracy import KINDS, MEMORIES_PS, accuracy, vibration_bias


def main() -> None:
    """Print a line for each kind of trajectory and for each memory of the vibration."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=5000)
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.draws)
    print(f"seeds {seeds.start} to {seeds.stop - 1}")
    print("kind               rms error  ideal  ratio  within 3 sigma  coverage  steps chosen in frames")
    for name, kind in KINDS.items():
        found = accuracy(kind, seeds)
        print(
            f"{name:20s}{found.rms:8.4f}{found.ideal_rms:8.4f}{found.rms / found.ideal_rms:6.2f}"
            f"{100 * found.within_3_sigma:13.1f} %{100 * found.coverage:9.1f} %   {found.steps} ideal {found.ideal_step}"
        )
    print("memory of vibration of 0.5 Å in ps: bias of L_ii of Li, P, S in %, steps chosen in frames")
    for memory_ps in MEMORIES_PS:
        bias, steps = vibration_bias(memory_ps, seeds)
        print(f"{memory_ps:6g}  {np.array2string(100 * bias, precision=2, suppress_small=True):28s} {steps}")


if __name__ == "__main__":
    main()
