"""Measure the speed and memory of the interface analysis of one trajectory, and compare with the goals.

Run: ``OMP_NUM_THREADS=1 python benchmarks/full_analysis.py [--frames 2000]``. The trajectory has 20,000 atoms of lithium
and Li7P3S11 that mix at the interfaces as the square root of time, in the format of this package. A separate process runs
all parts and reports its times and peak memory. It also labels the atoms of every frame, while the analysis labels 60.
``--frames 10000`` requires 6 GB of disk and half an hour, and shows whether memory grows with the trajectory.

Wall and CPU times are printed. Parts are identified by their progress; fits between two passes over the frames count for
the pass before them.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from interface_cell import ELECTRODE, ELECTROLYTE, MOVES_ANGSTROM, interface_cell
from phases import phase_model

from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.analysis.geometry.parallel import by_frame
from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.analysis.phases.atom_labels import label_atoms
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.results import Unavailable
from interphase_flows.md.trajectory_writer import TrajectoryWriter, pack
from interphase_flows.runtime.progress import ProgressEvent, listening

GOAL_PER_S, LIMIT_GB = 20.0, 2.0
THICK_ANGSTROM = {ELECTRODE: 62.0, ELECTROLYTE: 110.0}
LAST_THICKNESS_ANGSTROM = 24.0
FRAME_FS = 1000.0
FLUSH_EVERY = 8
IN_ALL, LABELS = "in all", "labels of every frame"


class GrowingInterphase:
    """Frames of two slabs that mix at both interfaces; the thickness grows as the square root of time."""

    def __init__(self, n_frames: int) -> None:
        self.n_frames = n_frames
        self.atoms = interface_cell(THICK_ANGSTROM)
        self.cell = self.atoms.cell[:].copy()
        height = face_distances(self.cell)[2]
        along = self.atoms.get_scaled_positions()[:, 2] * height
        n_electrode = int(np.argmax(self.atoms.numbers != 3))
        middle = along[:n_electrode].mean()
        half = 0.5 * np.ptp(along[:n_electrode])
        from_middle = (along - middle + height / 2) % height - height / 2
        self._outwards = np.abs(from_middle) - half
        self._direction = np.sign(from_middle)
        self._per_height = self.cell[2] / height
        self._phase = (0.6180339887 * np.arange(len(along))) % 1.0
        self._widths = np.array([MOVES_ANGSTROM[number] for number in self.atoms.numbers])[:, None]
        self._generator = np.random.default_rng(0)

    def frame(self, index: int) -> Atoms:
        """Return a frame; call in order, because the random numbers continue."""
        thick = LAST_THICKNESS_ANGSTROM * np.sqrt(index / max(1, self.n_frames - 1))
        normal = self._generator.standard_normal
        stirred = (self._phase + 0.05 * normal(len(self.atoms))) % 2.0
        stirred = np.minimum(stirred, 2.0 - stirred) - 0.5  # reflected at both boundaries
        now = np.where(np.abs(self._outwards) < thick / 2, stirred * thick, self._outwards)
        moved = self.atoms.copy()
        moved.positions += (self._direction * (now - self._outwards))[:, None] * self._per_height
        moved.positions += self._widths * normal(moved.positions.shape)
        return moved


def write(path: Path, n_frames: int) -> int:
    """Write the trajectory with a few frames in memory and return the number of atoms."""
    growing = GrowingInterphase(n_frames)
    folder = path.with_suffix(".open")
    writer = TrajectoryWriter(folder, growing.atoms)
    for index in range(n_frames):
        writer.append(
            growing.frame(index),
            step=index,
            time_fs=FRAME_FS * index,
            temperature_K=300.0,
            potential_energy_eV=0.0,
        )
        if index % FLUSH_EVERY == FLUSH_EVERY - 1:
            writer.flush()
    writer.flush()
    pack(folder, path)
    return len(growing.atoms)


class Stopwatch:
    """Wall and CPU seconds by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self._part, self._since = "", (time.perf_counter(), time.process_time())

    def on_progress(self, event: ProgressEvent) -> None:
        """Add the time since the last call to the stage of that call."""
        now = (time.perf_counter(), time.process_time())
        spent = self.seconds.setdefault(self._part or event.stage, [0.0, 0.0])
        for i in range(2):
            spent[i] += now[i] - self._since[i]
        self._part, self._since = event.stage, now


def analyse(path: Path) -> dict[str, object]:
    """Run all parts; return seconds by part and the peak memory in GB."""
    settings = InterfaceAnalysisSettings(composition_of(ELECTRODE), composition_of(ELECTROLYTE), 300.0)
    model = phase_model()
    watch = Stopwatch()
    with open_trajectory(path) as frames, listening(watch.on_progress):
        found = analyse_interface(frames, settings, stage="").parts
        watch.on_progress(ProgressEvent(LABELS, 0, frames.n_frames))
        numbers = frames.numbers
        for _ in by_frame(frames, range(frames.n_frames), lambda x, c: label_atoms(x, c, numbers, model)):
            pass
        watch.on_progress(ProgressEvent(LABELS, frames.n_frames, frames.n_frames))
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return {
        "seconds": watch.seconds,
        "peak_GB": int(peak[1]) * 1024 / 1e9 if peak else float("nan"),
        "unavailable": {name: str(part) for name, part in found.items() if isinstance(part, Unavailable)},
    }


def main() -> None:
    """Print frames per second by part and in all, the memory, and whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--analyse", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.analyse:
        print(json.dumps(analyse(arguments.analyse)))
        return
    n_frames = arguments.frames
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "growing.zarr.zip"
        n_atoms = write(path, n_frames)
        print(f"{n_atoms} atoms, {n_frames} frames, {path.stat().st_size / 1e9:.2f} GB on disk")
        command = [sys.executable, __file__, "--analyse", str(path)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    report = json.loads(done.stdout)
    for part, reason in report["unavailable"].items():
        print(f"{part}: unavailable, {reason}")
    print(f"{'frames/s':24}{'wall time':>16}{'CPU time':>18}")
    parts = {part: seconds for part, seconds in report["seconds"].items() if part != LABELS}
    rows = {**parts, IN_ALL: np.sum(list(parts.values()), axis=0).tolist(), LABELS: report["seconds"][LABELS]}
    for part, (wall_s, cpu_s) in rows.items():
        print(f"{part.strip():24}{n_frames / wall_s:16.1f}{n_frames / cpu_s:18.1f}")
    print(f"load of the machine {os.getloadavg()[0]:.1f}")
    rate, peak = n_frames / rows[IN_ALL][0], report["peak_GB"]
    print(f"goal: {GOAL_PER_S:g} frames/s in all; {'met' if rate >= GOAL_PER_S else 'missed'}")
    print(f"peak memory {peak:.2f} GB; limit {LIMIT_GB:g} GB; {'met' if peak < LIMIT_GB else 'exceeded'}")


if __name__ == "__main__":
    main()
