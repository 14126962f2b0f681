"""Selection of the initial structures to label: one of every origin, then the most diverse."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from scipy.spatial.distance import cdist

from interphase_flows.datasets.selection.descriptors import frame_descriptor
from interphase_flows.datasets.selection.farthest_points import farthest_points
from interphase_flows.schemas.origin import Origin

DUPLICATE_FRACTION = 0.1
"""Structures closer to a selected one than this fraction of the median distance are near-duplicates."""


def select_initial(frames: Sequence[Atoms], origins: Sequence[Origin], n: int) -> list[int]:
    """Return the indices of the structures to label, in increasing order.

    The first structure of every origin (the perfect one of a crystal), dimers and isolated atoms, which a descriptor
    cannot distinguish, are required. The others are selected by farthest-point sampling (Gonzalez 1985) with the
    descriptor of :func:`frame_descriptor`, until ``n`` are reached or only near-duplicates are left. The required ones
    are kept even if they are more.
    """
    elements = sorted({symbol for frame in frames for symbol in frame.symbols})
    first = dict(zip(reversed(origins), reversed(range(len(origins))), strict=True))
    required = [i for i, origin in enumerate(origins) if first[origin] == i or origin.is_isolated]
    rest = sorted(set(range(len(frames))) - set(required))
    if not rest or n <= len(required):
        return required
    taken = np.array([frame_descriptor(frames[index], elements) for index in required])
    descriptors = np.array([frame_descriptor(frames[index], elements) for index in rest])
    min_distance = DUPLICATE_FRACTION * float(np.median(cdist(descriptors, taken).min(axis=1)))
    chosen = farthest_points(descriptors, n - len(required), taken=taken, min_distance=min_distance)
    return sorted([*required, *(rest[index] for index in chosen)])
