"""Speed and memory of Onsager coefficients from a trajectory in memory, against the memory's own bandwidth.

Run: ``python benchmarks/onsager.py [--quick]``. 50,000 atoms of three species and 5,000 frames in single
precision are 3 GB; where that does not fit, fewer frames are held and the factor is printed. `onsager_matrix`
reads every position once and returns coefficients with errors. The bandwidth is that of copying the same
trajectory's frames in this run, bytes read and bytes written counted, as the STREAM benchmark does. Times are those of
this process on one processor, so that a busy machine does not count; set OMP_NUM_THREADS=1.
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
"""Of the free memory."""
GB = 1e9


def random_walk(n_atoms: int, n_frames: int) -> ArrayFrames:
    """Make a trajectory of vibrating walkers, in one array of single precision."""
    generator = np.random.default_rng(0)
    counts = np.array([round(share * n_atoms) for share in SPECIES.values()])
    counts[0] += n_atoms - counts.sum()
    positions = np.empty((n_frames, n_atoms, 3), dtype=np.float32)
    cell = np.eye(3) * (n_atoms / 0.05) ** (1 / 3)
    walk = (generator.random((n_atoms, 3)) * cell[0, 0]).astype(np.float32)
    shakes = generator.standard_normal((2, 4 * n_atoms, 3), dtype=np.float32)
    for frame in range(n_frames):
        # windows into long random tables: drawing every number anew would take minutes
        first, second = generator.integers(0, 3 * n_atoms, 2)
        signs = generator.choice(np.array([-1, 1], dtype=np.float32), 3)
        walk += HOP_ANGSTROM * signs * shakes[0, first : first + n_atoms]
        positions[frame] = walk
        positions[frame] += VIBRATION_ANGSTROM * shakes[1, second : second + n_atoms]
    return ArrayFrames(np.repeat(list(SPECIES), counts), 100.0 * np.arange(n_frames), positions, cell)


def seconds(action: Callable[[], object]) -> float:
    """Time one call, in processor seconds of this process."""
    began = time.process_time()
    action()
    return time.process_time() - began


def copy_bandwidth(frames: ArrayFrames) -> float:
    """Return bytes per second, read and written, of copying blocks of frames much larger than any cache."""
    block = max(1, min(frames.n_frames // 2, int(0.5 * GB) // frames.all_positions[0].nbytes))
    target = np.zeros_like(frames.all_positions[:block])  # written, so that no page is new while timed
    starts = range(0, frames.n_frames - block + 1, block)
    took = sum(seconds(lambda s=s: np.copyto(target, frames.all_positions[s : s + block])) for s in starts)
    return 2 * len(starts) * target.nbytes / took


def main() -> None:
    """Print bandwidth, speed, their ratio and the peak of memory."""
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
    # in turns, so that a busy machine is as busy for both; the best of each counts
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
    print(f"peak memory                 {peak / GB:8.2f} GB, of which the trajectory {size / GB:.2f}")
    print(f"added by the analysis       {max(added, 0) / GB:8.3f} GB")
    rows = results[-1]
    independent = ", ".join(f"{s} {n:.0f}" for s, n in zip(rows.species, rows.n_independent, strict=True))
    print(f"step {rows.step_ps:g} ps, {rows.n_steps} steps, independent: {independent}")


if __name__ == "__main__":
    main()
