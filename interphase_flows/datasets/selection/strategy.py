"""Interface of the strategies that select candidates to label."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from ase import Atoms
from numpy.typing import NDArray


@dataclass(frozen=True)
class CandidatePool:
    """Candidates of one iteration, and the training set that they would extend.

    Parameters
    ----------
    frames
        Candidates that pass the gates; ``info["origin"]`` is the walker, and ``arrays`` may have
        ``force_std_eV_per_angstrom`` and ``side``.
    uncertainty_eV_per_angstrom
        Largest standard deviation of a force over the committee, (n_frames,); NaN for the strategy ``random``, whose
        candidates are all stored frames.
    training_frames
        Labelled frames that train the committee.
    elements
        Chemical symbols of the campaign.
    features
        Function for the features of the atoms of each frame, (n_atoms, n_features), by the committee; slow.
    """

    frames: Sequence[Atoms]
    uncertainty_eV_per_angstrom: NDArray[np.float64]
    training_frames: Sequence[Atoms]
    elements: Sequence[str]
    features: Callable[[Sequence[Atoms]], list[NDArray[np.float64]]] | None = None


@dataclass(frozen=True)
class Selection:
    """Indices of the selected candidates, in the order of selection, and notes for the iteration."""

    indices: Sequence[int]
    notes: Sequence[str] = ()


class SelectionStrategy(Protocol):
    """A function that selects candidates to label."""

    def __call__(self, pool: CandidatePool, n: int, seed: int) -> Selection:
        """Select at most ``n`` candidates of a pool that is not empty; the same arguments give the same selection."""
