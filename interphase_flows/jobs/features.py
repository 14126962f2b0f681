"""Features of atoms by a committee, for the selection of structures."""

from collections.abc import Callable, Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from interphase_flows.jobs.potentials import potential_file
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.storage.workspace import current_workspace


def committee_features(committee: CommitteeDoc) -> Callable[[Sequence[Atoms]], list[NDArray[np.float64]]]:
    """Return a function for the features of atoms, (n_atoms, n_features) of each frame, by the first member.

    The member is loaded in the first call.
    """

    def features(frames: Sequence[Atoms]) -> list[NDArray[np.float64]]:
        from interphase_flows.potentials.committee import load_calculator  # takes seconds to import
        from interphase_flows.potentials.features import atomic_features

        path = potential_file(committee.models[0])
        return atomic_features(load_calculator(path, current_workspace().settings.device), frames)

    return features
