"""Protocol of the reference methods: atoms in; energy, forces and stress out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray

from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.schemas.label import Correction, MethodIdentity

IS_CONTINUED = "is_continued"
"""Detail of a label that an earlier process began (killed or out of walltime): its wall time is not its full cost."""


@dataclass(frozen=True)
class RawLabel:
    """Output of a reference method, before any gate.

    ``energy_eV`` is the total energy; ``forces_eV_per_angstrom`` has shape (n_atoms, 3); ``stress_eV_per_angstrom3`` has
    shape (6,), Voigt order xx yy zz yz xz xy, tension positive, and is None only for a file without stress.
    ``is_scf_converged`` is None for a method without SCF cycle, and for a file that does not state it. ``files`` are
    inputs and logs to keep, in the work folder.
    """

    energy_eV: float | None
    forces_eV_per_angstrom: NDArray[np.float64]
    stress_eV_per_angstrom3: NDArray[np.float64] | None
    is_scf_converged: bool | None = None
    corrections: Sequence[Correction] = ()
    details: dict[str, float | int | str | bool] = field(default_factory=dict)
    files: Sequence[Path] = ()


class ReferenceMethod(Protocol):
    """Code, version and settings that compute labels."""

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
        """Compute one label; the atoms are not changed.

        The work folder of a label is the same in every attempt: restart files of a killed calculation are used. A method
        that needs a folder creates a temporary one if None.

        Raises
        ------
        ReferenceMethodError
            The label cannot be computed; has the reason.
        WalltimeReachedError
            Stopped at the deadline; the next call with the same folder continues.
        """
        ...


@runtime_checkable
class NeedsMachine(Protocol):
    """A reference method that needs programs or files of this machine, which can be checked before a campaign starts."""

    def machine_checks(self, elements: Sequence[str], starts_programs: bool = True) -> Mapping[str, Callable[[], str]]:
        """Return checks by name, each of which takes seconds.

        A check returns what it found, for labels with these elements, or raises a SettingsError with a hint. Without
        ``starts_programs``, as on a login node, it starts no command of the settings.
        """
        ...


def method_identity(
    name: str,
    code: str,
    version: str,
    settings: dict[str, str | float | int | bool],
    is_surrogate: bool = False,
) -> MethodIdentity:
    """Return the identity of a method; its key is the hash of name, version and settings."""
    key = content_key("method", name=name, version=version, settings=settings)
    return MethodIdentity(name=name, code=code, version=version, is_surrogate=is_surrogate, settings=settings, key=key)


class LabelCalculator(Calculator):
    """ASE calculator that computes a label at every evaluation; its energy is the energy of the label."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, label: Callable[[Atoms], RawLabel]) -> None:
        super().__init__()
        self._label = label

    def calculate(self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        """Compute all properties."""
        super().calculate(atoms, properties, system_changes)
        if self.atoms is None:
            raise ReferenceMethodError("no atoms given. Hint: call calculate(atoms)")
        raw = self._label(self.atoms)
        self.results = {
            "energy": raw.energy_eV,
            "free_energy": raw.energy_eV,
            "forces": raw.forces_eV_per_angstrom,
            "stress": raw.stress_eV_per_angstrom3,
        }


def missing_periodicity(atoms: Atoms) -> str | None:
    """Return why atoms do not suit a plane-wave code, or None if they are periodic in three directions."""
    if not atoms.pbc.all() or abs(np.linalg.det(atoms.cell.array)) < 1e-6:
        return "plane waves need a cell that is periodic in three directions. Hint: put the atoms in a box"
    return None
