"""Gates between a raw label and a data set: what fails one never trains (SCIENCE: quarantine).

A gate returns a reason, a word that can be queried, and an explanation with the numbers.
"""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from interphase_flows.references.labelling import RawLabel


@dataclass(frozen=True)
class Rejection:
    """Why a label is kept out."""

    reason: str
    explanation: str


@dataclass(frozen=True)
class Gates:
    """Limits beyond which a label never trains.

    Parameters
    ----------
    max_force_ev_per_angstrom
        Largest norm of a force.
    min_distance_fraction
        Smallest distance, as a fraction of the sum of covalent radii.
    energy_window_ev_per_atom
        Largest distance of the energy per atom from the campaign's fit of its composition.
    """

    max_force_ev_per_angstrom: float = 30.0
    min_distance_fraction: float = 0.55
    energy_window_ev_per_atom: float = 2.0

    def before(self, atoms: Atoms) -> Rejection | None:
        """Judge a structure before anything is spent on it."""
        numbers = [atoms.positions, atoms.cell.array]
        if len(atoms) == 0 or not all(np.isfinite(part).all() for part in numbers):
            return Rejection("not_finite", "the structure is empty or has coordinates that are not numbers")
        radii = covalent_radii[atoms.numbers]
        i, j, d = neighbor_list("ijd", atoms, cutoff=list(self.min_distance_fraction * radii))
        if len(d):
            worst = int(np.argmin(d / (radii[i] + radii[j])))
            return Rejection(
                "overlapping_atoms",
                f"atoms {i[worst]} ({atoms.symbols[i[worst]]}) and {j[worst]} ({atoms.symbols[j[worst]]}) are "
                f"{d[worst]:.3f} Å apart, below {self.min_distance_fraction} of their covalent radii",
            )
        return None

    def after(
        self,
        atoms: Atoms,
        raw: RawLabel,
    ) -> Rejection | None:
        """Judge a raw label by itself."""
        energy_ev = raw.energy_ev
        forces, stress = np.asarray(raw.forces_ev_per_angstrom), np.asarray(raw.stress_ev_per_angstrom3)
        if energy_ev is None or forces.shape != (len(atoms), 3) or stress.shape != (6,):
            return Rejection(
                "missing_property",
                f"energy {energy_ev}, forces of shape {forces.shape}, stress {stress.shape}",
            )
        if not (np.isfinite(energy_ev) and np.isfinite(forces).all() and np.isfinite(stress).all()):
            return Rejection("not_finite", "energy, forces or stress is not a number")
        largest = float(np.linalg.norm(forces, axis=1).max())
        if largest > self.max_force_ev_per_angstrom:
            return Rejection(
                "max_force", f"largest force {largest:.2f} eV/Å exceeds {self.max_force_ev_per_angstrom} eV/Å"
            )
        return None

    def energy_outliers(
        self, compositions: NDArray[np.float64], energies_ev: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Mark labels whose energy per atom lies outside the window around the fit of their composition.

        Parameters
        ----------
        compositions
            Atoms of each element, (n_labels, n_elements).
        energies_ev
            Total energies, (n_labels,).

        Returns
        -------
        NDArray
            True for an outlier, (n_labels,).  The centre is the median of the residuals, so that
            the outliers do not move it.
        """
        n_atoms = compositions.sum(axis=1)
        fractions, per_atom = compositions / n_atoms[:, None], energies_ev / n_atoms
        keep = np.ones(len(per_atom), dtype=bool)
        residual = np.zeros_like(per_atom)
        for _ in range(3):  # refit without the outliers until they stop moving the fit
            shifts = np.linalg.lstsq(fractions[keep], per_atom[keep], rcond=None)[0]
            residual = per_atom - fractions @ shifts
            residual = residual - np.median(residual[keep])
            keep = np.abs(residual) <= self.energy_window_ev_per_atom
            if not keep.any():
                break
        return np.asarray(~keep)
