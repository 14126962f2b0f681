"""Committee of NequIP potentials with a shared neighbour list."""

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
from ase.stress import full_3x3_to_voigt_6_stress
from nequip.data import AtomicDataDict
from nequip.integrations.ase import NequIPCalculator
from nequip.utils.global_dtype import _GLOBAL_DTYPE
from numpy.typing import NDArray

from interphase_flows.exceptions import CompilationError, TrainingError
from interphase_flows.potentials.callbacks import sha256_of
from interphase_flows.potentials.checkpoint_file import read_checkpoint_file
from interphase_flows.potentials.quiet import double_precision, quiet_training

KEPT_POTENTIALS = 8
"""Potentials cached per process: consecutive segments of an iteration use the same committee."""
EAGER = "eager"
"""Evaluation of potentials without a compiled graph."""
PACKAGE = ".nequip.zip"
COMPILED = (".nequip.pth", ".nequip.pt2")
"""Suffixes of compiled models, by TorchScript and AOTInductor."""


def load_calculator(checkpoint: Path, device: str = "cpu") -> NequIPCalculator:
    """Load a trained potential as an ASE calculator: a checkpoint, a package (both not compiled), or a compiled model.

    Potentials are cached in the process by the hash of their file. Each call returns a new calculator, without atoms
    and results of others.

    Raises
    ------
    TrainingError
        The file is not a model of this version of NequIP.
    """
    calculator = copy.copy(_loaded(sha256_of(checkpoint), str(checkpoint), device))
    calculator.reset()
    return calculator


@functools.lru_cache(maxsize=KEPT_POTENTIALS)
def _loaded(sha256: str, checkpoint: str, device: str) -> NequIPCalculator:
    """Load a compiled model, or a checkpoint or package by a private loader of NequIP 0.19.1."""
    with quiet_training(torch.get_num_threads()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(nequip|torch|e3nn)\..*")
        options = {"device": device, "chemical_species_to_atom_type_map": True}
        try:
            if checkpoint.endswith(COMPILED):
                return CompiledModelCalculator.from_compiled_model(checkpoint, **options)
            if not checkpoint.endswith(PACKAGE):
                read_checkpoint_file(Path(checkpoint))  # NequIP reads it without restrictions
            return NequIPCalculator._from_saved_model(checkpoint, compile_mode="eager", **options)
        except (RuntimeError, KeyError, ValueError, AttributeError, EOFError, UnpicklingError) as error:
            raise TrainingError(
                f"{checkpoint} cannot be loaded as a NequIP potential ({error}). Hint: train it again with this version"
            ) from error


class CompiledModelCalculator(NequIPCalculator):
    """Calculator of a compiled model, which interprets any tensor as double precision."""

    def atoms_to_data(self, atoms: Atoms) -> AtomicDataDict.Type:
        """Return the inputs of the model in double precision."""
        with double_precision():
            return super().atoms_to_data(atoms)


class NequIPCommittee:
    """Potentials that differ by seed; the first one drives the dynamics.

    The number of torch threads must not change in a reproducible run.
    """

    evaluation = EAGER
    """How forces are computed; a run continues bitwise only with the same."""
    fallback: CompilationError | None = None
    """Reason for which a compiled graph is not used."""

    def __init__(self, checkpoints: Sequence[Path], device: str = "cpu", n_threads: int = 1) -> None:
        torch.set_num_threads(n_threads)
        # set here, so that a restart does not depend on what the process ran before
        torch.set_default_dtype(_GLOBAL_DTYPE)
        self._calculators = [load_calculator(path, device) for path in checkpoints]

    @property
    def n_members(self) -> int:
        """Number of potentials."""
        return len(self._calculators)

    @property
    def notes(self) -> list[str]:
        """Notes for the document of what is computed."""
        return [] if self.fallback is None else [self.fallback.note]

    @property
    def dynamics_calculator(self) -> Calculator:
        """Calculator of the first member."""
        return self._calculators[0]

    def forces_all(self, atoms: Atoms) -> NDArray[np.float64]:
        """Return the forces of all members in eV/Å, (n_members, n_atoms, 3).

        Those of the first member are cached by its calculator if it drives the dynamics. The others share one
        neighbour list.
        """
        first, *others = self._calculators
        forces = [np.asarray(first.get_property("forces", atoms), dtype=np.float64)]
        data = others[0].atoms_to_data(atoms) if others else {}
        return np.stack([*forces, *(_predictions(calculator, data)[1] for calculator in others)])

    def predict_all(self, atoms: Atoms) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return energies (n_members,) in eV, forces (n_members, n_atoms, 3) and stress (n_members, 6).

        All members share one neighbour list.
        """
        data = self._calculators[0].atoms_to_data(atoms)
        energies, forces, stresses = zip(
            *(_predictions(calculator, data) for calculator in self._calculators), strict=True
        )
        return np.array(energies), np.stack(forces), np.stack(stresses)


def _predictions(
    calculator: NequIPCalculator, data: AtomicDataDict.Type
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Return energy in eV, forces in eV/Å and stress in eV/Å³, in Voigt order, from the inputs of a model."""
    # a model adds its results to its input dictionary, so each gets a copy with shared tensors
    results = calculator.call_model(dict(data))
    energy, forces, stress = (
        results[key].detach().cpu().numpy().astype(np.float64)
        for key in (AtomicDataDict.TOTAL_ENERGY_KEY, AtomicDataDict.FORCE_KEY, AtomicDataDict.STRESS_KEY)
    )
    return float(energy.item()), forces, full_3x3_to_voigt_6_stress(stress.reshape(3, 3))
