"""Cheap real runs: argon by Lennard-Jones, the committee's members differing by two per cent in depth."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import all_changes
from ase.calculators.lj import LennardJones

from interphase_flows.md.dynamics import LangevinNVT
from interphase_flows.md.segment import SegmentResult, run_segment
from interphase_flows.md.uncertainty_monitor import CalculatorCommittee, CommitteeWatch


def _argon() -> Atoms:
    atoms = bulk("Ar", cubic=True, a=5.4) * (2, 2, 2)
    atoms.rattle(0.05, seed=3)
    atoms.new_array("side", np.array(["electrode"] * 16 + ["electrolyte"] * 16))
    return atoms


@pytest.fixture
def argon() -> Atoms:
    """32 atoms, a little off their lattice so that forces differ from zero at the start."""
    return _argon()


class Memoryless(LennardJones):
    """Makes its neighbour list anew: ASE's keeps one with a skin, whose order of sums depends on the past."""

    def __init__(self, epsilon_eV: float) -> None:
        super().__init__(sigma=3.4, epsilon=epsilon_eV, rc=5.2, smooth=True)

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        self.nl = None
        super().calculate(atoms, properties, all_changes)


@pytest.fixture
def pair_committee() -> CalculatorCommittee:
    return CalculatorCommittee([Memoryless(0.0104), Memoryless(0.0106)])


class Breaking(Memoryless):
    """Multiplies forces by ``scale`` once an atom has moved far enough from the start."""

    def __init__(self, scale: float, at_displacement_angstrom: float = 0.15) -> None:
        super().__init__(0.0104)
        self.scale = scale
        self.at_displacement_angstrom = at_displacement_angstrom
        self.origin = _argon().positions

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if np.abs(atoms.positions - self.origin).max() > self.at_displacement_angstrom:
            self.results["forces"] = self.results["forces"] * self.scale


class Pulling(Memoryless):
    """Draws atoms 0 and 1 together, and lets the others fly."""

    def __init__(self) -> None:
        super().__init__(0.0104)

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        line = atoms.positions[1] - atoms.positions[0]
        forces = np.zeros_like(atoms.positions)
        forces[0] = 0.3 * line / np.linalg.norm(line)
        forces[1] = -forces[0]
        self.results["forces"] = forces


@pytest.fixture
def pulling() -> type[Pulling]:
    return Pulling


@pytest.fixture
def breaking() -> type[Breaking]:
    return Breaking


@pytest.fixture
def watch() -> CommitteeWatch:
    """Selects many frames, never stops for uncertainty."""
    return CommitteeWatch(
        interval_steps=5,
        select_force_std_eV_per_angstrom=1e-4,
        stop_force_std_eV_per_angstrom=None,
        candidate_window_steps=15,
        max_candidates=3,
    )


@pytest.fixture
def go(argon: Atoms, watch: CommitteeWatch) -> Callable[..., SegmentResult]:
    """Run sixty steps, or as told."""

    def run(folder: Path, n_steps: int = 60, **options: object) -> SegmentResult:
        settings: dict = {
            "start": argon,
            "committee": CalculatorCommittee([Memoryless(0.0104), Memoryless(0.0106)]),
            "dynamics": LangevinNVT(temperature_K=40.0, timestep_fs=2.0),
            "seed": 7,
            "watch": watch,
            "frame_interval_steps": 3,
            "checkpoint_interval_steps": 10,
        }
        return run_segment(n_steps=n_steps, folder=folder, **settings | options)

    return run
