"""Selection strategy ``farthest_point``: the most diverse candidates, regardless of their uncertainties."""

import numpy as np

from interphase_flows.datasets.selection.descriptors import frame_descriptor
from interphase_flows.datasets.selection.farthest_points import farthest_points
from interphase_flows.datasets.selection.strategy import CandidatePool, Selection


def select(pool: CandidatePool, n: int, seed: int) -> Selection:
    """Select farthest points from the training set and from each other; deterministic without the seed."""
    descriptors = np.array([frame_descriptor(frame, pool.elements) for frame in pool.frames])
    trained = np.array([frame_descriptor(frame, pool.elements) for frame in pool.training_frames])
    indices = farthest_points(descriptors, n, taken=trained)
    return Selection(indices, [f"{len(indices)} of {len(descriptors)} candidates, farthest from those with labels"])
