"""Selection strategy ``uncertainty_diverse``: farthest-point sampling weighted by uncertainty, shared by region."""

import numpy as np
from scipy.spatial.distance import cdist

from interphase_flows.datasets.selection.descriptors import frame_descriptor
from interphase_flows.datasets.selection.farthest_points import farthest_points, share_by_group
from interphase_flows.datasets.selection.regions import region_of_uncertain_atom
from interphase_flows.datasets.selection.strategy import CandidatePool, Selection

DUPLICATE_FRACTION = 0.1
"""Near-duplicates are closer than this fraction of the median distance between candidates and training frames."""


def select(pool: CandidatePool, n: int, seed: int) -> Selection:
    """Select uncertain and diverse candidates, in turn from each walker and region; deterministic without the seed.

    Candidates are ranked by farthest points from the training set and from each other, weighted by uncertainty.
    Near-duplicates are left out.
    """
    descriptors = np.array([frame_descriptor(frame, pool.elements) for frame in pool.frames])
    trained = np.array([frame_descriptor(frame, pool.elements) for frame in pool.training_frames])
    distances = cdist(descriptors, trained).min(axis=1)
    ranking = farthest_points(
        descriptors,
        len(descriptors),
        taken=trained,
        scores=pool.uncertainty_eV_per_angstrom,
        min_distance=DUPLICATE_FRACTION * float(np.median(distances)),
    )
    groups = [f"{frame.info['origin']}:{region_of_uncertain_atom(frame)}" for frame in pool.frames]
    indices = share_by_group(groups, ranking, n)
    note = f"{len(descriptors)} candidates, {len(ranking)} of them distinct, {len(indices)} selected"
    return Selection(indices, [note])
