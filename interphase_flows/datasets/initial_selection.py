"""Choose which of the first structures are labelled: those that are needed, then the most diverse."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from scipy.spatial.distance import cdist

from interphase_flows.datasets.origin_families import IN_A_BOX
from interphase_flows.datasets.selection import farthest_points, frame_descriptor

SIBLING_FRACTION = 0.1
"""A structure nearer to a chosen one than this fraction of the median distance to the needed ones is a sibling."""

WHOLE_FAMILIES = IN_A_BOX
"""Kept whole: few, small, and without neighbours that a descriptor could tell apart."""


def first_choice(frames: Sequence[Atoms], origins: Sequence[str], n: int) -> list[int]:
    """Return the structures worth a label, in the order in which they came.

    The first structure of every origin is needed (of a crystal it is the perfect one), and so are dimers and
    isolated atoms. The rest is chosen by farthest points (Gonzalez 1985) in the descriptor of
    :func:`frame_descriptor`, until ``n`` are reached or only siblings are left.

    Parameters
    ----------
    frames
        Candidates.
    origins
        Origin of each, ``family/name``.
    n
        How many; what is needed is kept, also if it is more.
    """
    elements = sorted({symbol for frame in frames for symbol in frame.symbols})
    seen: set[str] = set()
    needed = []
    for index, origin in enumerate(origins):
        if origin not in seen or origin.split("/")[0] in WHOLE_FAMILIES:
            needed.append(index)
        seen.add(origin)
    rest = sorted(set(range(len(frames))) - set(needed))
    if not rest or n <= len(needed):
        return needed
    taken = np.array([frame_descriptor(frames[index], elements) for index in needed])
    descriptors = np.array([frame_descriptor(frames[index], elements) for index in rest])
    sibling = SIBLING_FRACTION * float(np.median(cdist(descriptors, taken).min(axis=1)))
    chosen = farthest_points(descriptors, n - len(needed), taken=taken, min_distance=sibling)
    return sorted([*needed, *(rest[index] for index in chosen)])
