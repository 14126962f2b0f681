"""Relaxation of the start of a run: energy minimisation that moves no atom far.

It removes the large forces at the gap of an interface as built, at a fixed cell. The displacement of every atom is
limited, because a reactive interface has no minimum nearby: an unlimited minimisation runs the reaction at 0 K.

Method: FIRE (E. Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006)) with a limit for each atom, while ASE's `FIRE` limits
the norm over all atoms, so that its steps become shorter in larger cells. ::

    v <- (1 - α) v + α |v| F / |F|    while F · v > 0, else v <- 0 and a shorter dt
    v <- v + dt F,   dr = dt v        each atom by at most `MAX_STEP_ANGSTROM`
"""

import numpy as np
from ase import Atoms
from pydantic import BaseModel, ConfigDict, Field

from interphase_flows.exceptions import DynamicsError
from interphase_flows.schemas.segment import StartRelaxationDoc

MAX_STEP_ANGSTROM = 0.05
"""Largest displacement of an atom in one step."""
_DT, _MAX_DT, _LONGER, _SHORTER = 0.1, 1.0, 1.1, 0.5
_ALPHA, _LESS_ALPHA, _N_BEFORE_LONGER = 0.1, 0.99, 5


class StartRelaxation(BaseModel):
    """Limits of the relaxation; it ends at the first that is reached."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_steps: int = Field(default=100, ge=1, le=1_000_000)
    max_force_eV_per_angstrom: float = Field(default=0.3, gt=0)
    """Norm of the largest force; thermal forces at 300 K are larger."""
    max_displacement_angstrom: float = Field(default=0.5, ge=MAX_STEP_ANGSTROM)
    """Of any atom from its initial position; at least one step, without which nothing would be relaxed."""


def relax_start(atoms: Atoms, limits: StartRelaxation) -> StartRelaxationDoc:
    """Relax positions in place with the calculator of ``atoms``, and return what was done.

    Raises DynamicsError if energy or forces are not finite.
    """
    initial = atoms.get_positions()
    energy_before_eV = float(atoms.get_potential_energy())
    forces = _finite_forces(atoms)
    max_force_before = _largest_norm(forces)
    velocities = np.zeros_like(forces)
    dt, alpha, n_downhill, n_steps, displacement = _DT, _ALPHA, 0, 0, 0.0
    # one more step stays within the limit
    while (
        n_steps < limits.max_steps
        and _largest_norm(forces) > limits.max_force_eV_per_angstrom
        and displacement + MAX_STEP_ANGSTROM <= limits.max_displacement_angstrom
    ):
        if np.vdot(forces, velocities) > 0.0:
            direction = forces / np.linalg.norm(forces)
            velocities = (1.0 - alpha) * velocities + alpha * np.linalg.norm(velocities) * direction
            n_downhill += 1
            if n_downhill > _N_BEFORE_LONGER:
                dt, alpha = min(dt * _LONGER, _MAX_DT), alpha * _LESS_ALPHA
        else:
            velocities[:] = 0.0
            dt, alpha, n_downhill = (dt * _SHORTER if n_steps else dt), _ALPHA, 0
        velocities += dt * forces
        step = dt * velocities
        length = np.linalg.norm(step, axis=1, keepdims=True)
        step *= np.minimum(1.0, MAX_STEP_ANGSTROM / np.maximum(length, MAX_STEP_ANGSTROM))
        atoms.set_positions(atoms.get_positions() + step)  # with constraints
        forces = _finite_forces(atoms)
        displacement = _largest_norm(atoms.get_positions() - initial)
        n_steps += 1
    energy_eV = float(atoms.get_potential_energy())
    if not np.isfinite([energy_before_eV, energy_eV]).all():
        raise DynamicsError("the energy of the start is not finite. Hint: check the structure and the committee")
    return StartRelaxationDoc(
        n_steps=n_steps,
        max_force_before_eV_per_angstrom=max_force_before,
        max_force_eV_per_angstrom=_largest_norm(forces),
        max_displacement_angstrom=displacement,
        energy_change_eV_per_atom=(energy_eV - energy_before_eV) / len(atoms),
    )


def _finite_forces(atoms: Atoms) -> np.ndarray:
    forces = np.asarray(atoms.get_forces())
    if not np.isfinite(forces).all():
        raise DynamicsError(
            "the forces of the start are not finite during its relaxation. Hint: build it with larger distances, or "
            "label more structures like it"
        )
    return forces


def _largest_norm(vectors: np.ndarray) -> float:
    return float(np.linalg.norm(vectors, axis=1).max())
