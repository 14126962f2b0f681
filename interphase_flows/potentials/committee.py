"""A committee of NequIP potentials that share one neighbour list."""

import copy
import functools
import warnings
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from nequip.data import AtomicDataDict
from nequip.integrations.ase import NequIPCalculator
from nequip.utils.global_dtype import _GLOBAL_DTYPE
from numpy.typing import NDArray

from interphase_flows.exceptions import TrainingError
from interphase_flows.potentials.callbacks import sha256_of
from interphase_flows.potentials.training import quiet_training

KEPT_POTENTIALS = 8
"""Potentials that a process keeps: the segments of an iteration, one after the other, use the same committee."""


def load_calculator(checkpoint: Path, device: str = "cpu") -> NequIPCalculator:
    """Load a trained potential as an ASE calculator, without compiling it.

    A process builds a potential once, known by the content of its file; every caller gets a calculator of its own,
    which remembers no atoms and no results of others.

    Raises
    ------
    TrainingError
        The file is not a checkpoint of this version of NequIP.
    """
    calculator = copy.copy(_loaded(sha256_of(checkpoint), str(checkpoint), device))
    calculator.reset()
    return calculator


@functools.lru_cache(maxsize=KEPT_POTENTIALS)
def _loaded(sha256: str, checkpoint: str, device: str) -> NequIPCalculator:
    """Load a potential; the loader is private in NequIP 0.19.1 (the public one wants a compiled model)."""
    with quiet_training(torch.get_num_threads()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(nequip|torch|e3nn)\..*")
        try:
            return NequIPCalculator._from_saved_model(
                checkpoint,
                device=device,
                compile_mode="eager",
                chemical_species_to_atom_type_map=True,
            )
        except (RuntimeError, KeyError, ValueError, AttributeError, EOFError, UnpicklingError) as error:
            raise TrainingError(
                f"{checkpoint} cannot be loaded as a NequIP potential ({error}); train it again with this version"
            ) from error


class NequIPCommittee:
    """Potentials that differ by seed; the first drives dynamics, all of them watch.

    Parameters
    ----------
    checkpoints
        One NequIP checkpoint per member.
    device
        torch device.
    n_threads
        Threads of torch while the committee computes: part of what makes a run repeatable.
    """

    def __init__(self, checkpoints: Sequence[Path], device: str = "cpu", n_threads: int = 1) -> None:
        torch.set_num_threads(n_threads)
        # what NequIP computes in, whatever ran in this process before: a restart must not depend on it
        torch.set_default_dtype(_GLOBAL_DTYPE)
        self._calculators = [load_calculator(path, device) for path in checkpoints]

    @property
    def n_members(self) -> int:
        """Number of potentials."""
        return len(self._calculators)

    @property
    def dynamics_calculator(self) -> Calculator:
        """Calculator of the first member."""
        return self._calculators[0]

    def forces_all(self, atoms: Atoms) -> NDArray[np.float64]:
        """Return every member's forces in eV/Å, (n_members, n_atoms, 3).

        The first member's are taken from its calculator, which has them already when these atoms
        move; the others share one neighbour list, built here once.
        """
        first = self._calculators[0]
        forces = [np.asarray(first.get_property("forces", atoms), dtype=np.float64)]
        for calculator, results in self._others(atoms):
            forces.append(
                calculator.length_units_to_A**-1
                * results[AtomicDataDict.FORCE_KEY].detach().cpu().numpy().astype(np.float64)
            )
        return np.stack(forces)

    def predict_all(
        self, atoms: Atoms
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return energies (n_members,) in eV, forces (n_members, n_atoms, 3) and stress (n_members, 6)."""
        energies, forces, stresses = [], [], []
        for calculator in self._calculators:
            calculator.calculate(atoms)
            energies.append(float(calculator.results["energy"]))
            forces.append(np.asarray(calculator.results["forces"], dtype=np.float64))
            stresses.append(np.asarray(calculator.results["stress"], dtype=np.float64))
        return np.array(energies), np.stack(forces), np.stack(stresses)

    def _others(self, atoms: Atoms) -> list[tuple[NequIPCalculator, AtomicDataDict.Type]]:
        others = self._calculators[1:]
        if not others:
            return []
        data = others[0].atoms_to_data(atoms)
        # a model writes its results into the dictionary it is given: each gets its own, of shared tensors
        return [(calculator, calculator.call_model(dict(data))) for calculator in others]
