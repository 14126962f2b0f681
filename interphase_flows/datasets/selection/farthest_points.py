"""Select frames to label: uncertain, diverse and without near duplicates.

Descriptors are smeared radial distributions per pair of elements, averaged over atoms: cheap, invariant, continuous in
the positions, and sufficient to recognise near duplicates.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from interphase_flows.datasets.selection.regions import region_of_atom

SIBLING_FRACTION = 0.1
"""A candidate closer to a selected or trained frame than this fraction of the median distance is a near duplicate."""


def frame_descriptor(
    atoms: Atoms, elements: Sequence[str], cutoff_angstrom: float = 6.0, n_bins: int = 24
) -> NDArray[np.float64]:
    """Return a smeared radial distribution per pair of elements and atom, (n_pairs * n_bins,).

    Invariant under translation, rotation, permutation and the choice of the periodic cell.  A distance
    is shared by the two bins beside it and fades out towards the cut-off, so that the last bit of a
    coordinate never moves a whole count.
    """
    i, j, d = neighbor_list("ijd", atoms, cutoff_angstrom)
    symbols = np.asarray(atoms.symbols)
    place = d / cutoff_angstrom * (n_bins - 1)  # bin n is centred at n * cutoff / (n_bins - 1)
    below = np.minimum(place.astype(int), n_bins - 2)
    above_share = place - below
    # a shell weighs the same near and far; nothing jumps at the cut-off
    weight = (1.0 - d / cutoff_angstrom) / np.maximum(d, 0.5) ** 2
    parts = []
    for a, b in combinations_with_replacement(sorted(elements), 2):
        pair = ((symbols[i] == a) & (symbols[j] == b)) | ((symbols[i] == b) & (symbols[j] == a))
        bins, share, pair_weight = below[pair], above_share[pair], weight[pair]
        near = np.bincount(bins, pair_weight * (1.0 - share), n_bins)
        far = np.bincount(bins + 1, pair_weight * share, n_bins)
        parts.append((near + far) / len(atoms))
    return np.concatenate(parts)


def farthest_points(
    descriptors: NDArray[np.float64],
    n: int,
    taken: NDArray[np.float64] | None = None,
    scores: NDArray[np.float64] | None = None,
    min_distance: float = 0.0,
) -> list[int]:
    """Choose rows, each the farthest from those chosen before (Gonzalez 1985), weighted by a score.

    Parameters
    ----------
    descriptors
        Candidates, (n_candidates, n_features).
    n
        Largest number to choose.
    taken
        Rows that are in the data set already, (n_taken, n_features).
    scores
        Weight of each candidate, (n_candidates,); the committee's uncertainty.
    min_distance
        Candidates nearer than this to a chosen or taken row are siblings and are left out.

    Returns
    -------
    list of int
        In the order of choice; ties go to the smaller index.
    """
    count = len(descriptors)
    weight = np.ones(count) if scores is None else np.asarray(scores, dtype=float)
    nearest = np.full(count, np.inf)
    if taken is not None and len(taken):
        for row in taken:
            nearest = np.minimum(nearest, np.linalg.norm(descriptors - row, axis=1))
    chosen: list[int] = []
    while len(chosen) < min(n, count):
        allowed = nearest > min_distance
        allowed[chosen] = False
        if not allowed.any():
            break
        merit = np.where(allowed, weight * np.where(np.isinf(nearest), 1.0, nearest), -np.inf)
        index = int(np.argmax(merit))
        chosen.append(index)
        nearest = np.minimum(nearest, np.linalg.norm(descriptors - descriptors[index], axis=1))
    return chosen


def share_quota(groups: Sequence[str], order: Sequence[int], n: int) -> list[int]:
    """Take up to ``n`` of an ordered choice in turn from each group, so that none is left out.

    Parameters
    ----------
    groups
        Group of every candidate.
    order
        Indices of candidates, best first.
    n
        How many to take.
    """
    queues: dict[str, list[int]] = {}
    for index in order:
        queues.setdefault(groups[index], []).append(index)
    taken: list[int] = []
    while len(taken) < n and any(queues.values()):
        for queue in queues.values():
            if queue and len(taken) < n:
                taken.append(queue.pop(0))
    return taken


def select_candidates(
    candidates: Sequence[Atoms], trained: Sequence[Atoms], elements: Sequence[str], n: int
) -> tuple[list[Atoms], list[str]]:
    """Select candidates by uncertainty and distance to the trained frames, shared by origin and region.

    Parameters
    ----------
    candidates
        Frames with ``origin`` and ``uncertainty`` (eV/Å) in ``Atoms.info``.
    trained
        Training frames of the dataset.
    elements
        Elements of the descriptor.
    n
        Maximum number to select.

    Returns
    -------
    selected, notes
        The selected frames, and a note with the counts.
    """
    if not candidates:
        return [], ["no frame was above the selection level"]
    descriptors = np.array([frame_descriptor(frame, elements) for frame in candidates])
    taken = np.array([frame_descriptor(frame, elements) for frame in trained])
    order = farthest_points(
        descriptors,
        len(candidates),
        taken=taken,
        scores=np.array([frame.info["uncertainty"] for frame in candidates]),
        min_distance=SIBLING_FRACTION * float(np.median(cdist(descriptors, taken).min(axis=1))),
    )
    groups = [f"{frame.info['origin']}:{region_of_atom(frame)}" for frame in candidates]
    picked = share_quota(groups, order, n)
    note = (
        f"{len(candidates)} candidates, {len(order)} of them without near duplicates, {len(picked)} selected"
    )
    return [candidates[index] for index in picked], [note]
