"""Errors of a committee on labelled frames, and calibration of its uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.stats import spearmanr

from interphase_flows.schemas.model import Calibration, ErrorSummary
from interphase_flows.schemas.origin import Origin

if TYPE_CHECKING:
    from interphase_flows.potentials.committee import NequIPCommittee  # slow import

MEV = 1000.0


@dataclass(frozen=True)
class FrameErrors:
    """Errors of the first member, which drives the dynamics, on one labelled frame.

    ``numbers`` are atomic numbers; ``energy_error_eV_per_atom`` is signed; ``forces_error`` has shape (n_atoms, 3) in
    eV/Å, ``stress_error`` (6,) in eV/Å³, NaN without a label. ``force_std`` has the standard deviations of the forces
    over the committee in eV/Å, (n_atoms,), and ``uncertainty`` is the largest one of the frame.
    """

    origin: Origin
    numbers: NDArray[np.integer]
    reference_energy_eV_per_atom: float
    energy_error_eV_per_atom: float
    reference_forces: NDArray[np.float64]
    forces_error: NDArray[np.float64]
    stress_error: NDArray[np.float64]
    force_std: NDArray[np.float64]
    uncertainty: float

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    @property
    def largest_force_error(self) -> float:
        """Largest norm of a force error in eV/Å."""
        return float(np.linalg.norm(self.forces_error, axis=1).max())

    def of_atoms(self, chosen: NDArray[np.bool_]) -> "FrameErrors":
        """Return the errors with the forces of some atoms only; ``chosen`` has shape (n_atoms,)."""
        return replace(
            self,
            numbers=self.numbers[chosen],
            reference_forces=self.reference_forces[chosen],
            forces_error=self.forces_error[chosen],
            force_std=self.force_std[chosen],
        )


def frame_errors(committee: "NequIPCommittee", frames: Sequence[Atoms]) -> list[FrameErrors]:
    """Return the errors of a committee on labelled frames."""
    result = []
    for frame in frames:
        energies, forces, stresses = committee.predict_all(frame.copy())
        reference = frame.get_potential_energy() / len(frame)
        spread = np.sqrt(forces.var(axis=0).sum(axis=-1))
        result.append(
            FrameErrors(
                origin=Origin(frame.info.get("origin", "")),
                numbers=frame.numbers,
                reference_energy_eV_per_atom=reference,
                energy_error_eV_per_atom=float(energies[0] / len(frame) - reference),
                reference_forces=frame.get_forces(),
                forces_error=forces[0] - frame.get_forces(),
                stress_error=stresses[0] - frame.calc.results.get("stress", np.full(6, np.nan)),
                force_std=spread,
                uncertainty=float(spread.max()),
            )
        )
    return result


def summarise(errors: Sequence[FrameErrors]) -> ErrorSummary:
    """Return mean absolute and root mean square errors of at least one frame."""
    energy = np.array([e.energy_error_eV_per_atom for e in errors])
    forces = np.concatenate([e.forces_error.ravel() for e in errors])
    stress = np.concatenate([e.stress_error for e in errors])
    return ErrorSummary(
        n_frames=len(errors),
        energy_mae_meV_per_atom=float(MEV * np.abs(energy).mean()),
        energy_rmse_meV_per_atom=float(MEV * np.sqrt((energy**2).mean())),
        forces_mae_meV_per_angstrom=float(MEV * np.abs(forces).mean()),
        forces_rmse_meV_per_angstrom=float(MEV * np.sqrt((forces**2).mean())),
        stress_mae_meV_per_angstrom3=None if np.isnan(stress).any() else float(MEV * np.abs(stress).mean()),
    )


def calibrate(errors: Sequence[FrameErrors]) -> Calibration:
    """Calibrate the committee's uncertainty against the largest force error of held-out frames.

    ``error_per_std`` is the median of error / standard deviation over frames, which is robust against outliers.
    ``coverage_of_twice_expected`` is the fraction of frames whose error is below twice the expected error.
    """
    uncertainty = np.array([e.uncertainty for e in errors])
    largest = np.array([e.largest_force_error for e in errors])
    ratio = float(np.median(largest / np.maximum(uncertainty, 1e-6)))
    rank = None
    if len(errors) >= 3 and np.ptp(uncertainty) > 0 and np.ptp(largest) > 0:
        rank = float(spearmanr(uncertainty, largest).statistic)
    return Calibration(
        n_frames=len(errors),
        rank_correlation=rank,
        error_per_std=ratio,
        coverage_of_twice_expected=float((largest <= 2.0 * ratio * uncertainty).mean()),
    )


def parity_arrays(validation: Sequence[FrameErrors], test: Sequence[FrameErrors]) -> dict[str, NDArray[np.generic]]:
    """Return the data of a parity plot: reference values, errors and uncertainty.

    Atomic numbers, (n_atoms of all frames,); energies in eV/atom, (n_frames,); force components in eV/Å, (3 * n_atoms of
    all frames,); ``uncertainty`` and ``largest_force_error`` in eV/Å, (n_frames,); ``is_test``, (n_frames,).
    """
    errors = [*validation, *test]
    return {
        "numbers": np.concatenate([e.numbers for e in errors]).astype(np.uint8),
        "energy": np.array([e.reference_energy_eV_per_atom for e in errors]),
        "energy_error": np.array([e.energy_error_eV_per_atom for e in errors]),
        "forces": np.concatenate([e.reference_forces.ravel() for e in errors]).astype(np.float32),
        "forces_error": np.concatenate([e.forces_error.ravel() for e in errors]).astype(np.float32),
        "uncertainty": np.array([e.uncertainty for e in errors]),
        "largest_force_error": np.array([e.largest_force_error for e in errors]),
        "is_test": np.array([False] * len(validation) + [True] * len(test)),
    }
