"""Lattice constants and bulk modulus from labels of one crystal at several volumes.

Fitted is the third-order Birch-Murnaghan equation of state (Birch, Phys. Rev. 71, 809 (1947)), by ASE.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.eos import EquationOfState, birchmurnaghan

from interphase_flows.exceptions import AnalysisError
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.schemas.lattice_constants import LatticeConstants, VolumePoint
from interphase_flows.structures.crystals.measured_lattices import MEASURED_LATTICES
from interphase_flows.structures.crystals.symmetry import conventional_lengths_angstrom
from interphase_flows.units import GPA_PER_EV_PER_ANGSTROM3

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


def fit_birch_murnaghan(volumes_angstrom3: Sequence[float], energies_eV: Sequence[float], n_atoms: int) -> FittedCurve:
    """Fit the energy of one cell of ``n_atoms`` against its volume, at five volumes or more in any order.

    Raises
    ------
    AnalysisError
        There are too few points, the fit fails, or it has no minimum within the volumes.
    """
    volumes, energies = np.asarray(volumes_angstrom3, float), np.asarray(energies_eV, float)
    if len(volumes) != len(energies) or len(volumes) < MIN_POINTS:
        raise AnalysisError(
            f"equation of state: {len(volumes)} volumes and {len(energies)} energies. Hint: label at least {MIN_POINTS}"
        )
    try:
        fit = EquationOfState(volumes, energies, eos="birchmurnaghan")
        volume, energy, bulk_modulus = fit.fit(warn=False)
    except (RuntimeError, ValueError, IndexError) as error:
        raise AnalysisError(
            f"equation of state: the fit to {len(volumes)} points failed ({error}). Hint: check the energies"
        ) from error
    if bulk_modulus < 0.0:
        raise AnalysisError(
            f"equation of state: the energies have a maximum at {volume:.2f} Å³, no minimum. Hint: check the energies"
        )
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


def fit_lattice_constants(name: str, labels: Sequence[LabelDoc]) -> LatticeConstants:
    """Fit the equation of state of a phase to accepted labels of its scaled cells.

    Raises
    ------
    AnalysisError
        The fit failed, or its minimum is outside the labelled volumes.
    """
    cells = [np.asarray(label.cell) for label in labels]
    volumes = [abs(float(np.linalg.det(cell))) for cell in cells]
    energies = [float(label.energy_eV or 0.0) for label in labels]
    n_atoms = len(labels[0].numbers) if labels else 0
    curve = fit_birch_murnaghan(volumes, energies, n_atoms)
    nearest = int(np.argmin(np.abs(np.array(volumes) - curve.volume_angstrom3)))
    equilibrium = Atoms(labels[0].numbers, labels[nearest].positions, cell=cells[nearest])
    scale = (curve.volume_angstrom3 / volumes[nearest]) ** (1 / 3)
    lengths = scale * conventional_lengths_angstrom(equilibrium)
    stress = np.asarray(labels[nearest].stress_eV_per_angstrom3)[:3] * GPA_PER_EV_PER_ANGSTROM3
    is_cubic = bool(np.allclose(lengths, lengths[0], rtol=1e-6))
    return LatticeConstants(
        a_angstrom=float(lengths[0]),
        c_angstrom=None if is_cubic else float(lengths[2]),
        volume_angstrom3_per_atom=curve.volume_angstrom3 / n_atoms,
        energy_eV_per_atom=curve.energy_eV / n_atoms,
        bulk_modulus_GPa=curve.bulk_modulus_GPa,
        rms_residual_meV_per_atom=curve.rms_residual_meV_per_atom,
        n_points=curve.n_points,
        stress_anisotropy_GPa=float(stress[2] - (stress[0] + stress[1]) / 2),
        points=[
            VolumePoint(volume_angstrom3_per_atom=volume / n_atoms, energy_eV_per_atom=energy / n_atoms)
            for volume, energy in sorted(zip(volumes, energies, strict=True))
        ],
        measured=list(MEASURED_LATTICES.get(name, ())),
    )
