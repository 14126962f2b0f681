"""Reader of ASE trajectories (.traj).

A file of a killed run contains the frames of its index. ASE dynamics do not wrap positions. Dynamics that are appended in
legs write the last frame of a leg again; without times it is recognised by its positions.
"""

from pathlib import Path

import numpy as np
from ase.io import ulm
from ase.io.trajectory import TrajectoryReader

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.io.frame_labels import labels_of
from interphase_flows.analysis.io.reader import READ_ERRORS, Reader
from interphase_flows.analysis.io.species import check_same_atoms
from interphase_flows.exceptions import AnalysisError

TRAJ_ERRORS = (*READ_ERRORS, AssertionError)


class AseTraj(Reader):
    """Frames of a .traj.

    ``frame_interval_fs`` is required unless frames have ``time_fs`` or ``time_ps`` in their info.
    """

    @staticmethod
    def recognises(path: Path, head: bytes) -> bool:
        """Return whether a file is in ASE's ULM format."""
        return head.startswith(b"- of Ulm")

    def open(self) -> None:
        """Index the frames."""
        try:
            # ASE leaves a file open that it cannot read
            file = self.resources.enter_context(self.source.open("rb"))
            self._reader = self.resources.enter_context(TrajectoryReader(file))
            n_stored = len(self._reader)
        except (*TRAJ_ERRORS, ulm.InvalidULMFileError) as error:
            raise AnalysisError(
                f"{self.path}: cannot be opened as an ASE trajectory ({error}): its index is truncated or damaged. "
                "Hint: copy the file again."
            ) from error
        self._n_stored = self._n_readable(n_stored)
        self.require_frames(self._n_stored)
        self.numbers = np.asarray(self._reader[0].numbers, dtype=np.int64)
        self.periodic = np.asarray(self._reader[0].pbc, dtype=bool)
        self._scan()

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å, (n_atoms, 3)."""
        try:
            atoms = self._reader[frame]
        except TRAJ_ERRORS as error:
            raise AnalysisError(f"{self.path}: frame {frame} is damaged ({error})") from error
        check_same_atoms(atoms.numbers, self.numbers, path=self.path, frame=frame, hint="write atoms in one order")
        return np.asarray(atoms.positions)

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return np.asarray(self._reader.backend[frame].cell, dtype=float)

    def is_identical(self, first: int, second: int) -> bool:
        """Return whether two stored frames have the same positions and cell."""
        a, b = self._reader.backend[first], self._reader.backend[second]
        return np.array_equal(a.positions, b.positions) and np.array_equal(a.cell, b.cell)

    def _n_readable(self, n_stored: int) -> int:
        """Return the number of frames up to the last readable one."""
        n_readable = n_stored
        while n_readable > 0:
            try:
                self._reader[n_readable - 1]
                break
            except TRAJ_ERRORS:
                n_readable -= 1
        if n_readable < n_stored:
            self.repairs.append(f"frames {n_readable} to {n_stored - 1} are incomplete and were left out")
        return n_readable

    def _scan(self) -> None:
        """Read the cell, step and time of every frame."""
        for frame in range(self._n_stored):
            try:
                item = self._reader.backend[frame]
                info = item.info if "info" in item else {}
                cell = np.asarray(item.cell, dtype=float)
            except TRAJ_ERRORS as error:
                raise AnalysisError(f"{self.path}: frame {frame} is damaged ({error})") from error
            self.cells.add(frame, cell)
            self.labels.add(**labels_of(info if isinstance(info, dict) else {}, frame, self.path))
