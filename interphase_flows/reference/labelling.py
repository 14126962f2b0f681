"""One interface for every reference method: atoms in, energy, forces and stress out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from interphase_flows.schemas.label import Correction, MethodIdentity

IS_CONTINUED = "is_continued"
"""Detail of a label of which an earlier process, that was killed or ran out of time, did a part: its own time is not
what a label costs."""


@dataclass(frozen=True)
class RawLabel:
    """What a reference method returns, before any gate.

    ``energy_eV`` is the total energy; ``forces_eV_per_angstrom`` has shape (n_atoms, 3);
    ``stress_eV_per_angstrom3`` has shape (6,), Voigt order xx yy zz yz xz xy, tension positive.

    Parameters
    ----------
    is_scf_converged
        Read from the code's own output; None for a method without a self-consistency cycle.
    corrections
        What error handlers changed on the way, in order.
    details
        Numbers for the record: ``n_scf_steps``, ``n_electrons``, ``n_k_points``, ``peak_memory_gb``, ...
    files
        Inputs and logs worth keeping, in the work folder.
    """

    energy_eV: float | None
    forces_eV_per_angstrom: NDArray[np.float64]
    stress_eV_per_angstrom3: NDArray[np.float64]
    is_scf_converged: bool | None = None
    corrections: Sequence[Correction] = ()
    details: dict[str, float | int | str | bool] = field(default_factory=dict)
    files: Sequence[Path] = ()


class ReferenceMethod(Protocol):
    """Code, version and settings that labels come from."""

    @property
    def identity(self) -> MethodIdentity:
        """Everything that can change the method's numbers."""
        ...

    def calculator(self) -> Calculator:
        """Return an ASE calculator of this method, for short dynamics and relaxations in this process."""
        ...

    def supports(self, atoms: Atoms) -> str | None:
        """Return why these atoms cannot be labelled, or None."""
        ...

    def label(self, atoms: Atoms, folder: Path | None = None) -> RawLabel:
        """Compute one label.

        Parameters
        ----------
        atoms
            Not changed.
        folder
            Work folder of this label, its own in every launch: what a killed calculation left there (its last
            density) is where the next one starts. A method that needs one makes a temporary folder if None.

        Raises
        ------
        ReferenceMethodError
            There is none to be had, with the reason.
        WalltimeReachedError
            Time ran out; the next call with the same folder goes on from what was kept.
        """
        ...
