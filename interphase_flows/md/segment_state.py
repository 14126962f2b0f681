"""State of a running segment: atoms, random generator, observations, trajectory; saving and resuming."""

import json
import shutil
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
from ase import Atoms

from interphase_flows.exceptions import StorageError
from interphase_flows.md.candidates import CandidateFolder
from interphase_flows.md.checkpoint import (
    Checkpoint,
    Clock,
    EndRecord,
    SegmentMetadata,
    checkpoint_paths,
    read_checkpoint,
    write_checkpoint,
)
from interphase_flows.md.dynamics import LangevinDynamics, constrain_centre_of_mass
from interphase_flows.md.trajectory_writer import TrajectoryWriter, damaged_frames
from interphase_flows.md.uncertainty_monitor import Observation, UncertaintyMonitor
from interphase_flows.runtime.atomic_files import LEFTOVER_PREFIX
from interphase_flows.schemas.segment import StopReason

_OWN_ARRAYS = ("positions", "momenta", "numbers", "masses")


class SegmentState:
    """State of a running segment.

    Created by :meth:`begin` or :meth:`resume`. :meth:`save` writes the frames before the checkpoint that counts them.
    """

    def __init__(
        self,
        folder: Path,
        atoms: Atoms,
        generator: np.random.Generator,
        step: int,
        metadata: SegmentMetadata,
        monitor: UncertaintyMonitor,
    ) -> None:
        self.folder = folder
        self.atoms = atoms
        self.generator = generator
        self.step = step
        self.metadata = metadata
        self.records: dict[str, list[float]] = {
            "step": [],
            "uncertainty_eV_per_angstrom": [],
            "temperature_K": [],
        }
        self.trajectory: TrajectoryWriter
        self.candidates = CandidateFolder(
            folder / "candidates",
            monitor.max_candidates,
            monitor.candidate_window_steps,
            {int(step): value for step, value in metadata["candidates"].items()},
        )
        self._previous_candidates = set(self.candidates.kept)
        self._wall_began_s = time.monotonic() - metadata["wall_time_s"]

    @classmethod
    def begin(
        cls,
        start: Atoms | Checkpoint,
        dynamics: LangevinDynamics,
        monitor: UncertaintyMonitor,
        seed: int | None,
        folder: Path,
        identity: str,
        keep_force_std: bool,
        evaluation: str,
    ) -> "SegmentState":
        """Start from a structure, or from the checkpoint of an earlier segment; the folder is emptied."""
        if isinstance(start, Checkpoint):
            atoms, generator, step = start.atoms(), start.generator(), start.step
            clock: Clock | None = start.metadata.get("clock")
            if clock is None or clock["timestep_fs"] != dynamics.timestep_fs:
                clock = {"step": step, "time_fs": start.time_fs, "timestep_fs": dynamics.timestep_fs}
        else:
            atoms, generator, step = start.copy(), np.random.default_rng(seed), 0
            constrain_centre_of_mass(atoms)
            atoms.set_masses(atoms.get_masses())  # explicit, as in a checkpoint
            dynamics.draw_momenta(atoms, generator)
            clock = {"step": 0, "time_fs": 0.0, "timestep_fs": dynamics.timestep_fs}
        metadata: SegmentMetadata = {
            "segment": identity,
            "first_step": step,
            "clock": clock,
            "candidates": {},
            "ended": None,
            "wall_time_s": 0.0,
            "evaluation": evaluation,
        }
        if isinstance(start, Checkpoint) and "reference" in start.metadata:
            metadata["reference"] = start.metadata["reference"]
        _empty(folder)
        state = cls(folder, atoms, generator, step, metadata, monitor)
        state.trajectory = TrajectoryWriter(folder / "trajectory", atoms, keep_force_std=keep_force_std)
        return state

    @classmethod
    def resume(cls, checkpoint: Checkpoint, folder: Path, monitor: UncertaintyMonitor) -> "SegmentState":
        """Resume a segment from its own checkpoint; later frames and candidates are discarded.

        Raises StorageError if frames or candidates are not those that the checkpoint records.
        """
        atoms, generator = checkpoint.atoms(), checkpoint.generator()
        state = cls(folder, atoms, generator, checkpoint.step, checkpoint.metadata, monitor)
        state.records = {name: values.tolist() for name, values in checkpoint.records.items()}
        state.trajectory = TrajectoryWriter.reopen(folder / "trajectory", checkpoint.n_frames)
        state.check_trajectory(checkpoint)
        state.candidates.load()
        return state

    @property
    def first_step(self) -> int:
        """First step of the segment, counted from the start of the run."""
        return int(self.metadata["first_step"])

    @property
    def time_fs(self) -> float:
        """Time since the start of the run in fs; a product and not a sum, so that restarts do not change it."""
        clock = self.metadata["clock"]
        return float(clock["time_fs"] + (self.step - clock["step"]) * clock["timestep_fs"])

    def end(self, stop_reason: StopReason, detail: str) -> EndRecord:
        """Return why the segment ends at this step."""
        return {"stop_reason": stop_reason, "stop_step": self.step, "detail": detail}

    def record(self, observation: Observation, temperature_K: float, cell: dict[str, float]) -> None:
        """Record an observation with observables of the cell, and store the frame if it is selected."""
        self.records["step"].append(self.step)
        self.records["uncertainty_eV_per_angstrom"].append(observation.uncertainty_eV_per_angstrom)
        self.records["temperature_K"].append(temperature_K)
        for name, value in cell.items():
            self.records.setdefault(name, []).append(value)
        if observation.selected:
            self.candidates.offer(
                self.step,
                observation.uncertainty_eV_per_angstrom,
                self.atoms,
                observation.force_std_eV_per_angstrom,
            )

    def save(self, ended: EndRecord | None = None) -> Path:
        """Write frames and a checkpoint of this step; ``ended`` is the end of a segment that has ended."""
        self.trajectory.flush()
        atoms = self.atoms
        checkpoint = Checkpoint(
            positions=atoms.get_positions(),
            momenta=atoms.get_momenta(),
            cell=atoms.cell.array.copy(),
            numbers=atoms.numbers.copy(),
            masses=atoms.get_masses(),
            pbc=atoms.pbc.copy(),
            step=self.step,
            time_fs=self.time_fs,
            n_frames=self.trajectory.n_frames,
            generator_state=dict(self.generator.bit_generator.state),
            per_atom={name: values.copy() for name, values in atoms.arrays.items() if name not in _OWN_ARRAYS},
        )
        path = self._write(checkpoint, ended)
        # the previous checkpoint may still be needed
        self.candidates.sweep(self._previous_candidates)
        self._previous_candidates = set(self.candidates.kept)
        return path

    def end_at_last_checkpoint(self, ended: EndRecord) -> Path:
        """End a failed segment at its last checkpoint; later frames are discarded, observations are kept."""
        path = checkpoint_paths(self.folder)[0]
        checkpoint = read_checkpoint(path)
        self.trajectory.truncate(checkpoint.n_frames)
        self.check_trajectory(checkpoint)
        return self._write(checkpoint, ended)

    def check_trajectory(self, checkpoint: Checkpoint) -> None:
        """Raise StorageError if the frames on disk are not those that a checkpoint records."""
        if self.trajectory.sha256() != checkpoint.metadata.get("trajectory_sha256"):
            raise StorageError(damaged_frames(self.trajectory.folder))

    def _write(self, checkpoint: Checkpoint, ended: EndRecord | None) -> Path:
        checkpoint.records = {
            name: np.array(values, dtype=np.int64 if name == "step" else float) for name, values in self.records.items()
        }
        checkpoint.metadata = self.metadata | {
            "candidates": {str(step): value for step, value in self.candidates.kept.items()},
            "ended": ended,
            "wall_time_s": time.monotonic() - self._wall_began_s,
            "trajectory_sha256": self.trajectory.sha256(),
        }
        return write_checkpoint(self.folder, checkpoint)


def segment_identity(start: Atoms | Checkpoint, *settings: object) -> str:
    """Return the hash of the start and settings of a segment, without the committee."""
    if isinstance(start, Checkpoint):
        origin = start.state_sha256()
    else:
        bytes_ = [start.positions, start.numbers, start.cell.array, start.pbc, start.get_masses()]
        origin = sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in bytes_)).hexdigest()
    return sha256(json.dumps([origin, *settings], sort_keys=True).encode()).hexdigest()[:16]


def _empty(folder: Path) -> None:
    """Delete the files of an earlier attempt."""
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in ("checkpoint-*", "trajectory.zarr.zip*", "*.partial", f"{LEFTOVER_PREFIX}*"):
        for path in folder.glob(pattern):
            path.unlink()
    for name in ("trajectory", "candidates"):
        shutil.rmtree(folder / name, ignore_errors=True)
