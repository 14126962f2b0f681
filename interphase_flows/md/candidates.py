"""Candidates for labelling: the most uncertain frames of a segment, stored on disk as they occur.

Frames close in time are similar, so each window of steps keeps at most one candidate. A candidate's file is deleted
only when neither of the stored checkpoints refers to it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from interphase_flows.analysis.io.npz import open_npz
from interphase_flows.exceptions import CorruptArtifactError
from interphase_flows.md.checkpoint import pack_arrays, read_arrays, write_checkpoint_file

_HINT = "Hint: empty the folder of the segment and run it again"


@dataclass
class Candidate:
    """A frame selected for labelling."""

    step: int
    uncertainty_eV_per_angstrom: float
    """Largest committee standard deviation of a force."""
    atoms: Atoms
    """The unwrapped frame with ``force_std_eV_per_angstrom`` and the per-atom arrays of the start."""


class CandidateFolder:
    """Store of the candidates of one segment, of which each window of steps keeps at most one.

    `kept` is the uncertainty by step of the candidates of a checkpoint.
    """

    def __init__(
        self, folder: Path, max_candidates: int, window_steps: int, kept: dict[int, float] | None = None
    ) -> None:
        self.folder = folder
        self.max_candidates = max_candidates
        self.window_steps = window_steps
        self.kept: dict[int, float] = dict(kept or {})

    def offer(self, step: int, uncertainty_eV_per_angstrom: float, atoms: Atoms, force_std: np.ndarray) -> None:
        """Store a frame if it is the most uncertain of its window, and the window is among the most uncertain."""
        window = step // self.window_steps
        rival = next((s for s in self.kept if s // self.window_steps == window), None)
        if rival is not None and self.kept[rival] >= uncertainty_eV_per_angstrom:
            return
        if rival is None and len(self.kept) >= self.max_candidates:
            rival = min(self.kept, key=lambda s: (self.kept[s], -s))
            if self.kept[rival] >= uncertainty_eV_per_angstrom:
                return
        if rival is not None:
            del self.kept[rival]
        self.kept[step] = uncertainty_eV_per_angstrom
        arrays = {f"per_atom/{name}": values for name, values in atoms.arrays.items()}
        arrays |= {
            "per_atom/force_std_eV_per_angstrom": force_std,
            "cell": atoms.cell.array,
            "pbc": atoms.pbc,
        }
        write_checkpoint_file(self._path(step), pack_arrays(arrays))

    def sweep(self, in_previous_checkpoint: Iterable[int]) -> None:
        """Delete files of frames that are neither candidates nor referred to by the previous checkpoint."""
        needed = {self._path(step) for step in (*self.kept, *in_previous_checkpoint)}
        for path in self.folder.glob("*.npz"):
            if path not in needed:
                path.unlink()

    def load(self) -> list[Candidate]:
        """Read the candidates, in order of time."""
        return [Candidate(step, self.kept[step], self._read(step)) for step in sorted(self.kept)]

    def _path(self, step: int) -> Path:
        return self.folder / f"candidate-{step:012d}.npz"

    def _read(self, step: int) -> Atoms:
        path = self._path(step)
        try:
            arrays = read_arrays(path)
            # a file of another segment, or of an earlier attempt, has another uncertainty
            is_own = arrays["per_atom/force_std_eV_per_angstrom"].max() == self.kept[step]
        except (OSError, KeyError, CorruptArtifactError) as error:
            raise CorruptArtifactError(f"candidate {path} cannot be read ({error}). {_HINT}") from error
        if not is_own:
            raise CorruptArtifactError(f"candidate {path} is not the one that the checkpoint records. {_HINT}")
        atoms = Atoms(
            numbers=arrays.pop("per_atom/numbers"),
            positions=arrays.pop("per_atom/positions"),
            cell=arrays.pop("cell"),
            pbc=arrays.pop("pbc"),
        )
        for name, values in arrays.items():
            atoms.set_array(name.removeprefix("per_atom/"), values)
        return atoms


def pack_candidates(candidates: Sequence[Candidate]) -> bytes:
    """Return the candidates of one run as a NumPy archive; equal candidates give equal bytes."""
    arrays = {
        "step": np.array([c.step for c in candidates]),
        "uncertainty": np.array([c.uncertainty_eV_per_angstrom for c in candidates]),
        "numbers": candidates[0].atoms.numbers,
        "positions": np.array([c.atoms.positions for c in candidates]),
        "cell": np.array([np.asarray(c.atoms.cell) for c in candidates]),
    }
    for name in ("force_std_eV_per_angstrom", "side"):
        if name in candidates[0].atoms.arrays:
            arrays[name] = np.array([c.atoms.arrays[name] for c in candidates])
    return pack_arrays(arrays)


def unpack_candidates(data: bytes) -> list[Candidate]:
    """Read the candidates written by :func:`pack_candidates`."""
    with open_npz(data) as archive:
        arrays = {name: archive[name] for name in archive.files}
    result = []
    for index in range(len(arrays["step"])):
        atoms = Atoms(arrays["numbers"], arrays["positions"][index], cell=arrays["cell"][index], pbc=True)
        for name in ("force_std_eV_per_angstrom", "side"):
            if name in arrays:
                atoms.set_array(name, arrays[name][index])
        result.append(Candidate(int(arrays["step"][index]), float(arrays["uncertainty"][index]), atoms))
    return result
