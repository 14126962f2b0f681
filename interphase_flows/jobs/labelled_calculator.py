"""An ASE calculator whose every evaluation is a label: what relaxes with it can be killed and resumed."""

from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.jobs.label_structure import cached_label
from interphase_flows.reference.labelling import ReferenceMethod
from interphase_flows.schemas.structures import StructureEntry
from interphase_flows.structures.structure_keys import structure_key


class LabelledCalculator(Calculator):
    """Energy, forces and stress from labels, looked up before they are computed.

    A deterministic optimiser started again from the same structure finds its first steps in the ledger and goes
    on where it was killed.  Every label passes the gates.

    Parameters
    ----------
    method, gates
        What labels, and what a label has to pass.
    origin
        Written into every label.

    Raises
    ------
    ReferenceMethodError
        On evaluation, if a label was rejected; carries its reason.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, method: ReferenceMethod, gates: Gates, origin: str) -> None:
        super().__init__()
        self.method = method
        self.gates = gates
        self.origin = origin

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),
        system_changes: Any = tuple(all_changes),
    ) -> None:
        """Label the atoms, or look their label up."""
        super().calculate(atoms, properties, system_changes)
        label = cached_label(self.method, self.gates, self.atoms, label_entry(self.atoms, self.origin))
        if label.status == "rejected":
            raise ReferenceMethodError(
                f"a step of the relaxation was rejected: {label.explanation}",
                reason=label.reason or "rejected",
            )
        self.results = {
            "energy": label.energy_eV,
            "forces": np.asarray(label.forces_eV_per_angstrom),
            "stress": np.asarray(label.stress_eV_per_angstrom3),
        }


def label_entry(atoms: Atoms, origin: str) -> StructureEntry:
    """Return the place of a single structure among labels."""
    return StructureEntry(
        key=structure_key(atoms), origin=origin, formula=atoms.get_chemical_formula(), n_atoms=len(atoms)
    )
