"""Gates: checks of structures and labels before they enter a dataset.

A failed gate returns a `Rejection` with a reason that can be queried and an explanation with the numbers.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import minkowski_reduce
from ase.stress import voigt_6_to_full_3x3_stress
from ase.units import GPa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from interphase_flows.datasets.isolated import is_isolated
from interphase_flows.reference.labelling import RawLabel

Positive = Annotated[float, Field(gt=0.0)]

LEFT_OUT = ("energy_window", "duplicate")
"""Reasons why a dataset leaves out an accepted label, by comparison with other labels."""

NEVER_COMPUTED = ("duplicate", "no_cell", "overlapping_atoms", "unknown_element", "unsupported")
"""Reasons why a structure is rejected before the calculation."""

MIN_HEIGHT_ANGSTROM = 0.5
"""Smallest distance between opposite faces of a cell; 1.7 Å in primitive lithium."""


@dataclass(frozen=True)
class Rejection:
    """Reason for which a structure or label is rejected, and an explanation with numbers."""

    reason: str
    explanation: str


class Gates(BaseModel):
    """Limits beyond which a label is excluded from training.

    Parameters
    ----------
    max_force_eV_per_angstrom
        Largest norm of a force.
    min_distance_fraction
        Smallest distance, as a fraction of the sum of covalent radii.
    energy_window_eV_per_atom
        Largest deviation of the energy per atom from the linear fit of the compositions.
    max_virial_eV_per_atom
        Largest principal stress times the volume per atom, which detects wrong units of stress. It is the energy
        per atom and unit of strain, so solids bound by a few eV per atom stay below, and unlike a limit in eV/Å³
        it does not depend on vacuum in the cell. Labels of rattled, strained, molten and reacting cells of Li, P
        and S have 0.07 to 2.7 eV; in GPa the numbers would be 160 times, in kbar 1602 times as large.
    max_net_force_eV_per_angstrom
        Largest sum of all forces, divided by the square root of the number of atoms, since errors of a real-space
        grid add up like noise.
    max_asymmetry_eV_per_angstrom
        Largest difference between forces that the symmetry of the crystal maps onto each other.
    duplicate_tolerance_angstrom
        Largest distance between the atoms of two duplicates after a rigid motion.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_force_eV_per_angstrom: Positive = 30.0
    min_distance_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.55
    energy_window_eV_per_atom: Positive = 2.0
    max_virial_eV_per_atom: Positive = 10.0
    max_net_force_eV_per_angstrom: Positive = 0.05
    max_asymmetry_eV_per_angstrom: Positive = 0.02
    duplicate_tolerance_angstrom: Annotated[float, Field(gt=0.0, le=0.02)] = 0.002

    def before(self, atoms: Atoms) -> Rejection | None:
        """Check a structure before it is calculated; return None if it passes."""
        from matscipy.neighbours import neighbour_list  # slow import

        if len(atoms) == 0 or not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
            return Rejection("not_finite", "the structure is empty or has coordinates that are not finite")
        unknown = (atoms.numbers < 1) | (atoms.numbers >= len(covalent_radii))
        if unknown.any():
            numbers = ", ".join(map(str, np.unique(atoms.numbers[unknown])))
            return Rejection("unknown_element", f"{unknown.sum()} atoms have the atomic number {numbers}")
        # before the search of neighbours, which is endless in a flat cell
        volume = abs(atoms.cell.volume)
        largest_face = max(np.linalg.norm(np.cross(*atoms.cell.array[list(ab)])) for ab in ((0, 1), (1, 2), (2, 0)))
        if volume <= MIN_HEIGHT_ANGSTROM * largest_face:
            return Rejection("no_cell", f"the cell is missing or flat: its volume is {volume:.3g} Å³")
        radii = covalent_radii[atoms.numbers]
        # matscipy is slow in skewed cells
        cell, _ = minkowski_reduce(atoms.cell.array, pbc=atoms.pbc)
        cutoff_angstrom = 2.0 * self.min_distance_fraction * float(radii.max())
        i, j, d = neighbour_list("ijd", cutoff=cutoff_angstrom, positions=atoms.positions, cell=cell, pbc=atoms.pbc)
        is_near = d < self.min_distance_fraction * (radii[i] + radii[j])
        if is_near.any():
            i, j, d = i[is_near], j[is_near], d[is_near]
            worst = int(np.argmin(d / (radii[i] + radii[j])))
            return Rejection(
                "overlapping_atoms",
                f"atoms {i[worst]} ({atoms.symbols[i[worst]]}) and {j[worst]} ({atoms.symbols[j[worst]]}) are "
                f"{d[worst]:.3f} Å apart, below {self.min_distance_fraction} of their covalent radii",
            )
        return None

    def after(self, atoms: Atoms, raw: RawLabel, needs_stress: bool = True) -> Rejection | None:
        """Check a raw label without comparing it with others; return None if it passes.

        Without ``needs_stress``, a label may have no stress.
        """
        if raw.is_scf_converged is False:
            steps = raw.details.get("n_scf_steps")
            after = f" after {steps} steps" if steps is not None else ""
            return Rejection(
                "scf_not_converged", f"the SCF did not converge{after}, according to the output of the code"
            )
        changes = [correction for correction in raw.corrections if correction.changes_theory]
        if changes:
            text = "; ".join(f"{c.handler} ({', '.join(c.errors)}): {', '.join(c.actions)}" for c in changes)
            return Rejection("theory_changed", f"an error handler changed the level of theory: {text}")
        energy_eV = raw.energy_eV
        forces = np.asarray(raw.forces_eV_per_angstrom)
        has_stress = needs_stress or raw.stress_eV_per_angstrom3 is not None
        stress = np.asarray(raw.stress_eV_per_angstrom3 if has_stress else np.zeros(6))
        if energy_eV is None or forces.shape != (len(atoms), 3) or stress.shape != (6,):
            return Rejection("missing_property", _missing(energy_eV, forces, stress, len(atoms)))
        if not (np.isfinite(energy_eV) and np.isfinite(forces).all() and np.isfinite(stress).all()):
            return Rejection("not_finite", "energy, forces or stress is not finite")
        return self._check_stress(atoms, stress) or self._check_forces(atoms, forces)

    def _check_stress(self, atoms: Atoms, stress_eV_per_angstrom3: NDArray[np.float64]) -> Rejection | None:
        principal = np.linalg.eigvalsh(voigt_6_to_full_3x3_stress(stress_eV_per_angstrom3))
        largest = float(np.abs(principal).max())
        volume_per_atom = atoms.get_volume() / len(atoms)
        virial_eV = largest * volume_per_atom
        # the virial of a dimer in a box is force times distance, which the limit of forces covers
        if virial_eV > self.max_virial_eV_per_atom and not is_isolated(atoms):
            return Rejection(
                "stress_units",
                f"a principal stress of {largest:.3g} eV/Å³ ({largest / GPa:.0f} GPa) is {virial_eV:.1f} eV per atom "
                f"and unit of strain, over {self.max_virial_eV_per_atom}: is it in GPa or kbar? Hint: at such a "
                "pressure, raise gates.max_virial_eV_per_atom",
            )
        return None

    def _check_forces(self, atoms: Atoms, forces_eV_per_angstrom: NDArray[np.float64]) -> Rejection | None:
        largest = float(np.linalg.norm(forces_eV_per_angstrom, axis=1).max())
        if largest > self.max_force_eV_per_angstrom:
            return Rejection(
                "max_force", f"largest force {largest:.2f} eV/Å exceeds {self.max_force_eV_per_angstrom} eV/Å"
            )
        net = float(np.linalg.norm(forces_eV_per_angstrom.sum(axis=0)))
        limit = self.max_net_force_eV_per_angstrom * len(atoms) ** 0.5
        if net > limit:
            return Rejection(
                "net_force",
                f"the net force of {net:.3f} eV/Å is over {limit:.3f} eV/Å for {len(atoms)} atoms",
            )
        from interphase_flows.datasets.symmetry import largest_asymmetry  # slow import

        asymmetry, n_operations = largest_asymmetry(atoms, forces_eV_per_angstrom)
        if asymmetry > self.max_asymmetry_eV_per_angstrom:
            return Rejection(
                "asymmetric_forces",
                f"symmetry-equivalent forces ({n_operations} operations) differ by {asymmetry:.3f} eV/Å, over "
                f"{self.max_asymmetry_eV_per_angstrom} eV/Å",
            )
        return None

    def energy_outliers(self, compositions: NDArray[np.float64], energies_eV: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Mark labels whose energy per atom is outside the window around the linear fit of the compositions, (n_labels,).

        `compositions` are atoms of each element, (n_labels, n_elements). The window is centred at the median of the
        residuals, which is robust against outliers.
        """
        n_atoms = compositions.sum(axis=1)
        fractions, per_atom = compositions / n_atoms[:, None], energies_eV / n_atoms
        keep = np.ones(len(per_atom), dtype=bool)
        residual = np.zeros_like(per_atom)
        for _ in range(3):  # refit without the outliers
            shifts = np.linalg.lstsq(fractions[keep], per_atom[keep], rcond=None)[0]
            residual = per_atom - fractions @ shifts
            residual = residual - np.median(residual[keep])
            keep = np.abs(residual) <= self.energy_window_eV_per_atom
            if not keep.any():
                break
        return np.asarray(~keep)


def _missing(energy_eV: float | None, forces: NDArray[np.float64], stress: NDArray[np.float64], n_atoms: int) -> str:
    missing = ["there is no energy"] if energy_eV is None else []
    if not forces.size:
        missing.append("there are no forces")
    elif forces.shape != (n_atoms, 3):
        missing.append(f"the forces have the shape {forces.shape} for {n_atoms} atoms")
    if stress.shape == ():
        missing.append("there is no stress (hint: training with a stress_weight of 0 needs none)")
    elif stress.shape != (6,):
        missing.append(f"the stress has the shape {stress.shape}")
    return "; ".join(missing)
