"""Compare size and speed of this package's trajectories with ASE .traj and extended XYZ.

Run: ``python benchmarks/trajectory_io.py [--quick]``. The trajectory is of a hot solid of 20,000 atoms (2,000 with
``--quick``): atoms vibrate around sites, a third of them diffuses. Writing includes packing; reading is of all positions,
from a warm page cache. ASE's formats include momenta; this package stores positions, cell, time, temperature, energy and
uncertainty, and momenta only in checkpoints.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.io.trajectory import Trajectory as AseTrajectory

from interphase_flows.analysis.io.zarr_trajectory import Trajectory
from interphase_flows.md.trajectory_writer import TrajectoryWriter, pack

VIBRATION_ANGSTROM = 0.2
HOP_ANGSTROM = 0.15


def hot_solid(n_atoms: int, n_frames: int) -> list[Atoms]:
    """Return frames with vibrating sites and diffusing lithium, as if 0.1 ps apart."""
    generator = np.random.default_rng(0)
    edge = int(np.ceil(n_atoms ** (1 / 3)))
    sites = 2.7 * np.indices((edge, edge, edge)).reshape(3, -1).T[:n_atoms]
    numbers = np.array([3, 16, 15])[generator.choice(3, n_atoms, p=[0.5, 0.35, 0.15])]
    walk = np.zeros_like(sites)
    frames = []
    for _ in range(n_frames):
        walk[::3] += HOP_ANGSTROM * generator.standard_normal(walk[::3].shape)
        shake = VIBRATION_ANGSTROM * generator.standard_normal(sites.shape)
        atoms = Atoms(numbers=numbers, positions=sites + walk + shake, cell=[2.7 * edge] * 3, pbc=True)
        atoms.set_momenta(generator.standard_normal(sites.shape))
        frames.append(atoms)
    return frames


def write_package(frames: list[Atoms], path: Path) -> None:
    """Write and pack a trajectory."""
    writer = TrajectoryWriter(path.with_suffix(".open"), frames[0])
    for i, atoms in enumerate(frames):
        writer.append(atoms, step=i, time_fs=float(i), temperature_K=300.0, potential_energy_eV=0.0)
        if i % 10 == 9:
            writer.flush()
    writer.flush()
    pack(path.with_suffix(".open"), path)


def read_package(path: Path) -> int:
    """Read all positions in blocks of 50 frames."""
    with Trajectory(path) as trajectory:
        starts = range(0, len(trajectory), 50)
        return sum(len(trajectory.positions(slice(start, start + 50))) for start in starts)


def write_ase(frames: list[Atoms], path: Path) -> None:
    """Write an ASE trajectory."""
    with AseTrajectory(path, "w") as trajectory:
        for atoms in frames:
            trajectory.write(atoms)


def read_ase(path: Path) -> int:
    """Read every frame with ASE."""
    with AseTrajectory(path) as trajectory:
        return sum(1 for atoms in trajectory if len(atoms.positions))


def write_xyz(frames: list[Atoms], path: Path) -> None:
    """Write extended XYZ."""
    ase.io.write(path, frames, format="extxyz")


def read_xyz(path: Path) -> int:
    """Read extended XYZ."""
    return sum(1 for atoms in ase.io.iread(path, format="extxyz") if len(atoms.positions))


def seconds(action: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    """Print one line per format, with ratios to this package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="2,000 atoms and 40 frames")
    quick = parser.parse_args().quick
    n_atoms, n_frames = (2_000, 40) if quick else (20_000, 200)
    frames = hot_solid(n_atoms, n_frames)
    # Text is slow; fewer frames give the same rate.
    formats = {
        "interphase_flows": ("t.zarr.zip", write_package, read_package, frames),
        "ASE .traj": ("t.traj", write_ase, read_ase, frames),
        "extxyz": ("t.extxyz", write_xyz, read_xyz, frames[:20]),
    }
    print(f"{n_atoms} atoms, {n_frames} frames")
    columns = ("B/atom-frame", "write frames/s", "read frames/s", "relative size", "relative time")
    print(f"{'':18}" + "".join(f"{column:>16}" for column in columns))
    reference: tuple[float, float] | None = None
    for name, (file, write, read, some) in formats.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / file
            write_s = seconds(lambda write=write, some=some, path=path: write(some, path))
            read_s = min(seconds(lambda read=read, path=path: read(path)) for _ in range(3))
            size = path.stat().st_size / (n_atoms * len(some))
        rate = len(some) / read_s
        reference = reference or (size, rate)
        print(
            f"{name:18}{size:16.2f}{len(some) / write_s:16.0f}{rate:16.0f}"
            f"{size / reference[0]:16.2f}{reference[1] / rate:16.2f}"
        )


if __name__ == "__main__":
    main()
