"""Learned features of atoms: the scalars from which a NequIP potential reads the energy of each atom."""

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms
from nequip.data import AtomicDataDict
from nequip.integrations.ase import NequIPCalculator
from numpy.typing import NDArray

from interphase_flows.exceptions import TrainingError


def atomic_features(calculator: NequIPCalculator, frames: Sequence[Atoms]) -> list[NDArray[np.float64]]:
    """Return the features of the atoms of each frame, (n_atoms, n_features), from the last convolution.

    They depend on the element and all atoms within the receptive field, and are invariant under translation, rotation
    and permutation. No forces are computed.

    Raises
    ------
    TrainingError
        The model has no readout of atomic energies, as compiled models.
    """
    network = getattr(getattr(calculator.model, "model", None), "func", None)
    readout = getattr(network, "per_atom_energy_readout", None)
    if network is None or readout is None:
        raise TrainingError(
            "features of atoms: the model has no readout of atomic energies. Hint: use a checkpoint of NequIP"
        )
    kept: list[torch.Tensor] = []
    hook = readout.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0][AtomicDataDict.NODE_FEATURES_KEY]))
    try:
        with torch.no_grad():
            for frame in frames:
                network(dict(calculator.atoms_to_data(frame)))
    finally:
        hook.remove()
    return [tensor.cpu().numpy().astype(np.float64) for tensor in kept]
