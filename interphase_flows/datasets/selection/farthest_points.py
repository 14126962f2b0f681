"""Farthest-point sampling, and sharing of a selection among groups."""

from collections.abc import Sequence
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray


def farthest_points(
    descriptors: NDArray[np.float64],
    n: int,
    taken: NDArray[np.float64] | None = None,
    scores: NDArray[np.float64] | None = None,
    min_distance: float = 0.0,
) -> list[int]:
    """Select up to `n` rows, each the farthest from those selected before (Gonzalez 1985), weighted by a score.

    Of equals the smallest index is selected.

    Parameters
    ----------
    descriptors, taken
        Candidates (n_candidates, n_features), and rows of the existing dataset (n_taken, n_features).
    scores
        Weight of each candidate, (n_candidates,), such as its uncertainty.
    min_distance
        Candidates closer than this to a selected or existing row are left out.
    """
    count = len(descriptors)
    weight = np.ones(count) if scores is None else np.asarray(scores, dtype=float)
    nearest = np.full(count, np.inf)
    if taken is not None and len(taken):
        for row in taken:
            nearest = np.minimum(nearest, np.linalg.norm(descriptors - row, axis=1))
    selected: list[int] = []
    while len(selected) < min(n, count):
        allowed = nearest > min_distance
        allowed[selected] = False
        if not allowed.any():
            break
        merit = np.where(allowed, weight * np.where(np.isinf(nearest), 1.0, nearest), -np.inf)
        index = int(np.argmax(merit))
        selected.append(index)
        nearest = np.minimum(nearest, np.linalg.norm(descriptors - descriptors[index], axis=1))
    return selected


def share_by_group(groups: Sequence[str], ranking: Sequence[int], n: int) -> list[int]:
    """Take up to ``n`` of the ranked candidates (indices, best first), in turn from each group."""
    queues: dict[str, list[int]] = {}
    for index in ranking:
        queues.setdefault(groups[index], []).append(index)
    in_turn = chain.from_iterable(zip_longest(*queues.values()))
    return [index for index in in_turn if index is not None][: max(n, 0)]
