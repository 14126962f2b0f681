"""Constant-pressure dynamics against known distributions: ideal gas, harmonic crystal, NVT equation of state."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.md.nose_hoover_chain import MaskedMTKNPT

from interphase_flows.md.dynamics import (
    LangevinDynamics,
    LangevinNPT,
    LangevinNVT,
    constrain_centre_of_mass,
)
from interphase_flows.units import FS, GPA_PER_EV_PER_ANGSTROM3, KB_EV_PER_K

N_SIGMA = 4.0
"""Tolerance in standard errors; the seeds are fixed."""
N_BLOCKS = 20


class Exact(Calculator, ABC):
    """Calculator of energy, forces and stress whose results are cached until the atoms change."""

    implemented_properties = ("energy", "free_energy", "forces", "stress")

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        energy_eV, forces, virial_eV = self.evaluate(atoms)
        stress = (0.5 * (virial_eV + virial_eV.T) / atoms.get_volume()).ravel()[[0, 4, 8, 5, 2, 1]]
        self.results = {"energy": energy_eV, "free_energy": energy_eV, "forces": forces, "stress": stress}

    @abstractmethod
    def evaluate(self, atoms: Atoms) -> tuple[float, np.ndarray, np.ndarray]:
        """Return energy, forces (n, 3) and V times the stress (3, 3)."""


class IdealGas(Exact):
    """Atoms without interactions."""

    def evaluate(self, atoms):
        return 0.0, np.zeros((len(atoms), 3)), np.zeros((3, 3))


class HarmonicCrystal(Exact):
    """n x n x n atoms; bonds along x, y, z have the energy 1/2 K |b - d|² with d = ``rest_angstrom`` along the axis.

    The positions in the cell decouple from its lengths L: energy 1/2 K N (L_a / n - d)² for each axis a.
    """

    def __init__(self, n: int, stiffness_eV_per_angstrom2: float, rest_angstrom: float) -> None:
        super().__init__()
        self.n, self.stiffness, self.rest_angstrom = n, stiffness_eV_per_angstrom2, rest_angstrom
        site = np.arange(n**3).reshape(n, n, n)
        self.neighbour = [np.roll(site, -1, axis).ravel() for axis in range(3)]
        self.crosses = [(np.indices((n, n, n))[axis] == n - 1).ravel() for axis in range(3)]

    def at_rest(self) -> Atoms:
        """Return the crystal at rest."""
        sites = np.indices((self.n,) * 3).reshape(3, -1).T * self.rest_angstrom
        return Atoms("Ar" * len(sites), sites, cell=[self.n * self.rest_angstrom] * 3, pbc=True)

    def evaluate(self, atoms):
        r, cell = atoms.positions, atoms.cell.array
        forces, virial, energy = np.zeros_like(r), np.zeros((3, 3)), 0.0
        for axis in range(3):
            bond = r[self.neighbour[axis]] + np.outer(self.crosses[axis], cell[axis]) - r
            stretch = bond.copy()
            stretch[:, axis] -= self.rest_angstrom
            forces += self.stiffness * stretch
            forces[self.neighbour[axis]] -= self.stiffness * stretch
            virial += self.stiffness * stretch.T @ bond
            energy += 0.5 * self.stiffness * float((stretch**2).sum())
        return energy, forces, virial


def run(atoms: Atoms, calculator: Calculator, dynamics: LangevinDynamics, n_steps: int, n_skip: int) -> np.ndarray:
    """Return the diagonal of the cell and the internal pressure after each step, (n_steps - n_skip, 4), Å and eV/Å³."""
    generator = np.random.default_rng(1)
    atoms = atoms.copy()
    atoms.calc = calculator
    constrain_centre_of_mass(atoms)
    dynamics.draw_momenta(atoms, generator)
    integrator = dynamics.integrator(atoms, generator)
    forces = atoms.get_forces(md=True)
    rows = []
    for step in range(n_steps):
        forces = integrator.step(forces)
        if step >= n_skip:
            pressure = -atoms.get_stress(apply_constraint=False, include_ideal_gas=True)[:3].mean()
            rows.append([*np.diag(atoms.cell.array), pressure])
    return np.array(rows)


def block_mean(values: np.ndarray) -> tuple[float, float]:
    """Return the mean of a correlated series and its standard error."""
    blocks = [block.mean() for block in np.array_split(values, N_BLOCKS)]
    return float(np.mean(blocks)), float(np.std(blocks, ddof=1) / np.sqrt(N_BLOCKS))


def assert_moments(values: np.ndarray, mean: float, variance: float) -> None:
    """Assert mean and variance within ``N_SIGMA`` standard errors of block averages."""
    for name, series, expected in (("mean", values, mean), ("variance", (values - mean) ** 2, variance)):
        found, error = block_mean(series)
        assert abs(found - expected) < N_SIGMA * error, f"{name}: {found} +- {error}, exact {expected}"
        assert error < 0.25 * abs(expected)


@pytest.mark.parametrize("axes", ["normal", "isotropic"])
def test_volume_of_an_ideal_gas(axes: Any):
    """With the centre of mass constrained, V has the mean N kB T / P and the variance N (kB T / P)²."""
    n, temperature_K, pressure_GPa = 8, 300.0, 0.05
    ideal = KB_EV_PER_K * temperature_K / (pressure_GPa / GPA_PER_EV_PER_ANGSTROM3)
    length = (n * ideal) ** (1 / 3)
    positions = np.random.default_rng(0).uniform(0, length, (n, 3))
    dynamics = LangevinNPT(
        temperature_K=temperature_K,
        timestep_fs=5.0,
        friction_per_ps=40.0,
        pressure_GPa=pressure_GPa,
        axes=axes,
        barostat_time_fs=250.0,
        bulk_modulus_GPa=pressure_GPa,
    )
    lengths = run(Atoms("Ar8", positions, cell=[length] * 3, pbc=True), IdealGas(), dynamics, 10_000, 500)[:, :3]
    assert_moments(lengths.prod(axis=1), n * ideal, n * ideal**2)
    if axes == "normal":
        assert (lengths[:, :2] == length).all()


CRYSTAL = HarmonicCrystal(n=3, stiffness_eV_per_angstrom2=0.5, rest_angstrom=3.0)
MODULUS_GPA = 0.5 / 3.0 * GPA_PER_EV_PER_ANGSTROM3


def exact_length(temperature_K: float, pressure_GPa: float) -> tuple[float, float]:
    """Return mean and variance of L_z of the crystal at fixed area, by its Gaussian distribution."""
    n_sites, n, area = CRYSTAL.n**3, CRYSTAL.n, (CRYSTAL.n * CRYSTAL.rest_angstrom) ** 2
    per_length = CRYSTAL.stiffness * n_sites / n**2
    mean = n * CRYSTAL.rest_angstrom - pressure_GPa / GPA_PER_EV_PER_ANGSTROM3 * area / per_length
    return mean, KB_EV_PER_K * temperature_K / per_length


def crystal_dynamics(axes: Any, pressure_GPa: float, barostat_time_fs: float = 150.0) -> LangevinNPT:
    return LangevinNPT(
        temperature_K=300.0,
        timestep_fs=5.0,
        friction_per_ps=10.0,
        pressure_GPa=pressure_GPa,
        axes=axes,
        barostat_time_fs=barostat_time_fs,
        bulk_modulus_GPa=MODULUS_GPA,
    )


@pytest.mark.parametrize("pressure_GPa", [0.0, 1.0])
def test_normal_length_of_a_harmonic_crystal(pressure_GPa: float):
    """Positive pressure compresses along z; variance of the length from the modulus."""
    mean, variance = exact_length(300.0, pressure_GPa)
    lengths = run(CRYSTAL.at_rest(), CRYSTAL, crystal_dynamics("normal", pressure_GPa), 5500, 500)[:, :3]
    assert_moments(lengths[:, 2], mean, variance)
    assert (lengths[:, :2] == CRYSTAL.n * CRYSTAL.rest_angstrom).all()


def test_orthogonal_lengths_of_a_harmonic_crystal_are_independent():
    """At zero pressure each length has its own Gaussian distribution."""
    mean, variance = exact_length(300.0, 0.0)
    lengths = run(CRYSTAL.at_rest(), CRYSTAL, crystal_dynamics("orthogonal", 0.0, 50.0), 6000, 500)[:, :3]
    for axis in range(3):
        assert_moments(lengths[:, axis], mean, variance)
        product = (lengths[:, axis] - mean) * (lengths[:, axis - 1] - mean)
        covariance, error = block_mean(product)
        assert abs(covariance) < N_SIGMA * error < variance


def test_isotropic_length_of_a_harmonic_crystal():
    """With a uniform measure of the volume, p(L) ∝ L² exp(-3 k (L - L0)² / 2 kB T)."""
    mean, variance = exact_length(300.0, 0.0)
    grid = mean + np.linspace(-8, 8, 4001) * np.sqrt(variance)
    weight = grid**2 * np.exp(-1.5 * (grid - mean) ** 2 / variance)
    expected = np.average(grid, weights=weight)
    spread = np.average((grid - expected) ** 2, weights=weight)
    lengths = run(CRYSTAL.at_rest(), CRYSTAL, crystal_dynamics("isotropic", 0.0), 6000, 500)[:, :3]
    np.testing.assert_allclose(np.ptp(lengths, axis=1), 0.0, atol=1e-10)
    assert_moments(lengths[:, 0], float(expected), float(spread))


def test_normal_length_equals_that_of_masked_mtk():
    """ASE's Martyna-Tobias-Klein barostat along z samples the same distribution."""
    mean, variance = exact_length(300.0, 0.5)
    atoms = CRYSTAL.at_rest()
    atoms.calc = CRYSTAL
    constrain_centre_of_mass(atoms)
    LangevinNVT(temperature_K=300.0).draw_momenta(atoms, np.random.default_rng(2))
    atoms.set_constraint()
    integrator = MaskedMTKNPT(
        atoms,
        timestep=5.0 * FS,
        temperature_K=300.0,
        pressure_au=0.5 / GPA_PER_EV_PER_ANGSTROM3,
        tdamp=200.0 * FS,
        pdamp=500.0 * FS,
        mask=np.array([False, False, True]),  # ASE 3.29 ignores a tuple
    )
    lengths = []
    integrator.attach(lambda: lengths.append(atoms.cell[2, 2]))
    integrator.run(5000)
    assert_moments(np.array(lengths[500:]), mean, variance)


class ShortLennardJones(Exact):
    """Lennard-Jones argon, smoothly cut off within the minimum image of a cubic cell of 32 atoms."""

    cutoff_angstrom = 4.8

    def evaluate(self, atoms):
        edges = np.diag(atoms.cell.array)
        assert edges.min() > 2.0 * self.cutoff_angstrom
        vectors = atoms.positions[:, None] - atoms.positions
        vectors -= edges * np.rint(vectors / edges)
        squared = np.einsum("ijk,ijk->ij", vectors, vectors)
        np.fill_diagonal(squared, np.inf)
        scaled = np.minimum(squared / self.cutoff_angstrom**2, 1.0)
        sixth = (3.4**2 / squared) ** 3
        pair, window = 4.0 * 0.0104 * (sixth**2 - sixth), (1.0 - scaled) ** 2
        slope = -4.0 * 0.0104 * (12.0 * sixth**2 - 6.0 * sixth) / squared  # (dU/dr) / r
        factor = slope * window - 4.0 * pair * (1.0 - scaled) / self.cutoff_angstrom**2
        forces = -np.einsum("ij,ijk->ik", factor, vectors)
        virial = 0.5 * np.einsum("ij,ijk,ijl->kl", factor, vectors, vectors)
        return 0.5 * float((pair * window).sum()), forces, virial


def test_forces_and_stress_of_the_test_potential():
    atoms = bulk("Ar", cubic=True, a=5.4) * (2, 2, 2)
    atoms.rattle(0.1, seed=1)
    for calculator, crystal in ((ShortLennardJones(), atoms), (CRYSTAL, CRYSTAL.at_rest())):
        crystal.rattle(0.1, seed=2)
        crystal.calc = calculator
        np.testing.assert_allclose(
            crystal.get_forces()[:2], calculate_numerical_forces(crystal, iatoms=[0, 1]), atol=1e-6
        )
        np.testing.assert_allclose(crystal.get_stress()[:3], calculate_numerical_stress(crystal)[:3], atol=1e-7)


def test_argon_agrees_with_its_equation_of_state_at_constant_volume():
    """At the mean volume of NpT, the mean pressure of NVT is the external one; var V = kB T V / B with B of NVT."""
    temperature_K, pressure_GPa = 30.0, 0.2
    atoms = bulk("Ar", cubic=True, a=5.3) * (2, 2, 2)
    npt = LangevinNPT(
        temperature_K=temperature_K,
        timestep_fs=5.0,
        pressure_GPa=pressure_GPa,
        axes="isotropic",
        barostat_time_fs=200.0,
        bulk_modulus_GPa=3.0,
    )
    volumes = run(atoms, ShortLennardJones(), npt, 6000, 500)[:, :3].prod(axis=1)
    mean = float(volumes.mean())

    def pressure_at(volume_angstrom3: float) -> np.ndarray:
        fixed = atoms.copy()
        fixed.set_cell(np.eye(3) * volume_angstrom3 ** (1 / 3), scale_atoms=True)
        nvt = LangevinNVT(temperature_K=temperature_K, timestep_fs=5.0)
        return run(fixed, ShortLennardJones(), nvt, 2500, 500)[:, 3]

    low, high = pressure_at(0.98 * mean), pressure_at(1.02 * mean)
    modulus = float(low.mean() - high.mean()) / 0.04
    pressure = 0.5 * float(low.mean() + high.mean())
    length_error = abs(pressure - pressure_GPa / GPA_PER_EV_PER_ANGSTROM3) / (3.0 * modulus)
    assert length_error < 1e-3
    assert_moments(volumes, mean, KB_EV_PER_K * temperature_K * mean / modulus)
