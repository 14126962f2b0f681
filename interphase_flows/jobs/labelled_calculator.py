"""ASE calculator that labels each structure it evaluates, so that a killed relaxation can resume."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.jobs.label_structure import cached_label
from interphase_flows.jobs.structure_sets import structure_entry
from interphase_flows.reference.labelling import ReferenceMethod
from interphase_flows.schemas.origin import Origin


class LabelledCalculator(Calculator):
    """Return energy, forces and stress from cached labels.

    A deterministic optimiser restarted from the same structure finds its first steps in the ledger and resumes where
    it was killed. Every label passes the gates.

    Raises
    ------
    ReferenceMethodError
        On evaluation, if a label is rejected; its ``reason`` is that of the label.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, method: ReferenceMethod, gates: Gates, origin: Origin) -> None:
        super().__init__()
        self.method = method
        self.gates = gates
        self.origin = origin

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] | None = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Return the label of the atoms as results."""
        super().calculate(atoms, properties, system_changes)
        label = cached_label(self.method, self.gates, self.atoms, structure_entry(self.atoms, self.origin))
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
