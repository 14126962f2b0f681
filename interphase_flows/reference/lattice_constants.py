"""Lattice constants and bulk modulus from labels of one crystal at several volumes."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from interphase_flows.reference.equation_of_state import fit_birch_murnaghan
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.schemas.lattice_constants import LatticeConstants, VolumePoint
from interphase_flows.structures.crystals.measured_lattices import MEASURED_LATTICES
from interphase_flows.structures.crystals.primitive_cells import conventional_lengths_angstrom
from interphase_flows.units import GPA_PER_EV_PER_ANGSTROM3


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
