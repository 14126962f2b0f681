"""Time and memory of `interphase import` on many frames, against reading the file with ASE alone.

Run: ``OMP_NUM_THREADS=1 python benchmarks/import_labels.py [--frames 10000]``. Frames are rattled crystals of Li, P and S
of 50 to 100 atoms with random labels; all gates and the comparison of the labels with each other run, then the page is
written.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import iread, write

from interphase_flows.structures.crystals.library import load_phase
from interphase_flows.structures.crystals.perturb import repeated

CRYSTALS = ("Li7P3S11", "Li3PS4", "Li2S", "Li3P", "LiP")
MIN_ATOMS, N_TRAJECTORIES = 50, 200


def random_labels(n_frames: int) -> list[Atoms]:
    """Return frames whose labels no gate rejects: energies near a common one, forces without a sum."""
    generator = np.random.default_rng(1)
    cells = [repeated(load_phase(name), MIN_ATOMS) for name in CRYSTALS]
    frames = []
    for number in range(n_frames):
        cell = cells[number % len(cells)]
        atoms = Atoms(cell.numbers, positions=cell.positions, cell=cell.cell, pbc=True)
        atoms.rattle(0.08, rng=generator)
        forces = generator.normal(0.0, 0.6, atoms.positions.shape)
        atoms.arrays["REF_forces"] = forces - forces.mean(axis=0)
        atoms.info = {
            "REF_energy": len(atoms) * (-4.0 + generator.normal(0.0, 0.01)),
            "REF_stress": generator.normal(0.0, 0.01, 6),
            "trajectory": f"run {number % N_TRAJECTORIES}",
        }
        frames.append(atoms)
    return frames


def main() -> None:
    """Print the times, their ratio and the peak memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "labels.extxyz"
        write(path, random_labels(options.frames))
        began = time.perf_counter()
        n_atoms = sum(len(atoms) for atoms in iread(path, index=":"))
        read_s = time.perf_counter() - began
        command = [sys.executable, "-m", "interphase_flows.cli", "import", str(path)]
        process = subprocess.Popen(
            [*command, "--reference", "chgnet", "--to", str(Path(name) / "imported")], stderr=subprocess.DEVNULL
        )
        began = time.perf_counter()
        _, status, usage = os.wait4(process.pid, 0)
        import_s = time.perf_counter() - began
        if os.waitstatus_to_exitcode(status) != 0:
            raise SystemExit("the import failed")
    print(
        f"{options.frames} frames of {n_atoms / options.frames:.0f} atoms: {import_s:.0f} s, {import_s / read_s:.1f} "
        f"times the time that ASE takes to read them; {usage.ru_maxrss / 1e6:.2f} GB of memory"
    )


if __name__ == "__main__":
    main()
