"""Selection strategy ``uncertainty``: the candidates with the largest uncertainties, also if they are similar."""

import numpy as np

from interphase_flows.datasets.selection.strategy import CandidatePool, Selection


def select(pool: CandidatePool, n: int, seed: int) -> Selection:
    """Select the most uncertain candidates; of equals the first. Deterministic without the seed."""
    order = np.argsort(-pool.uncertainty_eV_per_angstrom, kind="stable")
    return Selection(order[:n].tolist(), [f"{min(n, len(order))} of {len(order)} candidates, the most uncertain"])
