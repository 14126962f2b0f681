"""Selection strategy ``feature_farthest_point``: farthest points in learned features, weighted by uncertainty."""

from interphase_flows.datasets.selection.farthest_points import farthest_points
from interphase_flows.datasets.selection.features import mean_features, standardised_features
from interphase_flows.datasets.selection.strategy import CandidatePool, Selection


def select(pool: CandidatePool, n: int, seed: int) -> Selection:
    """Select farthest points from the training set and from each other; deterministic without the seed."""
    candidates, training = standardised_features(pool)
    indices = farthest_points(
        mean_features(pool.frames, candidates, pool.elements),
        n,
        taken=mean_features(pool.training_frames, training, pool.elements),
        scores=pool.uncertainty_eV_per_angstrom,
    )
    return Selection(
        indices, [f"{len(indices)} of {len(candidates)} candidates, uncertain and far in learned features"]
    )
