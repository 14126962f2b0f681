"""Checkpoints of molecular dynamics: the complete state of a run in one file with a checksum.

A checkpoint is a zip of .npy arrays (``numpy.load`` opens it) with the SHA-256 of its content. It is written
atomically, and the previous one is kept, so that an intact checkpoint survives a kill at any moment.
"""

import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from ase import Atoms

from interphase_flows.analysis.io.npz import open_npz
from interphase_flows.exceptions import CorruptArtifactError, InputError, StorageError
from interphase_flows.md.dynamics import constrain_centre_of_mass
from interphase_flows.runtime.atomic_files import LEFTOVER_PREFIX, write_bytes_atomic
from interphase_flows.runtime.fencing import before_write
from interphase_flows.schemas.segment import StopReason

_KEPT = 2
_NAME = re.compile(r"checkpoint-(\d+)\.npz")
_STATE_ARRAYS = ("positions", "momenta", "cell", "numbers", "masses", "pbc")
_HEAD = ("step", "time_fs", "n_frames", "generator_state", "metadata")
_HASH = "sha256"

BIT_GENERATORS: dict[str, Callable[[], np.random.BitGenerator]] = {
    each.__name__: each
    for each in (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64)
}

GeneratorState = dict[str, Any]
"""``bit_generator.state`` of NumPy, whose keys depend on the generator."""


class Clock(TypedDict):
    """Step and time at the last change of the time step."""

    step: int
    time_fs: float
    timestep_fs: float


class EndRecord(TypedDict):
    """Reason and step at which a segment ended."""

    stop_reason: StopReason
    stop_step: int
    detail: str


class SegmentMetadata(TypedDict, total=False):
    """Metadata of the segment that a checkpoint records."""

    segment: str
    first_step: int
    clock: Clock
    candidates: dict[str, float]
    ended: EndRecord | None
    wall_time_s: float
    evaluation: str
    start_relaxation: dict[str, float]
    reference: dict[str, Any]
    earlier_stresses_GPa: list[float]
    trajectory_sha256: str


@dataclass
class Checkpoint:
    """State of a run between two steps; per-atom arrays are (n_atoms, ...)."""

    positions: np.ndarray
    """(n_atoms, 3), unwrapped, Å."""
    momenta: np.ndarray
    """(n_atoms, 3), in ASE's unit."""
    cell: np.ndarray
    """(3, 3), rows are vectors, Å."""
    numbers: np.ndarray
    masses: np.ndarray
    pbc: np.ndarray
    step: int
    """Since the start of the run, not of the segment, as `time_fs`."""
    time_fs: float
    n_frames: int
    """In the trajectory of the segment."""
    generator_state: GeneratorState
    per_atom: dict[str, np.ndarray] = field(default_factory=dict)
    """Constant arrays, such as ``side`` (electrode or electrolyte)."""
    records: dict[str, np.ndarray] = field(default_factory=dict)
    """Observations in this segment: uncertainty and temperature by step."""
    metadata: SegmentMetadata = field(default_factory=SegmentMetadata)

    def atoms(self) -> Atoms:
        """Return the atoms with momenta and a constrained centre of mass, without a calculator."""
        atoms = Atoms(numbers=self.numbers, positions=self.positions, cell=self.cell, pbc=self.pbc, masses=self.masses)
        # set_momenta would project the momenta again, which may change their last bits
        atoms.set_array("momenta", self.momenta.copy(), float, (3,))
        for name, values in self.per_atom.items():
            atoms.set_array(name, values)
        constrain_centre_of_mass(atoms)
        return atoms

    def generator(self) -> np.random.Generator:
        """Return the random generator in the state of the checkpoint."""
        bit_generator = BIT_GENERATORS[self.generator_state["bit_generator"]]()
        bit_generator.state = self.generator_state
        return np.random.Generator(bit_generator)

    def state_sha256(self) -> str:
        """Return the hash of what determines the trajectory: state, step and random stream, without observations."""
        head = {"step": self.step, "time_fs": self.time_fs, "generator_state": self.generator_state}
        return _digest(self.state_arrays(), json.dumps(head, sort_keys=True))

    def state_arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that determine the trajectory, by their names in the file."""
        arrays = {name: np.asarray(getattr(self, name)) for name in _STATE_ARRAYS}
        return arrays | {f"per_atom/{name}": np.asarray(values) for name, values in self.per_atom.items()}


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint, and delete all but the newest two in its folder.

    The path is the folder of the segment, where the file is ``checkpoint-<step>.npz``, or the file itself.
    """
    if path.suffix != ".npz":
        path = path / f"checkpoint-{checkpoint.step:012d}.npz"
    arrays = checkpoint.state_arrays()
    arrays |= {f"records/{name}": np.asarray(values) for name, values in checkpoint.records.items()}
    head = json.dumps({name: getattr(checkpoint, name) for name in _HEAD}, sort_keys=True)
    stored = arrays | {"head": np.array(head), _HASH: np.array(_digest(arrays, head))}
    write_checkpoint_file(path, pack_arrays(stored))
    for old in checkpoint_paths(path.parent)[_KEPT:]:
        old.unlink()
    return path


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and verify its checksum.

    Raises StorageError if the file does not exist, CorruptArtifactError if it is truncated or altered.
    """
    try:
        arrays = read_arrays(path)
    except FileNotFoundError as error:
        raise StorageError(f"there is no checkpoint {path}. Hint: start the run from a structure") from error
    except CorruptArtifactError as error:
        raise CorruptArtifactError(f"checkpoint {error}. Hint: use the previous one") from error
    head, expected = str(arrays.pop("head", "")), str(arrays.pop(_HASH, ""))
    if _digest(arrays, head) != expected:
        raise CorruptArtifactError(f"the checksum of checkpoint {path} is wrong. Hint: use the previous one")
    groups: dict[str, dict[str, np.ndarray]] = {"per_atom": {}, "records": {}}
    for name in [name for name in arrays if "/" in name]:
        group, key = name.split("/", 1)
        groups[group][key] = arrays.pop(name)
    try:
        fields: dict[str, Any] = {**arrays, **groups, **json.loads(head)}
        checkpoint = Checkpoint(**fields)
        checkpoint.generator()
    except (ValueError, TypeError, KeyError) as error:  # the file of another program
        raise CorruptArtifactError(f"{path} is not a checkpoint ({error}). Hint: use the previous one") from error
    return checkpoint


def read_latest_checkpoint(folder: Path, segment: str | None = None) -> tuple[Checkpoint, Path, list[str]] | None:
    """Return the newest intact checkpoint of a folder, its path and notes on damaged ones; None if there is none.

    Partial files are deleted. With ``segment``, a checkpoint of another segment counts as damaged.

    Raises
    ------
    CorruptArtifactError
        All checkpoints are damaged.
    InputError
        All intact checkpoints are of another segment; the folder does not change.
    """
    if not folder.is_dir():
        return None
    for partial in folder.glob(f"{LEFTOVER_PREFIX}*"):
        partial.unlink()
    damaged: dict[Path, str] = {}
    is_foreign = False
    for path in checkpoint_paths(folder):
        try:
            checkpoint = read_checkpoint(path)
        except CorruptArtifactError as error:
            damaged[path] = str(error)
            continue
        if segment in (None, checkpoint.metadata.get("segment")):
            for each in damaged:  # renamed, so that they do not count among the two that are kept
                each.rename(each.with_suffix(".corrupt"))
            return checkpoint, path, [f"used the previous checkpoint: {reason}" for reason in damaged.values()]
        is_foreign = True
        damaged[path] = f"checkpoint {path} belongs to another segment"
    if is_foreign:
        raise InputError(
            f"{folder} belongs to another segment. Hint: use one folder per segment, with the same start and settings "
            "to resume it; if the folder is in `work` of a campaign, delete it and resume"
        )
    if damaged:
        raise CorruptArtifactError(f"all checkpoints in {folder} are damaged. Hint: empty the folder to start again")
    return None


def checkpoint_paths(folder: Path) -> list[Path]:
    """Return the paths of the checkpoints of a folder, newest first."""
    found = [(int(match[1]), path) for path in folder.glob("*.npz") if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz file; raise FileNotFoundError, or CorruptArtifactError if it is damaged."""
    content = path.read_bytes()
    try:
        with open_npz(content) as stored:
            return {name: stored[name] for name in stored.files}
    except Exception as error:  # its type depends on the damaged byte: of zipfile, zlib, struct, numpy
        raise CorruptArtifactError(f"{path} cannot be read ({type(error).__name__}: {error})") from error


def write_checkpoint_file(path: Path, content: bytes) -> None:
    """Write a file atomically; raise LeaseLostError if another process has the lease of the work."""
    before_write()
    write_bytes_atomic(path, content)


def sync_path(path: Path) -> None:
    """Flush a file or the entries of a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def pack_arrays(arrays: dict[str, np.ndarray]) -> bytes:
    """Return an .npz whose bytes depend on the arrays alone (``numpy.savez`` stores the time)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return buffer.getvalue()


def _digest(arrays: dict[str, np.ndarray], head: str) -> str:
    """Return the hash of names, types, shapes and bytes."""
    sha256 = hashlib.sha256(head.encode())
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        sha256.update(f"{name} {values.dtype.str} {values.shape}".encode())
        sha256.update(values.tobytes())
    return sha256.hexdigest()
