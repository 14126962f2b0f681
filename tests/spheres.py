"""Lennard-Jones spheres as a cheap reference method."""

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_changes
from ase.calculators.lj import LennardJones

from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.reference.labelling import RawLabel
from interphase_flows.reference.spec import MethodSpec
from interphase_flows.schemas.label import MethodIdentity
from interphase_flows.settings import Settings


class SpheresCalculator(LennardJones):
    """Lennard-Jones with a new neighbour list per call, so that forces do not depend on the history."""

    def __init__(self) -> None:
        super().__init__(sigma=2.15, epsilon=0.3, rc=4.0, smooth=True)

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        self.nl = None
        super().calculate(atoms, properties, all_changes)


class Spheres:
    """Lennard-Jones spheres as a reference method; fluorine is unsupported, phosphorus does not converge."""

    def __init__(self, version: str = "1") -> None:
        self.version = version
        self.n_labels = 0

    @property
    def identity(self) -> MethodIdentity:
        return MethodIdentity(
            name="spheres",
            code="ASE",
            version=self.version,
            is_surrogate=True,
            settings={},
            key=f"spheres-{self.version}",
        )

    def calculator(self) -> SpheresCalculator:
        return SpheresCalculator()

    def supports(self, atoms: Atoms) -> str | None:
        return "no fluorine" if "F" in atoms.symbols else None

    def label(self, atoms: Atoms, folder: Path | None = None) -> RawLabel:
        self.n_labels += 1
        if "P" in atoms.symbols:
            raise ReferenceMethodError("not converged in 60 steps")
        atoms = atoms.copy()
        atoms.calc = SpheresCalculator()
        forces = np.asarray(atoms.get_forces())
        return RawLabel(float(atoms.get_potential_energy()), forces, np.asarray(atoms.get_stress()))


class SpheresSpec(MethodSpec):
    """Spec of the spheres; all specs of a test share one method."""

    method: Literal["spheres"] = "spheres"
    shared: ClassVar[Spheres]

    implementation: ClassVar[str] = "spheres:shared_spheres"


def shared_spheres(spec: SpheresSpec, settings: Settings) -> Spheres:
    return spec.shared
