"""A workspace in a temporary folder, and a reference method that costs nothing."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import all_changes
from ase.calculators.lj import LennardJones

from interphase_flows.documents.records import MethodIdentity
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.references.labelling import RawLabel
from interphase_flows.references.registry import METHODS
from interphase_flows.settings import Settings
from interphase_flows.storage.workspace import Workspace, use_workspace


class SpheresCalculator(LennardJones):
    """Stateless: its neighbour list is made anew."""

    def __init__(self) -> None:
        super().__init__(sigma=2.15, epsilon=0.3, rc=4.0, smooth=True)

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        self.nl = None
        super().calculate(atoms, properties, all_changes)


class Spheres:
    """Lennard-Jones spheres as a reference method; it knows no fluorine and cannot converge phosphorus."""

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

    def label(self, atoms: Atoms) -> RawLabel:
        self.n_labels += 1
        if "P" in atoms.symbols:
            raise ReferenceMethodError("not converged in 60 steps")
        atoms = atoms.copy()
        atoms.calc = SpheresCalculator()
        forces = np.asarray(atoms.get_forces())
        return RawLabel(float(atoms.get_potential_energy()), forces, np.asarray(atoms.get_stress()))


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    settings = Settings(root=tmp_path / "runs", n_threads=1)
    with Workspace(settings, "unit") as opened, use_workspace(opened):
        yield opened


@pytest.fixture
def spheres(monkeypatch: pytest.MonkeyPatch) -> Spheres:
    """The method, known to campaigns as ``spheres``."""
    method = Spheres()
    monkeypatch.setitem(METHODS, "spheres", lambda device, n_threads: method)
    return method


@pytest.fixture
def crystals() -> list[Atoms]:
    """Six structures of Li and S, all different."""
    frames = []
    for index in range(6):
        frame = Atoms("Li2S", cell=[5.2, 5.2, 5.2], pbc=True)
        frame.set_scaled_positions([[0.25, 0.25, 0.25], [0.75, 0.75, 0.75], [0, 0, 0]])
        frame.rattle(0.05, seed=index)
        frames.append(frame)
    return frames
