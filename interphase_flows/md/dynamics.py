"""Langevin dynamics with the centre of mass at rest: constant volume (NVT) or constant pressure (NpT).

::

    m dv = F dt - m γ v dt + sqrt(2 m γ kB T) dW

with γ ``friction_per_ps``, T ``temperature_K`` and dt ``timestep_fs``. With ``ramp_to_temperature_K``, T is a linear
function of the time of the run, so that a ramp needs no separate state.

Integrator: E. Vanden-Eijnden and G. Ciccotti, Chem. Phys. Lett. 429, 310 (2006), eq. 23, as in ASE. Its state
between two steps is positions, momenta and the random generator, so these three restart it exactly. At constant
pressure the cell is the fourth; ``cell_rescaling.py`` has the barostat.
"""

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from pydantic import BaseModel, ConfigDict, Field, model_validator

from interphase_flows.exceptions import DynamicsError
from interphase_flows.md.cell_axes import Axes
from interphase_flows.units import FS, GPA_PER_EV_PER_ANGSTROM3, KB_EV_PER_K

# campaign files are read without the integrators, whose modules load scipy for a second
if TYPE_CHECKING:
    from ase.md.langevin import Langevin

MIN_BAROSTAT_STEPS = 10
"""Shortest relaxation time of the cell in time steps. A shorter one is unstable if the material is stiffer than
estimated, and biases the variance of the volume by over 5 %."""
_RAMP = ("ramp_to_temperature_K", "ramp_time_fs")


class LangevinDynamics(BaseModel):
    """Thermostat and time step that all ensembles share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature_K: float = Field(gt=0)
    timestep_fs: float = Field(default=1.0, gt=0, le=10)
    """1 to 2 for lithium compounds without hydrogen."""
    friction_per_ps: float = Field(default=10.0, gt=0)
    """γ; 10/ps thermalises within 0.1 ps and hardly affects diffusion in solids."""
    ramp_to_temperature_K: float | None = Field(default=None, gt=0)
    """Temperature at the end of a linear ramp from ``temperature_K`` in the first ``ramp_time_fs`` of the run."""
    ramp_time_fs: float = Field(default=10_000.0, gt=0)

    def bath_K(self, time_fs: float) -> float:
        """Return the temperature of the thermostat at a time since the start of the run."""
        if self.ramp_to_temperature_K is None:
            return self.temperature_K
        fraction = min(time_fs / self.ramp_time_fs, 1.0)
        return self.temperature_K + fraction * (self.ramp_to_temperature_K - self.temperature_K)

    def set_bath(self, integrator: "Langevin", time_fs: float) -> None:
        """Set the temperature of the integrator for the next step, at a time since the start of the run."""
        if self.ramp_to_temperature_K is not None:
            integrator.set_temperature(temperature_K=self.bath_K(time_fs))

    @property
    def settings(self) -> dict[str, object]:
        """Settings that have an effect, which identify a segment."""
        return self.model_dump(exclude=set() if self.ramp_to_temperature_K is not None else set(_RAMP))

    def draw_momenta(self, atoms: Atoms, generator: np.random.Generator) -> None:
        """Draw momenta from the Maxwell-Boltzmann distribution, in place, with the centre of mass at rest."""
        from ase.md.velocitydistribution import thermalize_momenta

        thermalize_momenta(atoms, self.temperature_K, rng=generator)

    @abstractmethod
    def integrator(self, atoms: Atoms, generator: np.random.Generator) -> "Langevin":
        """Return the integrator of ``atoms``; each ``step(forces)`` advances them by one time step, in place."""

    @property
    def target_pressure_GPa(self) -> float:
        """External pressure; zero at constant volume, where none is imposed."""
        return 0.0

    def cell_observables(self, atoms: Atoms) -> dict[str, float]:
        """Return observables of the cell that are recorded at every evaluation, empty at constant volume."""
        return {}

    def _thermostat(self, generator: np.random.Generator) -> dict[str, object]:
        # ASE's `fixcm=True` does not sample the canonical ensemble; constrain_centre_of_mass does
        return {
            "timestep": self.timestep_fs * FS,
            "temperature_K": self.temperature_K,
            "friction": self.friction_per_ps / (1000.0 * FS),
            "fixcm": False,
            "rng": generator,
        }


class LangevinNVT(LangevinDynamics):
    """Langevin dynamics at constant number, volume and temperature."""

    def integrator(self, atoms: Atoms, generator: np.random.Generator) -> "Langevin":
        """Return the integrator of ``atoms``; each ``step(forces)`` advances positions and momenta, in place."""
        from ase.md.langevin import Langevin

        return Langevin(atoms, **self._thermostat(generator))


class LangevinNPT(LangevinDynamics):
    """Langevin dynamics at constant number, pressure and temperature, by stochastic cell rescaling.

    Barostat time and bulk modulus set how fast the cell relaxes, not its equilibrium distribution.
    """

    pressure_GPa: float = 0.0
    """External pressure, compression positive. At ``axes="normal"`` the pressure along z."""
    axes: Axes = "normal"
    """``normal``: only the component of c along z changes; ``orthogonal``: x, y and z change independently;
    ``isotropic``: the volume changes at constant shape."""
    barostat_time_fs: float = Field(default=1000.0, gt=0)
    """Relaxation time of the volume of a material with modulus ``bulk_modulus_GPa``."""
    bulk_modulus_GPa: float = Field(default=20.0, gt=0)
    """Estimate; lithium has 12 GPa, Li7P3S11 about 20 GPa, Li2S 40 GPa."""

    @model_validator(mode="after")
    def _relaxation_is_slow(self) -> "LangevinNPT":
        if self.barostat_time_fs < MIN_BAROSTAT_STEPS * self.timestep_fs:
            raise ValueError(
                f"barostat_time_fs={self.barostat_time_fs:g}: must be at least {MIN_BAROSTAT_STEPS} time steps of "
                f"{self.timestep_fs:g} fs"
            )
        return self

    def integrator(self, atoms: Atoms, generator: np.random.Generator) -> "Langevin":
        """Return the integrator of ``atoms``; each ``step(forces)`` advances positions, momenta and cell, in place.

        Raises DynamicsError if the cell cannot change along these axes, or the potential has no stress.
        """
        from interphase_flows.md.cell_rescaling import CellRescaling, CellRescalingLangevin, check_cell

        check_cell(atoms, self.axes)
        barostat = CellRescaling(
            axes=self.axes,
            pressure_eV_per_angstrom3=self.pressure_GPa / GPA_PER_EV_PER_ANGSTROM3,
            compressibility_angstrom3_per_eV=GPA_PER_EV_PER_ANGSTROM3 / self.bulk_modulus_GPa,
            relaxation_time=self.barostat_time_fs * FS,
            thermal_energy_eV=KB_EV_PER_K * self.temperature_K,
        )
        return CellRescalingLangevin(atoms, barostat=barostat, **self._thermostat(generator))

    def set_bath(self, integrator: "Langevin", time_fs: float) -> None:
        """Set the temperature of thermostat and barostat for the next step."""
        super().set_bath(integrator, time_fs)
        if self.ramp_to_temperature_K is None:
            return
        from interphase_flows.md.cell_rescaling import CellRescalingLangevin

        if isinstance(integrator, CellRescalingLangevin):
            integrator.barostat = replace(integrator.barostat, thermal_energy_eV=KB_EV_PER_K * self.bath_K(time_fs))

    @property
    def target_pressure_GPa(self) -> float:
        """External pressure, compression positive."""
        return self.pressure_GPa

    def cell_observables(self, atoms: Atoms) -> dict[str, float]:
        """Return volume and normal stress; the stress has its kinetic part, tension is positive, as in ASE."""
        from interphase_flows.md.cell_rescaling import internal_pressure_eV_per_angstrom3

        pressure = internal_pressure_eV_per_angstrom3(atoms)
        return {
            "volume_angstrom3": float(atoms.get_volume()),
            "normal_stress_GPa": -float(pressure[2]) * GPA_PER_EV_PER_ANGSTROM3,
        }


def constrain_centre_of_mass(atoms: Atoms) -> None:
    """Constrain the centre of mass, in place.

    Raises DynamicsError for fewer than two atoms, or other constraints, which a checkpoint does not store.
    """
    from ase.constraints import FixCom

    if len(atoms) < 2:
        raise DynamicsError(f"a run needs at least two atoms, the start has {len(atoms)}")
    foreign = [type(c).__name__ for c in atoms.constraints if type(c) is not FixCom]
    if foreign:
        raise DynamicsError(
            f"the start has constraints ({', '.join(foreign)}), which a checkpoint does not store. "
            "Hint: remove them with atoms.set_constraint()"
        )
    atoms.set_constraint(FixCom())


def kinetic_temperature_K(momenta: np.ndarray, masses: np.ndarray) -> float:
    """Return T = 2 K / ((3N - 3) kB) of momenta, (n_atoms, 3), in ASE's unit and masses in u."""
    twice_kinetic_eV = float(np.einsum("ij,ij,i->", momenta, momenta, 1.0 / masses))
    return twice_kinetic_eV / ((3 * len(masses) - 3) * KB_EV_PER_K)
