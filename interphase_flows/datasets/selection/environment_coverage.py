"""Selection strategy ``environment_coverage``: structures whose uncertain environments no other structure has.

The environments to cover are the atoms of all candidates with the largest standard deviations of the force, up to
`MAX_ENVIRONMENTS` for each element and region. An environment at the distance d in learned features from one of the same
element in a structure is covered by that structure by exp(-d² / 2h²), where h is the median distance of these
environments from the nearest one in the training set. Selected are the structures that most increase

    sum over environments e of σ_e² max over structures of the coverage of e,

one after the other, starting from the coverage by the training set. The greedy maximum is at least 63 % of the largest
possible one (G. L. Nemhauser, L. A. Wolsey and M. L. Fisher, Math. Program. 14, 265 (1978)).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from interphase_flows.datasets.selection.features import of_element, standardised_features
from interphase_flows.datasets.selection.regions import regions_of_atoms
from interphase_flows.datasets.selection.strategy import CandidatePool, Selection

MAX_ENVIRONMENTS = 500
"""Environments to cover for each element and region."""


def select(pool: CandidatePool, n: int, seed: int) -> Selection:
    """Select structures until ``n``, or until none adds coverage; deterministic without the seed."""
    candidates, training = standardised_features(pool)
    symbols = np.concatenate([np.asarray(frame.symbols) for frame in pool.frames])
    owner = np.repeat(np.arange(len(pool.frames)), [len(frame) for frame in pool.frames])
    variance = np.concatenate([_variance(pool, index) for index in range(len(pool.frames))])
    regions = np.concatenate([regions_of_atoms(frame) for frame in pool.frames])
    rows = np.concatenate(candidates)
    coverage, covered, weights = [], [], []
    for element in np.unique(symbols):
        own = np.flatnonzero(symbols == element)
        targets = np.concatenate(
            [_largest(own[regions[own] == region], variance) for region in np.unique(regions[own])]
        )
        known = of_element(pool.training_frames, training, element)
        to_known = KDTree(known).query(rows[targets])[0] if len(known) else np.full(len(targets), np.inf)
        finite = to_known[np.isfinite(to_known) & (to_known > 0.0)]
        width = float(np.median(finite)) if len(finite) else 1.0
        nearest = np.full((len(targets), len(pool.frames)), np.inf)
        for index in np.unique(owner[own]):
            of_structure = own[owner[own] == index]
            nearest[:, index] = KDTree(rows[of_structure]).query(rows[targets])[0]
        coverage.append(np.exp(-0.5 * (nearest / width) ** 2))
        covered.append(np.exp(-0.5 * (to_known / width) ** 2))
        weights.append(variance[targets])
    indices, share = _greedy(np.concatenate(coverage), np.concatenate(covered), np.concatenate(weights), n)
    note = (
        f"{len(indices)} of {len(pool.frames)} candidates, which cover {share:.0%} of the variance of uncertain atoms"
    )
    return Selection(indices, [note])


def _greedy(
    coverage: NDArray[np.float64], covered: NDArray[np.float64], weights: NDArray[np.float64], n: int
) -> tuple[list[int], float]:
    """Return the selected columns of ``coverage``, (n_environments, n_structures), and the covered share of weights."""
    indices: list[int] = []
    while len(indices) < min(n, coverage.shape[1]):
        gains = weights @ np.maximum(coverage - covered[:, None], 0.0)
        gains[indices] = 0.0
        index = int(np.argmax(gains))
        if gains[index] <= 0.0:
            break
        indices.append(index)
        covered = np.maximum(covered, coverage[:, index])
    return indices, float(weights @ covered / weights.sum()) if weights.sum() else 1.0


def _variance(pool: CandidatePool, index: int) -> NDArray[np.float64]:
    """Return the variance of the force on each atom; that of the frame for all atoms if it is not stored by atom."""
    frame = pool.frames[index]
    std = frame.arrays.get("force_std_eV_per_angstrom")
    return np.asarray(np.full(len(frame), pool.uncertainty_eV_per_angstrom[index]) if std is None else std) ** 2


def _largest(atoms: NDArray[np.intp], variance: NDArray[np.float64]) -> NDArray[np.intp]:
    return atoms[np.argsort(-variance[atoms], kind="stable")[:MAX_ENVIRONMENTS]]
