"""Relaxation of crystals with a reference method, for the energies of phases."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE

from interphase_flows.reference.labelling import ReferenceMethod


@dataclass(frozen=True)
class Relaxed:
    """A relaxed crystal and the largest norm of a force at the end."""

    atoms: Atoms
    energy_eV: float
    max_force_eV_per_angstrom: float
    is_converged: bool
    n_steps: int


def relax(
    atoms: Atoms,
    method: ReferenceMethod,
    max_force_eV_per_angstrom: float = 0.05,
    max_steps: int = 120,
    relaxes_cell: bool = True,
    calculator: Calculator | None = None,
) -> Relaxed:
    """Relax positions and cell by FIRE (Bitzek et al., PRL 97, 170201 (2006)) in ASE's Fréchet cell filter.

    ``max_force_eV_per_angstrom`` also limits the generalised force on the cell; too few steps are reported by
    ``is_converged``. The given atoms are not changed; ``calculator`` replaces that of the method.
    """
    relaxing = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    relaxing.calc = method.calculator() if calculator is None else calculator
    optimizer = FIRE(FrechetCellFilter(relaxing) if relaxes_cell else relaxing, logfile=None)
    is_converged = bool(optimizer.run(fmax=max_force_eV_per_angstrom, steps=max_steps))
    energy = float(relaxing.get_potential_energy())
    forces = np.linalg.norm(relaxing.get_forces(), axis=1)
    relaxing.calc = None
    return Relaxed(relaxing, energy, float(forces.max()), is_converged, int(optimizer.nsteps))
