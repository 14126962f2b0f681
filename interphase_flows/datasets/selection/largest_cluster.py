"""Selection strategy ``largest_cluster``: largest cluster maximum distance in learned features.

D. Holzmüller, V. Zaverkin, J. Kästner and I. Steinwart, J. Mach. Learn. Res. 24, 164 (2023), LCMD.
"""

import numpy as np
from scipy.spatial.distance import cdist

from interphase_flows.datasets.selection.features import mean_features, standardised_features
from interphase_flows.datasets.selection.strategy import CandidatePool, Selection


def select(pool: CandidatePool, n: int, seed: int) -> Selection:
    """Select the farthest candidate of the largest cluster, repeatedly; deterministic without the seed.

    Centres of clusters are training frames and selected candidates; a candidate belongs to the nearest one. The size of
    a cluster is the sum of the squared distances from its centre. Uncertainty has no effect, except that it makes a
    frame a candidate.
    """
    candidates, training = standardised_features(pool)
    rows = mean_features(pool.frames, candidates, pool.elements)
    squared = cdist(rows, mean_features(pool.training_frames, training, pool.elements), "sqeuclidean")
    nearest, centre = squared.min(axis=1), squared.argmin(axis=1)
    indices: list[int] = []
    while len(indices) < min(n, len(rows)) and nearest.max() > 0.0:
        sizes = np.bincount(centre, nearest)
        index = int(np.argmax(np.where(centre == sizes.argmax(), nearest, -1.0)))
        own = cdist(rows, rows[index : index + 1], "sqeuclidean")[:, 0]
        centre = np.where(own < nearest, len(training) + len(indices), centre)
        nearest = np.minimum(nearest, own)
        indices.append(index)
    return Selection(indices, [f"{len(indices)} of {len(rows)} candidates, by largest clusters of learned features"])
