"""Bytes per atom-frame and frames per second: our trajectories against ASE's .traj and extended XYZ.

Run: ``python benchmarks/trajectory_io.py [--quick]``. Atoms of a hot solid: vibration around sites, a third
of the atoms diffusing, 20,000 of them unless quick. Writing includes packing; reading is every position of
every frame, from a warm page cache. ASE's formats write the momenta that moving atoms carry; ours keeps
positions, cell, time, temperature, energy and uncertainty, and momenta in checkpoints only.
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
    """Return frames 0.1 ps apart in character: sites shaken, lithium walking."""
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


def write_ours(frames: list[Atoms], path: Path) -> None:
    """Write and pack a trajectory."""
    writer = TrajectoryWriter(path.with_suffix(".open"), frames[0])
    for i, atoms in enumerate(frames):
        writer.append(atoms, step=i, time_fs=float(i), temperature_K=300.0, potential_energy_eV=0.0)
        if i % 10 == 9:
            writer.flush()
    writer.flush()
    pack(path.with_suffix(".open"), path)


def read_ours(path: Path) -> int:
    """Stream all positions."""
    with Trajectory(path) as trajectory:
        return sum(len(block.positions) for block in trajectory.iter_blocks(50))


def write_ase(frames: list[Atoms], path: Path) -> None:
    """Write with ASE's binary trajectory."""
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
    """Time one call."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def main() -> None:
    """Print one line per format, and the ratios to ours."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="2,000 atoms and 40 frames")
    quick = parser.parse_args().quick
    n_atoms, n_frames = (2_000, 40) if quick else (20_000, 200)
    frames = hot_solid(n_atoms, n_frames)
    # Text is slow: fewer frames give the same rate.
    formats = {
        "interphase_flows": ("t.zarr.zip", write_ours, read_ours, frames),
        "ASE .traj": ("t.traj", write_ase, read_ase, frames),
        "extxyz": ("t.extxyz", write_xyz, read_xyz, frames[:20]),
    }
    print(f"{n_atoms} atoms, {n_frames} frames")
    columns = ("B/atom-frame", "write frames/s", "read frames/s", "size / ours", "ours / read")
    print(f"{'':18}" + "".join(f"{column:>16}" for column in columns))
    ours: tuple[float, float] | None = None
    for name, (file, write, read, some) in formats.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / file
            write_s = seconds(lambda write=write, some=some, path=path: write(some, path))
            read_s = min(seconds(lambda read=read, path=path: read(path)) for _ in range(3))
            size = path.stat().st_size / (n_atoms * len(some))
        rate = len(some) / read_s
        ours = ours or (size, rate)
        print(
            f"{name:18}{size:16.2f}{len(some) / write_s:16.0f}{rate:16.0f}"
            f"{size / ours[0]:16.2f}{ours[1] / rate:16.2f}"
        )


if __name__ == "__main__":
    main()
