"""Langevin dynamics (NVT) with the centre of mass at rest.

::

    m dv = F dt - m γ v dt + sqrt(2 m γ kB T) dW

with γ ``friction_per_ps``, T ``temperature_K`` and dt ``timestep_fs``.

Integrator: E. Vanden-Eijnden and G. Ciccotti, Chem. Phys. Lett. 429, 310 (2006), eq. 23, as in ASE. Its state
between two steps is positions, momenta and the random generator, so these three restart it exactly.
"""

import numpy as np
from ase import Atoms
from ase.constraints import FixCom
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta
from pydantic import BaseModel, ConfigDict, Field

from interphase_flows.exceptions import DynamicsError
from interphase_flows.units import FS, KB_EV_PER_K


class LangevinNVT(BaseModel):
    """Langevin dynamics at constant number, volume and temperature."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature_K: float = Field(gt=0)
    timestep_fs: float = Field(default=1.0, gt=0, le=10)
    """1 to 2 for lithium compounds without hydrogen."""
    friction_per_ps: float = Field(default=10.0, gt=0)
    """γ; 10/ps thermalises within 0.1 ps and hardly affects diffusion in solids."""

    def draw_momenta(self, atoms: Atoms, generator: np.random.Generator) -> None:
        """Draw momenta from the Maxwell-Boltzmann distribution, in place, with the centre of mass at rest."""
        thermalize_momenta(atoms, self.temperature_K, rng=generator)

    def integrator(self, atoms: Atoms, generator: np.random.Generator) -> Langevin:
        """Return the integrator of ``atoms``; each ``step()`` advances positions and momenta by one time step.

        ASE's ``fixcm=True`` does not sample NVT; the constraint of :func:`constrain_centre_of_mass` does.
        """
        return Langevin(
            atoms,
            timestep=self.timestep_fs * FS,
            temperature_K=self.temperature_K,
            friction=self.friction_per_ps / (1000.0 * FS),
            fixcm=False,
            rng=generator,
        )


def constrain_centre_of_mass(atoms: Atoms) -> None:
    """Constrain the centre of mass, in place.

    Raises DynamicsError for fewer than two atoms, or other constraints, which a checkpoint does not store.
    """
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
