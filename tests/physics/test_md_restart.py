"""Molecular dynamics: killed runs resume bitwise identically, and the thermostat samples NVT."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from interphase_flows.md.checkpoint import read_checkpoint
from interphase_flows.md.dynamics import LangevinNPT, LangevinNVT, constrain_centre_of_mass, kinetic_temperature_K
from interphase_flows.md.segment import SegmentResult, run_segment
from interphase_flows.md.uncertainty_monitor import CalculatorCommittee, UncertaintyMonitor
from interphase_flows.units import KB_EV_PER_K

N_KILLS = 6
COM_TOLERANCE_ANGSTROM = 1e-9
N_SIGMA = 4.0


def copper() -> Atoms:
    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    atoms.new_array("side", np.repeat([0, 1], 16))
    return atoms


class StatelessEMT(EMT):
    """EMT with a new neighbour list per call; ASE's list with a skin makes sums depend on the history."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, all_changes)


class StatelessLennardJones(LennardJones):
    """Lennard-Jones with a new neighbour list per call."""

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        self.nl = None
        super().calculate(atoms, properties, all_changes)


ENSEMBLES = {
    "nvt": LangevinNVT(temperature_K=600.0, timestep_fs=2.0),
    "npt": LangevinNPT(temperature_K=600.0, timestep_fs=2.0, pressure_GPa=2.0, barostat_time_fs=200.0),
}


def killable(folder: Path, ensemble: str) -> SegmentResult:
    """Run a segment of some seconds with frequent checkpoints, with EMT and a Lennard-Jones potential."""
    pair = CalculatorCommittee([StatelessEMT(), StatelessLennardJones(sigma=2.3, epsilon=0.4, rc=4.5, smooth=True)])
    return run_segment(
        copper(),
        pair,
        ENSEMBLES[ensemble],
        n_steps=400,
        seed=11,
        folder=folder,
        monitor=UncertaintyMonitor(
            interval_steps=5,
            select_force_std_eV_per_angstrom=0.1,
            stop_force_std_eV_per_angstrom=None,
            candidate_window_steps=10,
            max_candidates=5,
        ),
        frame_interval_steps=2,
        checkpoint_interval_steps=7,
    )


@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_resume_after_random_kills_gives_identical_run(tmp_path, ensemble):
    """SIGKILL several times: state (with the cell), random stream, frames, observations and candidates are identical."""
    uninterrupted = killable(tmp_path / "uninterrupted", ensemble)
    generator = np.random.default_rng()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    kills = 0
    folder = tmp_path / "killed"
    for _ in range(200):
        process = subprocess.Popen([sys.executable, __file__, str(folder), ensemble], env=environment)
        if kills < N_KILLS:
            # wait for a new checkpoint, so that every process makes progress, then kill at a random time
            before = {path.name for path in folder.glob("checkpoint-*.npz")}
            while process.poll() is None and {p.name for p in folder.glob("checkpoint-*.npz")} <= before:
                time.sleep(0.005)
            time.sleep(float(generator.uniform(0.0, 0.4)))
            process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            break
        kills += 1
    assert kills >= 2
    again = killable(folder, ensemble)
    one, two = (
        read_checkpoint(uninterrupted.last_good_checkpoint),
        read_checkpoint(again.last_good_checkpoint),
    )
    assert one.state_sha256() == two.state_sha256()
    assert one.generator_state == two.generator_state
    assert uninterrupted.trajectory.read_bytes() == again.trajectory.read_bytes()
    assert uninterrupted.evaluation_step.tolist() == again.evaluation_step.tolist()
    np.testing.assert_array_equal(uninterrupted.uncertainty_eV_per_angstrom, again.uncertainty_eV_per_angstrom)
    np.testing.assert_array_equal(uninterrupted.evaluation_temperature_K, again.evaluation_temperature_K)
    assert [c.step for c in uninterrupted.candidates] == [c.step for c in again.candidates]
    assert len(uninterrupted.candidates) == 5
    for mine, theirs in zip(uninterrupted.candidates, again.candidates, strict=True):
        np.testing.assert_array_equal(mine.atoms.positions, theirs.atoms.positions)


class Springs(LennardJones):
    """Independent harmonic oscillators, whose kinetic and potential energy are known exactly."""

    spring_eV_per_angstrom2 = 1.0

    def __init__(self, origin: np.ndarray) -> None:
        super().__init__()
        self.origin = origin

    def check_state(self, atoms, tol=1e-15):
        return all_changes  # always compute: comparing with a copy of the atoms costs more

    def calculate(self, atoms=None, properties=None, system_changes=None):
        displacement = atoms.positions - self.origin
        self.results = {
            "energy": 0.5 * self.spring_eV_per_angstrom2 * float((displacement**2).sum()),
            "forces": -self.spring_eV_per_angstrom2 * displacement,
        }


@pytest.mark.parametrize("temperature_K", [300.0, 600.0])
def test_harmonic_oscillators_have_the_thermostat_temperature(temperature_K):
    """Equipartition over 3N - 3 degrees of freedom, kinetic and potential, with the variance of NVT."""
    atoms = Atoms("Li8P4S4", positions=3.0 * np.indices((4, 2, 2)).reshape(3, -1).T, cell=[12, 6, 6], pbc=True)
    constrain_centre_of_mass(atoms)
    dynamics = LangevinNVT(temperature_K=temperature_K, timestep_fs=1.0, friction_per_ps=40.0)
    generator = np.random.default_rng(1)
    dynamics.draw_momenta(atoms, generator)
    atoms.calc = Springs(atoms.positions.copy())
    integrator = dynamics.integrator(atoms, generator)
    masses, centre = atoms.get_masses(), atoms.get_center_of_mass()
    n_degrees = 3 * len(atoms) - 3
    forces = atoms.get_forces(md=True)
    kinetic_K, potential_K = [], []
    for step in range(40_000):
        forces = integrator.step(forces)
        if step >= 1000 and step % 10 == 0:
            kinetic_K.append(kinetic_temperature_K(atoms.arrays["momenta"], masses))
            potential_K.append(2 * atoms.get_potential_energy() / (n_degrees * KB_EV_PER_K))
    assert np.abs(atoms.get_center_of_mass() - centre).max() < COM_TOLERANCE_ANGSTROM
    assert np.abs(atoms.get_momenta().sum(axis=0)).max() < 1e-9
    for series in (kinetic_K, potential_K):
        blocks = np.array_split(np.asarray(series), 20)
        means = np.array([block.mean() for block in blocks])
        error_K = means.std(ddof=1) / np.sqrt(len(means))
        assert abs(means.mean() - temperature_K) < N_SIGMA * error_K
        assert error_K < 0.02 * temperature_K
    expected_std_K = temperature_K * np.sqrt(2 / n_degrees)
    assert np.std(kinetic_K) == pytest.approx(expected_std_K, rel=0.08)


def test_drawn_momenta_have_the_temperature_and_zero_total():
    """The mean temperature of 500 draws agrees within its error."""
    atoms = copper()
    constrain_centre_of_mass(atoms)
    generator = np.random.default_rng(2)
    dynamics = LangevinNVT(temperature_K=450.0)
    drawn_K = []
    for _ in range(500):
        dynamics.draw_momenta(atoms, generator)
        drawn_K.append(kinetic_temperature_K(atoms.get_momenta(), atoms.get_masses()))
        assert np.abs(atoms.get_momenta().sum(axis=0)).max() < 1e-10
    error_K = np.std(drawn_K) / np.sqrt(len(drawn_K))
    assert abs(np.mean(drawn_K) - 450.0) < N_SIGMA * error_K
    assert drawn_K[-1] == pytest.approx(atoms.get_temperature())


if __name__ == "__main__":
    killable(Path(sys.argv[1]), sys.argv[2])
