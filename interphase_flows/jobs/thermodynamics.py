"""Jobs that compute the energy of every phase, and predict the reaction between electrode and electrolyte.

A surrogate relaxes and returns the energy at once. Density-functional theory is expensive: by default CHGNet relaxes
the positions in the published cell, and the reference method labels the relaxed structure, with the same restartable,
gated labels as all other structures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict

import numpy as np
from ase import Atoms
from jobflow import job

from interphase_flows.campaign.schema import ThermodynamicsSpec
from interphase_flows.content_keys import content_key
from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.jobs.label_structure import LabelledCalculator, cached_label
from interphase_flows.jobs.structures.structure_sets import load_set, store_set, structure_entry
from interphase_flows.reference.labelling import ReferenceMethod
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.relaxation import Relaxed, relax
from interphase_flows.reference.spec import ChgnetSpec, MethodSpec
from interphase_flows.runtime.progress import emit
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.schemas.origin import THERMODYNAMICS, Origin
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.schemas.thermodynamics import RelaxedPhaseDoc, ThermodynamicsDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.crystals.library import load_phase, load_structure_file
from interphase_flows.structures.structure_keys import structure_key
from interphase_flows.thermodynamics.interface import predict_interface

PHASES, THERMODYNAMICS_KIND = "relaxed_phases", "thermodynamics"
SETS = "structure_sets"
STAGE = "relax phases"
METHOD_VERSION = 2
"""Version of the prediction in its content key: a larger number recomputes predictions of older versions."""


class PhaseDescription(TypedDict):
    """Composition of a phase and the methods behind its energy."""

    phase: str
    counts: dict[str, int]
    cell: Literal["fixed", "relaxed"]
    geometry_method: str
    energy_method: str


@dataclass
class RelaxMaker(JobMaker):
    """Compute the energy of one phase by the reference method, in a relaxed geometry."""

    name: str = "relax"
    reference: MethodSpec = field(default_factory=ChgnetSpec)
    spec: ThermodynamicsSpec = field(default_factory=ThermodynamicsSpec)
    gates: Gates = field(default_factory=Gates)
    structure_files: dict[str, str] = field(default_factory=dict)

    @job(output_schema=RelaxedPhaseDoc)
    def make(self, phase_name: str) -> RelaxedPhaseDoc:
        """Return energy (eV), volume (Å³) and composition of the relaxed cell, with the methods used.

        Raises
        ------
        ReferenceMethodError
            The label of the relaxed cell was rejected; the label is recorded with its reason.
        """
        settings = current_workspace().settings
        method = reference_method(self.reference, settings)
        relaxes_with_reference = self.spec.relax_with == "reference" or method.identity.is_surrogate
        relaxer = method if relaxes_with_reference else reference_method("chgnet", settings)
        relaxes_cell = self.spec.cell == "relaxed" or (self.spec.cell == "automatic" and relaxes_with_reference)
        start = self._start(phase_name, relaxes_cell)
        description = PhaseDescription(
            phase=phase_name,
            counts={s: list(start.symbols).count(s) for s in sorted(set(start.symbols))},
            cell="relaxed" if relaxes_cell else "fixed",
            geometry_method=_code(relaxer),
            energy_method=_code(method),
        )
        inputs = {
            "phase": phase_name,
            "start": structure_key(start),
            "cell": description["cell"],
            "max_steps": self.spec.max_steps,
        }
        if method.identity.is_surrogate:
            key = content_key(PHASES, method=method.identity.key, **inputs)
            return cached(
                PHASES,
                key,
                RelaxedPhaseDoc,
                lambda: self._relax_with_surrogate(key, start, method, description),
            )
        origin = Origin.of(THERMODYNAMICS, phase_name)
        set_key = content_key(
            SETS,
            method=relaxer.identity.key,
            gates=self.gates if relaxes_with_reference else None,
            **inputs,
        )
        geometry = cached(
            SETS,
            set_key,
            StructureSetDoc,
            lambda: self._geometry(
                set_key, start, relaxer, self.gates if relaxes_with_reference else None, origin, relaxes_cell
            ),
        )
        (relaxed,) = load_set(geometry)
        label = cached_label(method, self.gates, relaxed, structure_entry(relaxed, origin))
        emit(STAGE, 1, 1, phase_name)
        if label.status == "rejected":
            raise ReferenceMethodError(
                f"{phase_name} has no energy by {_code(method)}, so it is not on the hull: {label.explanation}",
                reason=label.reason or "rejected",
            )
        key = content_key(PHASES, geometry=geometry.key, label=label.key, **inputs)
        return cached(PHASES, key, RelaxedPhaseDoc, lambda: _labelled(key, geometry, label, relaxed, description))

    def _start(self, phase_name: str, relaxes_cell: bool) -> Atoms:
        """Return the initial structure: near equilibrium, or the published cell if the cell is fixed."""
        if phase_name in self.structure_files:
            return load_structure_file(self.structure_files[phase_name])
        return load_phase(phase_name, geometry="relaxed" if relaxes_cell else None)

    def _relax_with_surrogate(
        self, key: str, start: Atoms, method: ReferenceMethod, description: PhaseDescription
    ) -> RelaxedPhaseDoc:
        relaxed = relax(start, method, max_steps=self.spec.max_steps, relaxes_cell=description["cell"] == "relaxed")
        emit(STAGE, 1, 1, description["phase"])
        return RelaxedPhaseDoc(
            key=key,
            **description,
            input_keys=[method.identity.key],
            energy_eV=relaxed.energy_eV,
            volume_angstrom3=float(relaxed.atoms.get_volume()),
            max_force_eV_per_angstrom=relaxed.max_force_eV_per_angstrom,
            is_converged=relaxed.is_converged,
            n_steps=relaxed.n_steps,
            notes=_relaxation_notes(description["phase"], relaxed),
        )

    def _geometry(
        self,
        key: str,
        start: Atoms,
        relaxer: ReferenceMethod,
        gates: Gates | None,
        origin: Origin,
        relaxes_cell: bool,
    ) -> StructureSetDoc:
        """Relax; with ``gates`` every step is a label, so that a killed relaxation resumes from the ledger."""
        calculator = None if gates is None else LabelledCalculator(relaxer, gates, origin)
        relaxed = relax(start, relaxer, max_steps=self.spec.max_steps, relaxes_cell=relaxes_cell, calculator=calculator)
        return store_set(
            key,
            f"relaxed {origin.name}",
            [relaxed.atoms],
            [origin],
            details={
                origin: {
                    "max_force_eV_per_angstrom": relaxed.max_force_eV_per_angstrom,
                    "n_steps": relaxed.n_steps,
                    "is_converged": int(relaxed.is_converged),
                }
            },
            notes=_relaxation_notes(origin.name, relaxed),
        )


def _code(method: ReferenceMethod) -> str:
    return f"{method.identity.code} {method.identity.version}"


def _relaxation_notes(phase_name: str, relaxed: Relaxed) -> list[str]:
    return [] if relaxed.is_converged else [f"{phase_name} did not relax below 0.05 eV/Å"]


def _labelled(
    key: str, geometry: StructureSetDoc, label: LabelDoc, relaxed: Atoms, description: PhaseDescription
) -> RelaxedPhaseDoc:
    (details,) = geometry.details.values()
    forces = np.linalg.norm(np.asarray(label.forces_eV_per_angstrom), axis=1)
    return RelaxedPhaseDoc(
        key=key,
        **description,
        input_keys=[geometry.key, label.key],
        energy_eV=float(label.energy_eV or 0.0),
        volume_angstrom3=float(relaxed.get_volume()),
        max_force_eV_per_angstrom=float(details["max_force_eV_per_angstrom"]),
        is_converged=bool(details["is_converged"]),
        n_steps=int(details["n_steps"]),
        label_key=label.key,
        label_max_force_eV_per_angstrom=float(forces.max()),
        label_stress_eV_per_angstrom3=label.stress_eV_per_angstrom3,
        notes=geometry.notes,
    )


@dataclass
class ReactionMaker(JobMaker):
    """Predict the reaction products of electrode and electrolyte from the energies of relaxed phases.

    ``energy_error_meV_per_atom`` is the standard error of the energy of every phase, independent between phases. If it
    is 0 (unknown), predictions have no confidence interval.
    """

    name: str = "thermodynamics"
    energy_error_meV_per_atom: float = 0.0

    @job(output_schema=ThermodynamicsDoc)
    def make(self, electrode: str, electrolyte: str, phases: Sequence[RelaxedPhaseDoc | None]) -> ThermodynamicsDoc:
        """Return the kinks of the mixing line, the full reaction and its energy, the stability window and their errors.

        ``electrode`` and ``electrolyte`` are names of phases.

        Raises
        ------
        AnalysisError
            Electrode, electrolyte or a pure element has no energy.
        """
        relaxed = [p for p in phases if p is not None]
        key = content_key(
            THERMODYNAMICS_KIND,
            version=METHOD_VERSION,
            ends=[electrode, electrolyte],
            phases=sorted(p.key for p in relaxed),
            energy_error_meV_per_atom=self.energy_error_meV_per_atom,
        )
        return cached(
            THERMODYNAMICS_KIND,
            key,
            ThermodynamicsDoc,
            lambda: self._predict(key, electrode, electrolyte, relaxed),
        )

    def _predict(
        self, key: str, electrode: str, electrolyte: str, relaxed: Sequence[RelaxedPhaseDoc]
    ) -> ThermodynamicsDoc:
        prediction = predict_interface(
            {p.phase: (p.counts, p.energy_eV) for p in relaxed},
            electrode=electrode,
            electrolyte=electrolyte,
            volumes_angstrom3={p.phase: p.volume_angstrom3 for p in relaxed},
            error_eV_per_atom=self.energy_error_meV_per_atom / 1000.0,
        )
        return ThermodynamicsDoc(
            key=key,
            phase_keys=[p.key for p in relaxed],
            geometry_methods=sorted({p.geometry_method for p in relaxed}),
            energy_methods=sorted({p.energy_method for p in relaxed}),
            cells=sorted({p.cell for p in relaxed}),
            prediction=prediction,
            notes=[*(note for p in relaxed for note in p.notes), *prediction.notes],
        )
