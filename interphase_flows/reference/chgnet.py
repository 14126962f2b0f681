"""CHGNet, a pretrained universal potential, as a surrogate reference method.

Deng et al., Nat. Mach. Intell. 5, 1031 (2023). It is fast and ships its weights, so that a campaign can be tried on a
laptop. It is not density-functional theory: labels and reports mark it as a surrogate.
"""

import contextlib
import functools
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.stress import full_3x3_to_voigt_6_stress

from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.reference.labelling import LabelCalculator, RawLabel, method_identity
from interphase_flows.reference.spec import ChgnetSpec
from interphase_flows.schemas.label import MethodIdentity
from interphase_flows.settings import Settings

LARGEST_ATOMIC_NUMBER = 94
"""CHGNet 0.3.0 was trained on elements up to plutonium."""


@contextmanager
def _float32(n_threads: int) -> Iterator[None]:
    """Set torch's default dtype to float32, which CHGNet assumes, and its threads; restore both at the end."""
    import torch  # takes seconds to import; the identity does not need it

    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(torch.float32)
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)


@functools.cache
def _load_calculator(device: str) -> Calculator:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # third-party deprecations at import and load
        warnings.simplefilter("ignore")
        from chgnet.model.dynamics import CHGNetCalculator

        return CHGNetCalculator(use_device=device)


class CHGNetMethod:
    """Label structures with the CHGNet weights of its wheel (a surrogate, not DFT).

    The settings determine device and threads of torch; they are provenance, not part of the method's identity.
    """

    def __init__(self, spec: ChgnetSpec | None = None, settings: Settings | None = None) -> None:
        settings = Settings() if settings is None else settings
        self._device, self._n_threads = settings.device, settings.n_threads

    @property
    def identity(self) -> MethodIdentity:
        """Package version and model name, which determine the weights."""
        return method_identity("chgnet", "CHGNet", version("chgnet"), {"model": "0.3.0"}, is_surrogate=True)

    def calculator(self) -> Calculator:
        """Return a calculator for short dynamics."""
        return LabelCalculator(self._evaluate)

    def supports(self, atoms: Atoms) -> str | None:
        """Return which elements are missing from CHGNet's training set, or None."""
        missing = sorted({s for s, z in zip(atoms.symbols, atoms.numbers, strict=True) if z > LARGEST_ATOMIC_NUMBER})
        if missing:
            return f"CHGNet does not support {', '.join(missing)} (only elements up to Z = {LARGEST_ATOMIC_NUMBER})"
        return None

    def label(self, atoms: Atoms, folder: Path | None = None) -> RawLabel:
        """Return energy (eV), forces (eV/Å) and stress (eV/Å³); the folder is not used."""
        reason = self.supports(atoms)
        if reason:
            raise ReferenceMethodError(reason, "unsupported")
        try:
            return self._evaluate(atoms)
        except Exception as error:  # third-party code; only this label fails
            raise ReferenceMethodError(f"CHGNet failed on {atoms.get_chemical_formula()}: {error}") from error

    def _evaluate(self, atoms: Atoms) -> RawLabel:
        """Evaluate CHGNet, isolated from torch's global state."""
        with _float32(self._n_threads), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            calculator = _load_calculator(self._device)
            calculator.calculate(atoms, ["energy", "forces", "stress"])
        results = calculator.results
        return RawLabel(
            energy_eV=float(results["energy"]),
            forces_eV_per_angstrom=np.asarray(results["forces"], dtype=np.float64),
            stress_eV_per_angstrom3=full_3x3_to_voigt_6_stress(np.asarray(results["stress"], dtype=np.float64)),
        )
