"""Reader of molecular dynamics in VASP's vasprun.xml, by pymatgen.

The time between frames is POTIM. A file of a killed run contains the steps before its end. All steps are read into
memory.
"""

import warnings
from pathlib import Path

import numpy as np

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.io.reader import READ_ERRORS, Reader
from interphase_flows.analysis.io.species import number_of
from interphase_flows.exceptions import AnalysisError

MOLECULAR_DYNAMICS = 0
"""Value of IBRION."""


class VasprunXml(Reader):
    """Frames of a vasprun.xml.

    ``frame_interval_fs`` is required for machine-learned force fields (``ML_LMLFF``), which write every ML_OUTBLOCK-th
    step only.
    """

    time_option = "frame_interval_fs"

    @staticmethod
    def recognises(path: Path, head: bytes) -> bool:
        """Return whether a file is XML with the root element of VASP."""
        return head.lstrip().startswith(b"<?xml") and b"<modeling" in head

    def open(self) -> None:
        """Read all frames."""
        from pymatgen.io.vasp.outputs import Vasprun

        try:
            with warnings.catch_warnings():
                # pymatgen warns about a truncated file; the number of frames is compared below
                warnings.simplefilter("ignore")
                run = Vasprun(
                    str(self.source),
                    parse_dos=False,
                    parse_eigen=False,
                    parse_projected_eigen=False,
                    parse_potcar_file=False,
                    exception_on_bad_xml=False,
                )
            steps = run.md_data if run.incar.get("ML_LMLFF") and hasattr(run, "md_data") else run.ionic_steps
            parameters = {**run.parameters, **run.incar}
            structures = [step["structure"] for step in steps if step.get("structure") is not None]
        except (*READ_ERRORS, SyntaxError) as error:
            raise AnalysisError(
                f"{self.path}: cannot be read as vasprun.xml ({type(error).__name__}: {error}): the file is damaged "
                "or has no ionic step. Hint: read XDATCAR instead."
            ) from error
        ibrion = parameters.get("IBRION")
        if ibrion is not None and int(ibrion) != MOLECULAR_DYNAMICS:
            raise AnalysisError(
                f"{self.path}: IBRION = {ibrion} is not molecular dynamics, so frames have no times. Hint: give a run "
                "with IBRION = 0."
            )
        self.require_frames(len(structures))
        self._positions = np.array([structure.frac_coords for structure in structures])
        self._cells = np.array([structure.lattice.matrix for structure in structures])
        self.numbers = np.array([number_of(str(symbol), self.path) for symbol in run.atomic_symbols], dtype=np.int64)
        self.periodic = np.ones(3, dtype=bool)
        potim = parameters.get("POTIM")
        stated = None if potim is None or parameters.get("ML_LMLFF") else float(potim)
        for frame, cell in enumerate(self._cells):
            self.cells.add(frame, cell)
            self.labels.add(time_fs=None if stated is None else stated * frame)
        if not _is_closed(self.source):
            self.repairs.append(f"the file ends within a step, which was left out: {len(structures)} complete steps")

    def positions(self, frame: int) -> FloatArray:
        """Return positions in Å, (n_atoms, 3)."""
        return np.asarray(self._positions[frame] @ self._cells[frame])

    def cell(self, frame: int) -> FloatArray:
        """Return lattice vectors in Å as rows, (3, 3)."""
        return np.asarray(self._cells[frame])


def _is_closed(path: Path) -> bool:
    """Return whether a file ends with the end of the root element."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64))
        return file.read().rstrip().endswith(b"</modeling>")
