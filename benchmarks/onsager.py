"""Compare the speed of Onsager coefficients with the memory bandwidth, and print the memory use.

Run: ``OMP_NUM_THREADS=1 python benchmarks/onsager.py [--quick]``. 50,000 atoms of three species and 5,000 frames in
single precision are 3 GB; if they do not fit into memory, fewer frames are used and the factor is printed.
`onsager_matrix` reads every position once. The bandwidth is that of copying frames of the same trajectory,
counting bytes read and written as the STREAM benchmark does. Times are CPU times of one process on one processor.
"""

import argparse
import os
import resource
import time
from collections.abc import Callable

import numpy as np

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.transport import onsager_matrix

SPECIES = {3: 0.5, 15: 0.15, 16: 0.35}
HOP_ANGSTROM = 0.05
VIBRATION_ANGSTROM = 0.2
LEAVE_FREE = 0.4
"""Fraction of the free memory that is not used."""
GB = 1e9


def random_walk(n_atoms: int, n_frames: int) -> ArrayFrames:
    """Return a trajectory of vibrating random walkers in single precision."""
    generator = np.random.default_rng(0)
    counts = np.array([round(share * n_atoms) for share in SPECIES.values()])
    counts[0] += n_atoms - counts.sum()
    positions = np.empty((n_frames, n_atoms, 3), dtype=np.float32)
    cell = np.eye(3) * (n_atoms / 0.05) ** (1 / 3)
    walk = (generator.random((n_atoms, 3)) * cell[0, 0]).astype(np.float32)
    shakes = generator.standard_normal((2, 4 * n_atoms, 3), dtype=np.float32)
    for frame in range(n_frames):
        # windows of long random tables: drawing all numbers would take minutes
        first, second = generator.integers(0, 3 * n_atoms, 2)
        signs = generator.choice(np.array([-1, 1], dtype=np.float32), 3)
        walk += HOP_ANGSTROM * signs * shakes[0, first : first + n_atoms]
        positions[frame] = walk
        positions[frame] += VIBRATION_ANGSTROM * shakes[1, second : second + n_atoms]
    return ArrayFrames(np.repeat(list(SPECIES), counts), 100.0 * np.arange(n_frames), positions, cell)


def seconds(action: Callable[[], object]) -> float:
    """Return the CPU time of one call."""
    start = time.process_time()
    action()
    return time.process_time() - start


def copy_bandwidth(frames: ArrayFrames) -> float:
    """Return bytes read and written per second while copying blocks of frames larger than any cache."""
    block = max(1, min(frames.n_frames // 2, int(0.5 * GB) // frames.all_positions[0].nbytes))
    target = np.zeros_like(frames.all_positions[:block])  # filled, so that all pages exist before the timing
    starts = range(0, frames.n_frames - block + 1, block)
    took = sum(seconds(lambda s=s: np.copyto(target, frames.all_positions[s : s + block])) for s in starts)
    return 2 * len(starts) * target.nbytes / took


def main() -> None:
    """Print bandwidth, speed, their ratio and the peak memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="5,000 atoms and 1,000 frames")
    quick = parser.parse_args().quick
    n_atoms, n_frames = (5_000, 1_000) if quick else (50_000, 5_000)
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    factor = max(1, -(-12 * n_atoms * n_frames // int((1 - LEAVE_FREE) * free)))
    frames = random_walk(n_atoms, n_frames // factor)
    size = frames.all_positions.nbytes
    print(f"{n_atoms} atoms, {frames.n_frames} frames, {size / GB:.2f} GB, scaled down {factor} times")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    results = [onsager_matrix(frames, temperature_K=600.0)]
    added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    # alternate, so that other load affects both; use the best of each
    took, bandwidth = np.inf, 0.0
    for _ in range(5):
        bandwidth = max(bandwidth, copy_bandwidth(frames))
        took = min(took, seconds(lambda: results.append(onsager_matrix(frames, temperature_K=600.0))))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"memory bandwidth (copy)     {bandwidth / GB:8.2f} GB/s")
    print(
        f"Onsager coefficients        {size / took / GB:8.2f} GB/s, {took:.2f} s, {frames.n_frames / took:.0f} frames/s"
    )
    print(f"ratio                       {size / took / bandwidth:8.2f}   (target 0.5)")
    print(f"peak memory                 {peak / GB:8.2f} GB, including the trajectory ({size / GB:.2f} GB)")
    print(f"added by the analysis       {max(added, 0) / GB:8.3f} GB")
    rows = results[-1]
    independent = ", ".join(f"{s} {n:.0f}" for s, n in zip(rows.species, rows.n_independent, strict=True))
    print(f"step {rows.step_ps:g} ps, {rows.n_steps} steps, independent: {independent}")


if __name__ == "__main__":
    main()
