"""Selection strategy ``random``: frames of the exploration, independent of their uncertainty; the baseline."""

import numpy as np

from interphase_flows.datasets.selection.strategy import CandidatePool, Selection


def select(pool: CandidatePool, n: int, seed: int) -> Selection:
    """Select candidates at random, all with the same probability."""
    order = np.random.default_rng(seed).permutation(len(pool.frames))
    return Selection(order[:n].tolist(), [f"{min(n, len(order))} of {len(order)} frames, at random"])
