"""Stochastic cell rescaling: the barostat of constant-pressure dynamics.

::

    dε_a = -(β_a / τ) (P - p_a) dt + sqrt(2 β_a kB T / (V τ)) dW_a
    L_a -> exp(ε_a) L_a,   r_a -> exp(ε_a) r_a,   p_a -> exp(-ε_a) p_a

================  ============================================================================================
symbol            meaning
================  ============================================================================================
ε_a               logarithmic strain along the Cartesian axis a, in one time step
P                 external pressure, ``pressure_eV_per_angstrom3``, compression positive
p_a               internal pressure along a, kinetic and virial part; its mean over the axes if isotropic
β_a               ``compressibility_angstrom3_per_eV``; a third of it for each of three coupled axes
τ                 ``relaxation_time``
V, L_a, r_a, p_a  volume, length of the cell, positions, momenta
================  ============================================================================================

M. Bernetti and G. Bussi, J. Chem. Phys. 153, 114107 (2020), eq. 7; along separate axes: V. Del Tatto, P. Raiteri,
M. Bernetti and G. Bussi, Appl. Sci. 12, 1139 (2022).

Distribution. With the centre of mass constrained, N atoms have N - 1 kinetic degrees of freedom along each axis, and the
distribution of the volume is

    p(V) ∝ V^(N-1) ∫ exp(-(U + P V) / kB T) ds

over the scaled coordinates s. For the ideal gas V has the mean N kB T / P and the variance N (kB T / P)², so no
correction for the constraint is needed. Along separate axes the measure is uniform in every length. ``β`` and ``τ`` set
the rate of relaxation only. The time step changes the variance of the volume by a fraction of about dt / (2 τ).

Positions. Unwrapped positions are scaled about the origin of the cell, so fractional coordinates, image flags
and the fractional centre of mass do not change; the cartesian centre of mass moves with the cell. Displacements in a
changing cell are differences of unwrapped fractional coordinates.

Choice of the method. The state is positions, momenta, cell and random generator, so a checkpoint needs no further
variables. The relaxation is of first order, without oscillations of the cell, also from a start far from equilibrium.
ASE's `MaskedMTKNPT` (Martyna, Tobias and Klein) samples the same distributions, which a test compares, but the variables
of its chains are private attributes, and its thermostat is deterministic: independent oscillators are not ergodic. In ASE
3.29 its mask must be an array; the documented tuple leaves the cell fixed. ASE's inhomogeneous Berendsen barostat samples
no ensemble.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.md.langevin import Langevin

from interphase_flows.exceptions import DynamicsError
from interphase_flows.md.cell_axes import Axes

LARGEST_STRAIN = 0.05
"""Limit of the drift of ε_a in one time step, reached only far from equilibrium."""
_LARGEST_TILT = 1e-9
MAX_EMPTY_ANGSTROM = 10.0
"""Thickest layer without atoms. A wider one is a vacuum, whose thickness the pressure does not determine."""


@dataclass(frozen=True)
class CellRescaling:
    """Stochastic cell rescaling in ASE's units."""

    axes: Axes
    pressure_eV_per_angstrom3: float
    compressibility_angstrom3_per_eV: float
    relaxation_time: float
    """In ASE's unit of time, like the time step."""
    thermal_energy_eV: float
    """kB T."""

    def strain(
        self, pressure_eV_per_angstrom3: np.ndarray, volume_angstrom3: float, timestep: float, rng: np.random.Generator
    ) -> np.ndarray:
        """Return the logarithmic strain of one step along x, y and z, (3,), from the internal pressures along them."""
        excess = self.pressure_eV_per_angstrom3 - pressure_eV_per_angstrom3
        rate = self.compressibility_angstrom3_per_eV * timestep / self.relaxation_time
        diffusion = 2.0 * rate * self.thermal_energy_eV / volume_angstrom3
        if self.axes == "orthogonal":
            return _bounded(-rate / 3.0 * excess) + math.sqrt(diffusion / 3.0) * rng.standard_normal(3)
        driving = excess.mean() if self.axes == "isotropic" else excess[2]
        volume_strain = _bounded(-rate * driving) + math.sqrt(diffusion) * rng.standard_normal()
        if self.axes == "isotropic":
            return np.full(3, volume_strain / 3.0)
        return np.array([0.0, 0.0, volume_strain])


def _bounded(strain: np.ndarray) -> np.ndarray:
    return np.clip(strain, -LARGEST_STRAIN, LARGEST_STRAIN)


class CellRescalingLangevin(Langevin):
    """ASE's Langevin integrator with stochastic cell rescaling between the drift and the second half of the kick.

    The internal pressure is that of the last complete step, so the potential is evaluated once per step. In the
    constructor, ``barostat`` comes before the arguments of `Langevin`.
    """

    def __init__(self, atoms: Atoms, *, barostat: CellRescaling, **langevin: Any) -> None:
        super().__init__(atoms, **langevin)
        self.barostat = barostat

    def step(self, forces: np.ndarray | None = None) -> np.ndarray:
        """Advance positions, momenta and cell by one time step, and return the forces at its end."""
        atoms, masses = self.atoms, self.masses
        if forces is None:
            forces = atoms.get_forces(md=True)
        pressure = internal_pressure_eV_per_angstrom3(atoms)
        if not np.isfinite(pressure).all():
            return np.full_like(forces, np.nan)  # a cell that is not finite can hang a neighbour search
        volume = float(atoms.get_volume())
        velocities = atoms.get_velocities()
        xi = self.rng.standard_normal(size=(len(atoms), 3))
        eta = self.rng.standard_normal(size=(len(atoms), 3))
        random_positions = self.c5 * eta
        random_velocities = self.c3 * xi - self.c4 * eta
        velocities += self.c1 * forces / masses - self.c2 * velocities + random_velocities
        before = atoms.get_positions()
        atoms.set_positions(before + self.dt * velocities + random_positions)  # with constraints
        velocities = (atoms.get_positions() - before - random_positions) / self.dt
        scale = np.exp(self.barostat.strain(pressure, volume, self.dt, self.rng))
        scale_cell(atoms, scale, self.barostat.axes)
        velocities /= scale
        forces = atoms.get_forces(md=True)
        velocities += self.c1 * forces / masses - self.c2 * velocities + random_velocities
        atoms.set_momenta(velocities * masses)
        return np.asarray(forces)


def scale_cell(atoms: Atoms, scale: np.ndarray, axes: Axes) -> None:
    """Scale the cell and the unwrapped positions along x, y and z about the origin, in place.

    At ``axes="normal"`` only the z component of c and the z coordinates change; all other numbers keep their bits.
    """
    if axes == "normal":
        atoms.cell[2, 2] *= scale[2]
        atoms.positions[:, 2] *= scale[2]
    else:
        atoms.cell[:] = atoms.cell.array * scale
        # not set_positions, because the constraint would hold the centre of mass
        atoms.positions *= scale


def internal_pressure_eV_per_angstrom3(atoms: Atoms) -> np.ndarray:
    """Return the internal pressure along x, y and z, (3,), with its kinetic part; compression is positive.

    Raises DynamicsError if the potential has no stress.
    """
    try:
        stress = atoms.get_stress(apply_constraint=False)
    except (PropertyNotImplementedError, NotImplementedError, KeyError) as error:
        raise DynamicsError(
            f"constant pressure needs the stress of the potential, which {type(atoms.calc).__name__} does not compute. "
            "Hint: use ensemble nvt, or a potential with stress"
        ) from error
    momenta = atoms.arrays["momenta"]
    twice_kinetic_eV = np.einsum("ia,ia,i->a", momenta, momenta, 1.0 / atoms.get_masses())
    return np.asarray(twice_kinetic_eV / atoms.get_volume() - stress[:3])


def check_cell(atoms: Atoms, axes: Axes) -> None:
    """Raise DynamicsError unless the cell is periodic along the axes that change, without vacuum, and fits ``normal``."""
    is_changing = np.array([axes != "normal", axes != "normal", True])
    if not atoms.pbc[is_changing].all() or abs(atoms.cell.volume) == 0.0:
        raise DynamicsError(
            f"constant pressure along axes {axes!r} needs a cell that is periodic along them, the start has pbc "
            f"{atoms.pbc.tolist()}. Hint: use ensemble nvt, or a periodic cell"
        )
    tilt = np.abs(atoms.cell.array[:2, 2]).max() / np.linalg.norm(atoms.cell.array[:2], axis=1).min()
    if axes == "normal" and tilt > _LARGEST_TILT:
        raise DynamicsError(
            "constant pressure along axes 'normal' needs lattice vectors a and b in the xy plane, because only the "
            "z component of c changes. Hint: rotate the structure (atoms.rotate with rotate_cell=True), or use other axes"
        )
    empty_angstrom = _empty_layers_angstrom(atoms)[is_changing].max()
    if empty_angstrom > MAX_EMPTY_ANGSTROM:
        raise DynamicsError(
            f"constant pressure along axes {axes!r} needs a cell without vacuum, the start has a layer of "
            f"{empty_angstrom:.1f} Å without atoms. Hint: use ensemble nvt, or remove the vacuum"
        )


def _empty_layers_angstrom(atoms: Atoms) -> np.ndarray:
    """Return the thickest layer without atoms parallel to each pair of lattice vectors, (3,), in Å."""
    inverse = np.linalg.inv(atoms.cell.array)
    fractions = np.sort(atoms.positions @ inverse % 1.0, axis=0)
    gaps = np.diff(fractions, axis=0, append=fractions[:1] + 1.0)
    return np.asarray(gaps.max(axis=0) / np.linalg.norm(inverse, axis=0))
