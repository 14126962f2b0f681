"""Job that compares equations of state of bulk phases by a committee with their labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from jobflow import job

from interphase_flows.analysis.results import Unavailable
from interphase_flows.content_keys import content_key
from interphase_flows.datasets.frames import read_extxyz
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.jobs.potentials import load_committee
from interphase_flows.reference.lattice_constants import fit_birch_murnaghan
from interphase_flows.schemas.dataset import DatasetDoc
from interphase_flows.schemas.equations_of_state import EquationsOfStateDoc, Equilibrium, PhaseEquationOfState
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.origin import CRYSTAL, Origin
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.units import GPA_PER_EV_PER_ANGSTROM3

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

KIND = "equations_of_state"
METHOD_VERSION = 2
"""Version of the method in the content key: a larger number recomputes results of older versions."""
TOLERATED_VOLUME_ERROR = 0.05
SAME_SHAPE = 1e-5
"""Largest difference of lattice vectors relative to the size of the cell, and of fractional coordinates."""


@dataclass
class EquationsOfStateCheckMaker(JobMaker):
    """Compare equilibrium volumes and stresses of bulk phases by a committee with the labels of their scaled cells.

    A potential without a minimum near the equilibrium volume of a phase expands or collapses it at constant pressure. The
    uncertainty of forces does not show this, because forces are zero by symmetry in most scaled crystals.
    """

    name: str = "bulk equations of state"

    @job(output_schema=EquationsOfStateDoc)
    def make(self, dataset: DatasetDoc, committee: CommitteeDoc) -> EquationsOfStateDoc:
        """Return both curves of every phase with scaled cells in the dataset, and notes on those that disagree.

        Raises
        ------
        AnalysisError
            The dataset contains no scaled cell.
        """
        key = content_key(KIND, version=METHOD_VERSION, dataset=dataset.key, committee=committee.key)

        def compute() -> EquationsOfStateDoc:
            by_phase = scaled_cells(read_extxyz(current_workspace().artifacts.get(dataset.artifact)))
            if not by_phase:
                raise AnalysisError(
                    f"dataset {dataset.key} contains no crystal at several volumes. Hint: set "
                    "structures.equations_of_state.n_volumes to 7"
                )
            members = [load_committee([model]).dynamics_calculator for model in committee.models]
            phases = {phase: compare(frames, members) for phase, frames in by_phase.items()}
            return EquationsOfStateDoc(
                key=key,
                committee_key=committee.key,
                dataset_key=dataset.key,
                phases=phases,
                notes=[note for phase, curves in phases.items() for note in notes_on(phase, curves)],
            )

        return cached(KIND, key, EquationsOfStateDoc, compute)


def scaled_cells(frames: Sequence[Atoms]) -> dict[str, list[Atoms]]:
    """Return the scaled cells of every phase.

    The unstrained cell is labelled once: for phases of twelve atoms or more, its origin is that of the perfect crystal.
    """
    found: dict[str, list[Atoms]] = {}
    for frame in frames:
        phase = Origin(frame.info["origin"]).scaled_phase
        if phase is not None:
            found.setdefault(phase, []).append(frame)
    for frame in frames:
        origin = Origin(frame.info["origin"])
        if origin.family == CRYSTAL and origin.name in found and _is_scaled(frame, found[origin.name][0]):
            found[origin.name].append(frame)
    return found


def _is_scaled(atoms: Atoms, other: Atoms) -> bool:
    """Return whether a cell is another one, scaled isotropically."""
    if len(atoms) != len(other) or not np.array_equal(atoms.numbers, other.numbers):
        return False
    cells = [each.cell.array / each.get_volume() ** (1 / 3) for each in (atoms, other)]
    offsets = atoms.get_scaled_positions() - other.get_scaled_positions()
    offsets -= np.rint(offsets)
    return bool(np.abs(cells[0] - cells[1]).max() < SAME_SHAPE and np.abs(offsets).max() < SAME_SHAPE)


def compare(frames: Sequence[Atoms], members: Sequence["Calculator"]) -> PhaseEquationOfState:
    """Compare potentials with the labels of one crystal at several volumes; the first potential drives the dynamics."""
    frames = sorted(frames, key=lambda frame: float(frame.get_volume()))
    volumes = [float(frame.get_volume()) for frame in frames]
    energies, stresses = np.empty((2, len(members), len(frames)))
    for column, frame in enumerate(frames):
        for row, calculator in enumerate(members):
            energies[row, column] = calculator.get_property("energy", frame)
            stresses[row, column] = _mean_normal_stress_GPa(calculator.get_property("stress", frame))
    reference = equilibrium(volumes, [frame.get_potential_energy() for frame in frames], len(frames[0]))
    return PhaseEquationOfState(
        volume_angstrom3_per_atom=[volume / len(frames[0]) for volume in volumes],
        reference_stress_GPa=[_mean_normal_stress_GPa(frame.get_stress()) for frame in frames],
        potential_stress_GPa=list(stresses[0]),
        potential_stress_std_GPa=list(stresses.std(axis=0, ddof=1)) if len(members) > 1 else [0.0] * len(frames),
        reference=reference,
        potential=equilibrium(volumes, list(energies[0]), len(frames[0])),
    )


def equilibrium(
    volumes_angstrom3: Sequence[float], energies_eV: Sequence[float], n_atoms: int
) -> Equilibrium | Unavailable:
    """Return the minimum of a fit, or why there is none."""
    try:
        fit = fit_birch_murnaghan(volumes_angstrom3, energies_eV, n_atoms)
    except AnalysisError as error:
        return Unavailable.from_error(error)
    return Equilibrium(volume_angstrom3_per_atom=fit.volume_angstrom3 / n_atoms, bulk_modulus_GPa=fit.bulk_modulus_GPa)


def notes_on(phase: str, curves: PhaseEquationOfState) -> list[str]:
    """Return what a user must know before a run at constant pressure."""
    if isinstance(curves.reference, Unavailable):
        why = curves.reference.reason
        return [f"The labels give no equilibrium volume of {phase} with which the potential could be compared: {why}."]
    if isinstance(curves.potential, Unavailable):
        return [
            f"The potential has no equilibrium volume of {phase} within the labelled volumes: at constant pressure it "
            "would expand or collapse."
        ]
    if curves.volume_error is not None and abs(curves.volume_error) > TOLERATED_VOLUME_ERROR:
        return [
            f"The equilibrium volume of {phase} by the potential differs by {100 * curves.volume_error:+.0f} % from that "
            "of the reference method."
        ]
    return []


def _mean_normal_stress_GPa(stress: np.ndarray) -> float:
    return float(np.asarray(stress)[:3].mean()) * GPA_PER_EV_PER_ANGSTROM3
