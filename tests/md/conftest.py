"""Fixtures of MD tests: argon with Lennard-Jones potentials whose depths differ by two per cent."""

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
from interphase_flows.md.uncertainty_monitor import CalculatorCommittee, UncertaintyMonitor


def _argon() -> Atoms:
    atoms = bulk("Ar", cubic=True, a=5.4) * (2, 2, 2)
    atoms.rattle(0.05, seed=3)
    atoms.new_array("side", np.array(["electrode"] * 16 + ["electrolyte"] * 16))
    return atoms


@pytest.fixture
def argon() -> Atoms:
    """32 atoms slightly off their lattice sites, with finite initial forces."""
    return _argon()


class StatelessLennardJones(LennardJones):
    """Lennard-Jones with a new neighbour list per call; ASE's list with a skin makes sums depend on the history."""

    def __init__(self, epsilon_eV: float) -> None:
        super().__init__(sigma=3.4, epsilon=epsilon_eV, rc=5.2, smooth=True)

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        self.nl = None
        super().calculate(atoms, properties, all_changes)


@pytest.fixture
def pair_committee() -> CalculatorCommittee:
    return CalculatorCommittee([StatelessLennardJones(0.0104), StatelessLennardJones(0.0106)])


class Breaking(StatelessLennardJones):
    """Multiply forces by ``scale`` after an atom has moved far enough from the start."""

    def __init__(self, scale: float, at_displacement_angstrom: float = 0.15) -> None:
        super().__init__(0.0104)
        self.scale = scale
        self.at_displacement_angstrom = at_displacement_angstrom
        self.origin = _argon().positions

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if np.abs(atoms.positions - self.origin).max() > self.at_displacement_angstrom:
            self.results["forces"] = self.results["forces"] * self.scale


class Pulling(StatelessLennardJones):
    """Pull atoms 0 and 1 together; the others feel no force."""

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
def monitor() -> UncertaintyMonitor:
    """Select many frames and never stop for uncertainty."""
    return UncertaintyMonitor(
        interval_steps=5,
        select_force_std_eV_per_angstrom=1e-4,
        stop_force_std_eV_per_angstrom=None,
        candidate_window_steps=15,
        max_candidates=3,
    )


@pytest.fixture
def go(argon: Atoms, monitor: UncertaintyMonitor) -> Callable[..., SegmentResult]:
    """Return a function that runs sixty steps by default."""

    def run(folder: Path, n_steps: int = 60, **options: object) -> SegmentResult:
        settings: dict = {
            "start": argon,
            "committee": CalculatorCommittee([StatelessLennardJones(0.0104), StatelessLennardJones(0.0106)]),
            "dynamics": LangevinNVT(temperature_K=40.0, timestep_fs=2.0),
            "seed": 7,
            "monitor": monitor,
            "frame_interval_steps": 3,
            "checkpoint_interval_steps": 10,
        }
        return run_segment(n_steps=n_steps, folder=folder, **settings | options)

    return run
