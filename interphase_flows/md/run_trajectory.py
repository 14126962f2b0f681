"""Trajectory of a run over all its segments."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from interphase_flows.analysis.io.zarr_trajectory import Trajectory
from interphase_flows.exceptions import DynamicsError


class RunFrames(AbstractContextManager["RunFrames"]):
    """Frames of the packed trajectories of consecutive segments, in order of time, unwrapped across segments.

    Empty segments are skipped.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        opened = [Trajectory(path) for path in paths]
        self._parts = [part for part in opened if part.n_frames]
        for part in opened:
            if not part.n_frames:
                part.close()
        if not self._parts:
            raise DynamicsError("the run has no frames. Hint: see the stop reasons of its segments")
        self._starts = np.cumsum([0, *(part.n_frames for part in self._parts)])
        self._cells = np.concatenate([np.asarray(part.cell) for part in self._parts])
        first = self._parts[0]
        self.n_frames, self.n_atoms = int(self._starts[-1]), first.n_atoms
        self.numbers: NDArray[np.integer] = np.asarray(first.numbers)
        self.side: NDArray[np.integer] | None = first.side
        """Initial side of each atom: 0 electrode, 1 electrolyte, (n_atoms,); None if unknown."""
        self.time_fs: NDArray[np.float64] = np.concatenate([np.asarray(part.time_fs) for part in self._parts])

    @property
    def temperature_K(self) -> NDArray[np.float64]:
        """Kinetic temperature, (n_frames,)."""
        return np.concatenate([np.asarray(part.temperature_K) for part in self._parts])

    @property
    def potential_energy_eV(self) -> NDArray[np.float64]:
        """Potential energy of the first member of the committee, (n_frames,)."""
        return np.concatenate([np.asarray(part.potential_energy_eV) for part in self._parts])

    def positions(self, frame: int, /) -> NDArray[np.float64]:
        """Return unwrapped positions in Å, (n_atoms, 3)."""
        frame = range(self.n_frames)[frame]
        part = int(np.searchsorted(self._starts, frame, side="right")) - 1
        return np.asarray(self._parts[part].positions(int(frame - self._starts[part])))

    def cell(self, frame: int, /) -> NDArray[np.float64]:
        """Return the cell in Å, rows are vectors, (3, 3)."""
        return np.asarray(self._cells[frame])

    def atoms(self, frame: int) -> Atoms:
        """Return one frame, unwrapped, with its time in ``info``."""
        atoms = Atoms(self.numbers, self.positions(frame), cell=self.cell(frame), pbc=True)
        atoms.info["time_fs"] = float(self.time_fs[frame])
        if self.side is not None:
            atoms.set_array("side", np.asarray(self.side))
        return atoms

    def close(self) -> None:
        """Close the files."""
        for part in self._parts:
            part.close()

    def __exit__(self, *exception: object) -> None:
        self.close()
