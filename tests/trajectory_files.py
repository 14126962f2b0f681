"""Write one synthetic trajectory in every readable format, wrapped and unwrapped."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from ase import Atoms
from ase.data import chemical_symbols
from ase.io import write
from ase.io.trajectory import TrajectoryWriter as AseTrajectoryWriter

from interphase_flows.analysis.geometry.frames import ArrayFrames
from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.exceptions import AnalysisError
from interphase_flows.md.trajectory_writer import TrajectoryWriter, pack

CELL = np.array([[9.0, 0.0, 0.0], [3.0, 8.0, 0.0], [-2.5, 3.5, 14.0]])
STEP_FS, STEPS_PER_FRAME = 2.0, 50
INTERVAL_FS = STEP_FS * STEPS_PER_FRAME
TYPES = {1: "Li", 2: "P", 3: "S"}
TYPE_OF = {3: 1, 15: 2, 16: 3}
ORIGIN = np.array([-1.25, 0.5, 3.0])


def planted(n_frames: int = 30, n_atoms: int = 48, *, breathing: bool = False, seed: int = 0) -> ArrayFrames:
    """Return atoms that diffuse out of a triclinic cell; the first frame is inside it, species are in blocks."""
    rng = np.random.default_rng(seed)
    steps = rng.uniform(-0.08, 0.08, (n_frames, n_atoms, 3)) + np.array([0.01, -0.012, 0.009])
    steps[0] = rng.uniform(0.02, 0.98, (n_atoms, 3))
    fractions = np.cumsum(steps, axis=0)
    strain = 0.02 * np.sin(np.arange(n_frames)) if breathing else np.zeros(n_frames)
    cells = (1.0 + strain)[:, None, None] * CELL
    numbers = np.sort(rng.choice([3, 15, 16], n_atoms))
    time_fs = INTERVAL_FS * np.arange(n_frames)
    return ArrayFrames(numbers, time_fs, fractions @ cells, cells)


def wrapped(truth: ArrayFrames) -> ArrayFrames:
    """Return the frames with every atom wrapped into the cell."""
    fractions = truth.all_positions @ np.linalg.inv(truth.cells)
    return ArrayFrames(truth.numbers, truth.time_fs, fractions % 1.0 @ truth.cells, truth.cells)


@dataclass(frozen=True)
class Written:
    """A file and the arguments that its reader requires."""

    path: Path
    arguments: dict[str, object]


def lammps(path: Path, truth: ArrayFrames, columns: str, *, seed: int = 1, general: bool = False) -> Written:
    """Write a dump with the given columns and the atoms in random order in every frame."""
    rng = np.random.default_rng(seed)
    with path.open("w") as file:
        for frame in range(truth.n_frames):
            cell = truth.cells[frame]
            fractions = truth.all_positions[frame] @ np.linalg.inv(cell)
            images = np.floor(fractions).astype(int)
            table = {
                "x": (fractions - images) @ cell + ORIGIN,
                "xs": fractions - images,
                "xu": truth.all_positions[frame] + ORIGIN,
                "xsu": fractions,
            }
            names = columns.split()
            axes = [f"{axis}{names[0][1:]}" for axis in "xyz"] + (["ix", "iy", "iz"] if "ix" in names else [])
            file.write(f"ITEM: TIMESTEP\n{frame * STEPS_PER_FRAME}\nITEM: NUMBER OF ATOMS\n{truth.n_atoms}\n")
            file.write(_bounds(cell, general))
            file.write(f"ITEM: ATOMS id type {' '.join(axes)}\n")
            for atom in rng.permutation(truth.n_atoms):
                x, y, z = table[names[0]][atom]
                flags = " {} {} {}".format(*images[atom]) if "ix" in names else ""
                kind = TYPE_OF[int(truth.numbers[atom])]
                file.write(f"{atom + 1} {kind} {x:.10f} {y:.10f} {z:.10f}{flags}\n")
    return Written(path, {"time_step_fs": STEP_FS, "elements": TYPES})


def _bounds(cell: np.ndarray, general: bool) -> str:
    if general:
        rows = "".join("{:.10f} {:.10f} {:.10f} ".format(*cell[k]) + f"{ORIGIN[k]}\n" for k in range(3))
        return f"ITEM: BOX BOUNDS abc origin pp pp pp\n{rows}"
    xy, xz, yz = cell[1, 0], cell[2, 0], cell[2, 1]
    low = ORIGIN + np.array([min(0, xy, xz, xy + xz), min(0, yz), 0])
    high = ORIGIN + np.diag(cell) + np.array([max(0, xy, xz, xy + xz), max(0, yz), 0])
    rows = "".join(f"{low[k]:.12f} {high[k]:.12f} {tilt:.12f}\n" for k, tilt in enumerate((xy, xz, yz)))
    return f"ITEM: BOX BOUNDS xy xz yz pp pp pp\n{rows}"


def xdatcar(path: Path, truth: ArrayFrames, *, every_header: bool) -> Written:
    """Write XDATCAR with the header once or above every frame."""
    distinct, counts = np.unique(truth.numbers, return_counts=True)
    symbols = "  ".join(chemical_symbols[number] for number in distinct)
    with path.open("w") as file:
        for frame in range(truth.n_frames):
            if frame == 0 or every_header:
                rows = "".join("  {:.10f}  {:.10f}  {:.10f}\n".format(*row) for row in truth.cells[frame])
                file.write(f"planted\n  1.0\n{rows}  {symbols}\n  {'  '.join(map(str, counts))}\n")
            file.write(f"Direct configuration= {frame + 1:5d}\n")
            for row in truth.all_positions[frame] @ np.linalg.inv(truth.cells[frame]):
                file.write("  {:.10f}  {:.10f}  {:.10f}\n".format(*row))
    return Written(path, {"frame_interval_fs": INTERVAL_FS})


def atoms_of(truth: ArrayFrames) -> list[Atoms]:
    """Return the frames as ASE Atoms with their times."""
    return [
        Atoms(
            numbers=truth.numbers,
            positions=truth.all_positions[frame],
            cell=truth.cells[frame],
            pbc=True,
            info={"time_fs": float(truth.time_fs[frame])},
        )
        for frame in range(truth.n_frames)
    ]


def extxyz(path: Path, truth: ArrayFrames) -> Written:
    """Write extended XYZ with ASE."""
    write(path, atoms_of(truth), format="extxyz")
    return Written(path, {})


def traj(path: Path, truth: ArrayFrames) -> Written:
    """Write an ASE trajectory."""
    with AseTrajectoryWriter(str(path)) as writer:
        for atoms in atoms_of(truth):
            writer.write(atoms)
    return Written(path, {})


def h5md(path: Path, truth: ArrayFrames, *, images: bool = False) -> Written:
    """Write H5MD in nm and ps with linear steps and times."""
    with h5py.File(path, "w") as file:
        group = file.create_group("particles/all")
        fractions = truth.all_positions @ np.linalg.inv(truth.cells)
        image_flags = np.floor(fractions)
        positions = (fractions - image_flags) @ truth.cells if images else truth.all_positions
        group["position/value"] = positions / 10.0
        group["position/value"].attrs["unit"] = "nm"
        group["position/step"] = STEPS_PER_FRAME
        group["position/time"] = INTERVAL_FS / 1000.0
        group["position/time"].attrs["unit"] = "ps"
        group["box/edges/value"] = truth.cells / 10.0
        group["box/edges/value"].attrs["unit"] = "nm"
        group["box"].attrs["boundary"] = ["periodic"] * 3
        kinds = h5py.enum_dtype({"Li": 3, "P": 15, "S": 16}, basetype="i")
        group.create_dataset("species", data=truth.numbers, dtype=kinds)
        if images:
            group["image/value"] = image_flags.astype(int)
    return Written(path, {})


def campaign_run(path: Path, truth: ArrayFrames) -> Written:
    """Write a packed trajectory of this package."""
    frames = atoms_of(truth)
    writer = TrajectoryWriter(path.with_suffix(".open"), frames[0])
    for frame, atoms in enumerate(frames):
        writer.append(
            atoms,
            step=frame * STEPS_PER_FRAME,
            time_fs=float(truth.time_fs[frame]),
            temperature_K=300.0,
            potential_energy_eV=0.0,
        )
    writer.flush()
    return Written(pack(path.with_suffix(".open"), path), {})


WRITERS: dict[str, Callable[[Path, ArrayFrames], Written]] = {
    # writers of a folder and the unwrapped frames, by format
    "LAMMPS x": lambda p, t: lammps(p / "x.dump", t, "x"),
    "LAMMPS xs": lambda p, t: lammps(p / "xs.dump", t, "xs"),
    "LAMMPS xu": lambda p, t: lammps(p / "xu.dump", t, "xu"),
    "LAMMPS xsu": lambda p, t: lammps(p / "xsu.dump", t, "xsu"),
    "LAMMPS x ix": lambda p, t: lammps(p / "images.dump", t, "x ix"),
    "LAMMPS xs ix": lambda p, t: lammps(p / "images.dump", t, "xs ix"),
    "LAMMPS general": lambda p, t: lammps(p / "general.dump", t, "x", general=True),
    "XDATCAR": lambda p, t: xdatcar(p / "XDATCAR", wrapped(t), every_header=True),
    "XDATCAR unwrapped": lambda p, t: xdatcar(p / "XDATCAR", t, every_header=True),
    "extxyz": lambda p, t: extxyz(p / "t.extxyz", t),
    "extxyz wrapped": lambda p, t: extxyz(p / "t.extxyz", wrapped(t)),
    "traj": lambda p, t: traj(p / "t.traj", t),
    "traj wrapped": lambda p, t: traj(p / "t.traj", wrapped(t)),
    "H5MD": lambda p, t: h5md(p / "t.h5", t),
    "H5MD wrapped": lambda p, t: h5md(p / "t.h5", wrapped(t)),
    "H5MD image": lambda p, t: h5md(p / "t.h5", t, images=True),
    "own": lambda p, t: campaign_run(p / "t.zarr.zip", t),
}


def assert_read_error(path, match, **arguments):
    """Assert that reading all frames raises an error that matches and names the file."""
    with pytest.raises(AnalysisError, match=match) as caught:
        read_all(path, **arguments)
    assert path.name in str(caught.value)


def read_all(path, **arguments):
    """Read every frame of a trajectory and return the closed trajectory."""
    with open_trajectory(path, **arguments) as frames:
        for frame in range(frames.n_frames):
            frames.positions(frame)
        return frames
