"""Heights relative to the anions, and the layer of an interphase in a frame."""

import numpy as np

from interphase_flows.analysis.array_types import BoolArray
from interphase_flows.analysis.geometry.neighbours import face_distances
from interphase_flows.analysis.geometry.slices import circular_mean, heights
from interphase_flows.analysis.interfaces.detection import Interface
from interphase_flows.exceptions import AnalysisError


class Heights:
    """Heights in a frame of reference that moves with the anions, with their centre in the middle of the cell.

    Parameters
    ----------
    anions
        Reference atoms, (n_atoms,).
    positions, cell
        Positions and lattice vectors of the first frame.
    """

    def __init__(self, anions: BoolArray, positions: np.ndarray, cell: np.ndarray) -> None:
        self._anions = anions
        along = heights(positions, cell)[anions]
        self._start = float(along.mean())
        try:
            middle = circular_mean(along)
        except AnalysisError:  # they fill the cell evenly
            middle = 0.5
        self._zero = middle - 0.5
        self.period_angstrom = float(face_distances(cell)[2])

    def zero(self, positions: np.ndarray, cell: np.ndarray) -> float:
        """Return the origin of heights in a frame as a fraction of the cell."""
        moved = float(heights(positions, cell)[self._anions].mean()) - self._start
        return self._zero + moved


def layer_of(interface: Interface, frame: int, period_angstrom: float, drift: float) -> tuple[float, float] | None:
    """Return the lower and upper boundary of an interphase as fractions of the cell; None where it is not tracked.

    The upper boundary exceeds 1 for a layer across the periodic boundary. `drift` of the centre of mass
    (`CommonDrift`), a fraction of the cell, is added to the boundaries, which are found without it.
    """
    row = frame - interface.first_frame
    if not 0 <= row < len(interface.time_ps) or not interface.is_found[row]:
        return None
    ends = (
        float(interface.electrode_side_angstrom[row]) / period_angstrom,
        float(interface.electrolyte_side_angstrom[row]) / period_angstrom,
    )
    low, thick = min(ends) + drift, abs(ends[1] - ends[0])
    return (low % 1.0, low % 1.0 + thick) if 0 < thick < 1 else None
