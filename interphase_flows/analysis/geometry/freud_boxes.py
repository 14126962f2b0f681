"""Convert cells and points to freud boxes: upper triangular, centred on the origin, in single precision.

freud: Ramasubramani et al., Comput. Phys. Commun. 254, 107275 (2020). Columns of its boxes are lattice vectors.
"""

import freud
import numpy as np
from numpy.typing import NDArray

from interphase_flows.analysis.array_types import FloatArray
from interphase_flows.analysis.geometry.neighbours import standard_orientation


def freud_box(cell: NDArray[np.floating]) -> freud.box.Box:
    """Return the freud box of a cell in its standard orientation."""
    a, b, c = standard_orientation(cell)
    return freud.box.Box(Lx=a[0], Ly=b[1], Lz=c[2], xy=b[0] / b[1], xz=c[0] / c[2], yz=c[1] / c[2])


def centred(points: FloatArray, box_cell: FloatArray) -> NDArray[np.float32]:
    """Shift points of a cell with a corner at the origin to a freud box, which is centred on the origin."""
    return (points - 0.5 * box_cell.sum(axis=0)).astype(np.float32)
