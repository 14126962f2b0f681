"""One interface for every reference method: atoms in, energy, forces and stress out."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from interphase_flows.documents.records import MethodIdentity


@dataclass(frozen=True)
class RawLabel:
    """What a reference method returns, before any gate.

    ``energy_ev`` is the total energy; ``forces_ev_per_angstrom`` has shape (n_atoms, 3);
    ``stress_ev_per_angstrom3`` has shape (6,), Voigt order xx yy zz yz xz xy, tension positive.
    """

    energy_ev: float
    forces_ev_per_angstrom: NDArray[np.float64]
    stress_ev_per_angstrom3: NDArray[np.float64]


class ReferenceMethod(Protocol):
    """Code, version and settings that labels come from."""

    @property
    def identity(self) -> MethodIdentity:
        """Everything that can change the method's numbers."""
        ...

    def calculator(self) -> Calculator:
        """Return an ASE calculator of this method, for short dynamics."""
        ...

    def supports(self, atoms: Atoms) -> str | None:
        """Return why these atoms cannot be labelled, or None."""
        ...

    def label(self, atoms: Atoms) -> RawLabel:
        """Compute one label; raises ReferenceMethodError when there is none."""
        ...
