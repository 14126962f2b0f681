"""Learned features of candidates and training frames, by atom and averaged over atoms."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from interphase_flows.datasets.selection.strategy import CandidatePool
from interphase_flows.exceptions import InputError

FeaturesOfFrames = list[NDArray[np.float64]]
_SMALLEST_SPREAD = 1e-6


def standardised_features(pool: CandidatePool) -> tuple[FeaturesOfFrames, FeaturesOfFrames]:
    """Return the features of the atoms of candidates and of training frames, (n_atoms, n_features) of each frame.

    Each feature is divided by its standard deviation over the training atoms of the same element, from their mean.

    Raises
    ------
    InputError
        The pool has no features.
    """
    if pool.features is None:
        raise InputError(
            "this selection strategy needs features of atoms by a committee. Hint: give SelectMaker.make the committee"
        )
    candidates, training = pool.features(pool.frames), pool.features(pool.training_frames)
    for element in pool.elements:
        known = of_element(pool.training_frames, training, element)
        known = known if len(known) else of_element(pool.frames, candidates, element)
        if not len(known):
            continue
        mean, spread = known.mean(axis=0), np.maximum(known.std(axis=0), _SMALLEST_SPREAD)
        for frames, features in ((pool.frames, candidates), (pool.training_frames, training)):
            for frame, rows in zip(frames, features, strict=True):
                chosen = frame.symbols == element
                rows[chosen] = (rows[chosen] - mean) / spread
    return candidates, training


def of_element(frames: Sequence[Atoms], features: FeaturesOfFrames, element: str) -> NDArray[np.float64]:
    """Return the features of all atoms of an element, (n_atoms, n_features)."""
    rows = [each[frame.symbols == element] for frame, each in zip(frames, features, strict=True)]
    return np.concatenate(rows) if rows else np.empty((0, 0))


def mean_features(frames: Sequence[Atoms], features: FeaturesOfFrames, elements: Sequence[str]) -> NDArray[np.float64]:
    """Return the mean features of each element, weighted by its fraction, (n_frames, n_elements * n_features)."""
    return np.array(
        [
            np.concatenate([each[frame.symbols == element].sum(axis=0) for element in elements]) / len(frame)
            for frame, each in zip(frames, features, strict=True)
        ]
    )
