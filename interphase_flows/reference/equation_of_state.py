"""Birch-Murnaghan equation of state: equilibrium volume, energy and bulk modulus from energies at several volumes.

Third order (Birch, Phys. Rev. 71, 809 (1947)), fitted by ASE, with V0, E0, B0 and B0' as in ASE's ``birchmurnaghan``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import units
from ase.eos import EquationOfState, birchmurnaghan

from interphase_flows.exceptions import AnalysisError

MIN_POINTS = 5
"""One more than the fitted parameters, so that there is a residual."""


@dataclass(frozen=True)
class FittedCurve:
    """A fitted equation of state, and the root mean square deviation of the energies from it."""

    volume_angstrom3: float
    energy_eV: float
    bulk_modulus_GPa: float
    bulk_modulus_derivative: float
    rms_residual_meV_per_atom: float
    n_points: int


def fit_birch_murnaghan(
    volumes_angstrom3: Sequence[float], energies_eV: Sequence[float], n_atoms: int
) -> FittedCurve:
    """Fit the energy of one cell of ``n_atoms`` against its volume, at five volumes or more in any order.

    Raises
    ------
    AnalysisError
        There are too few points, the fit fails, or its minimum is outside the volumes (an extrapolation).
    """
    volumes, energies = np.asarray(volumes_angstrom3, float), np.asarray(energies_eV, float)
    if len(volumes) != len(energies) or len(volumes) < MIN_POINTS:
        raise AnalysisError(
            f"equation of state: {len(volumes)} volumes and {len(energies)} energies. "
            f"Hint: label at least {MIN_POINTS}"
        )
    try:
        fit = EquationOfState(volumes, energies, eos="birchmurnaghan")
        volume, energy, bulk_modulus = fit.fit(warn=False)
    except (RuntimeError, ValueError, IndexError) as error:
        raise AnalysisError(
            f"equation of state: the fit to {len(volumes)} points failed ({error}). Hint: check the energies"
        ) from error
    if not volumes.min() < volume < volumes.max():
        raise AnalysisError(
            f"equation of state: the minimum ({volume:.2f} Å³) lies outside the volumes "
            f"({volumes.min():.2f} to {volumes.max():.2f} Å³). Hint: label cells around it"
        )
    residual = energies - birchmurnaghan(volumes, *fit.eos_parameters)
    return FittedCurve(
        volume_angstrom3=float(volume),
        energy_eV=float(energy),
        bulk_modulus_GPa=float(bulk_modulus / units.GPa),
        bulk_modulus_derivative=float(fit.eos_parameters[2]),
        rms_residual_meV_per_atom=1000.0 * float(np.sqrt(np.mean(residual**2))) / n_atoms,
        n_points=len(volumes),
    )
