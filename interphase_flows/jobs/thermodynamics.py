"""Jobs that give every phase its energy, and the reaction that follows from the energies.

A surrogate relaxes and gives the energy at once.  Density-functional theory is dear: by default CHGNet relaxes the
positions in the cell as published, and the reference method labels the relaxed cell, through the same
restartable, gated labels as everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from jobflow import Maker, job

from interphase_flows.campaign.schema import GateSpec, ThermodynamicsSpec
from interphase_flows.content_keys import content_key
from interphase_flows.datasets.gates import Gates
from interphase_flows.exceptions import ReferenceMethodError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.label_structure import cached_label
from interphase_flows.jobs.labelled_calculator import LabelledCalculator
from interphase_flows.jobs.structure_sets import load_set, store_set, structure_entry
from interphase_flows.reference.labelling import ReferenceMethod
from interphase_flows.reference.registry import reference_method
from interphase_flows.reference.relaxation import Relaxed, relax
from interphase_flows.reference.spec import ChgnetSpec, MethodSpec
from interphase_flows.runtime.progress import emit
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.schemas.label import LabelDoc
from interphase_flows.schemas.origin import THERMODYNAMICS, Origin
from interphase_flows.schemas.structures import StructureSetDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.crystals.library import load_phase, load_structure_file
from interphase_flows.structures.structure_keys import structure_key
from interphase_flows.thermodynamics.interface import predict_interface

KIND = "analyses"
SETS = "structure_sets"
STAGE = "relax phases"
CONTENT = 2
"""What the answer holds: a number that rises when there is more in it, so that campaigns from before ask again."""
UNWRITTEN_MAX_STEPS = 120
"""Steps that keys do not spell out, so that results from before they could be chosen are found."""


@dataclass
class RelaxMaker(Maker):
    """The energy of one phase by the reference method, in a relaxed geometry.

    Parameters
    ----------
    reference
        Reference method, which the energy comes from.
    spec
        What relaxes, and whether the cell does.
    gates
        Limits beyond which a label is no energy.
    structure_files
        Files of phases that the package does not have.
    """

    name: str = "relax"
    reference: MethodSpec = field(default_factory=ChgnetSpec)
    spec: ThermodynamicsSpec = field(default_factory=ThermodynamicsSpec)
    gates: GateSpec = field(default_factory=GateSpec)
    structure_files: dict[str, str] = field(default_factory=dict)

    @job(output_schema=AnalysisDoc)
    def make(self, phase_name: str) -> AnalysisDoc:
        """Return energy (eV), volume (Å³) and composition of the relaxed cell, and whose they are.

        Raises
        ------
        ReferenceMethodError
            The reference method's label of the relaxed cell was rejected; the label is on record with its reason.
        """
        settings = current_workspace().settings
        method = reference_method(self.reference, settings)
        is_own = self.spec.relax_with == "reference" or method.identity.is_surrogate
        relaxer = method if is_own else reference_method("chgnet", settings)
        relaxes_cell = self.spec.cell == "relaxed" or (self.spec.cell == "automatic" and is_own)
        start = self._start(phase_name, relaxes_cell)
        chosen: dict[str, object] = {} if relaxes_cell else {"cell": "fixed"}
        if self.spec.max_steps != UNWRITTEN_MAX_STEPS:
            chosen["max_steps"] = self.spec.max_steps
        parts = {"name": "relaxed phase", "phase": phase_name, "start": structure_key(start), **chosen}
        told: dict[str, object] = {
            "phase": phase_name,
            "counts": {s: list(start.symbols).count(s) for s in sorted(set(start.symbols))},
            "cell": "relaxed" if relaxes_cell else "fixed",
            "geometry_method": _called(relaxer),
            "energy_method": _called(method),
        }
        if method.identity.is_surrogate:
            key = content_key(KIND, method=method.identity.key, **parts)
            return cached(
                KIND,
                key,
                AnalysisDoc,
                lambda: self._relaxed_in_process(key, start, method, told, relaxes_cell),
            )
        gates = Gates(**self.gates.model_dump())
        origin = Origin.of(THERMODYNAMICS, phase_name)
        set_key = content_key(
            SETS, method=relaxer.identity.key, **({"gates": gates} if is_own else {}), **parts
        )
        geometry = cached(
            SETS,
            set_key,
            StructureSetDoc,
            lambda: self._geometry(set_key, start, relaxer, gates if is_own else None, origin, relaxes_cell),
        )
        (relaxed,) = load_set(geometry)
        label = cached_label(method, gates, relaxed, structure_entry(relaxed, origin))
        emit(STAGE, 1, 1, phase_name)
        if label.status == "rejected":
            raise ReferenceMethodError(
                f"{phase_name} has no energy by {_called(method)}, so it is not on the hull: {label.explanation}",
                reason=label.reason or "rejected",
            )
        key = content_key(KIND, geometry=geometry.key, label=label.key, **parts)
        return cached(KIND, key, AnalysisDoc, lambda: _labelled(key, geometry, label, relaxed, told))

    def _start(self, phase_name: str, relaxes_cell: bool) -> Atoms:
        """Return where a relaxation begins: near its end, but in the cell as published if the cell is kept."""
        if phase_name in self.structure_files:
            return load_structure_file(self.structure_files[phase_name])
        return load_phase(phase_name, geometry="relaxed" if relaxes_cell else None)

    def _relax(self, start: Atoms, relaxer: ReferenceMethod, relaxes_cell: bool) -> Relaxed:
        return relax(start, relaxer, max_steps=self.spec.max_steps, relaxes_cell=relaxes_cell)

    def _relaxed_in_process(
        self,
        key: str,
        start: Atoms,
        method: ReferenceMethod,
        told: dict[str, object],
        relaxes_cell: bool,
    ) -> AnalysisDoc:
        relaxed = self._relax(start, method, relaxes_cell)
        emit(STAGE, 1, 1, str(told["phase"]))
        return AnalysisDoc(
            key=key,
            name=f"relaxed {told['phase']}",
            rests_on=[method.identity.key],
            values={
                **told,
                "energy_eV": relaxed.energy_eV,
                "volume_angstrom3": float(relaxed.atoms.get_volume()),
                "max_force_eV_per_angstrom": relaxed.max_force_eV_per_angstrom,
                "is_converged": relaxed.is_converged,
                "n_steps": relaxed.n_steps,
            },
            notes=[] if relaxed.is_converged else [f"{told['phase']} did not relax below 0.05 eV/Å"],
        )

    def _geometry(
        self,
        key: str,
        start: Atoms,
        relaxer: ReferenceMethod,
        labelled_within: Gates | None,
        origin: Origin,
        relaxes_cell: bool,
    ) -> StructureSetDoc:
        """Relax; with the reference method itself every step is a label, found again after a kill."""
        calculator = None if labelled_within is None else LabelledCalculator(relaxer, labelled_within, origin)
        relaxed = relax(
            start, relaxer, max_steps=self.spec.max_steps, relaxes_cell=relaxes_cell, calculator=calculator
        )
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
            notes=[] if relaxed.is_converged else [f"{origin.name} did not relax below 0.05 eV/Å"],
        )


def _called(method: ReferenceMethod) -> str:
    return f"{method.identity.code} {method.identity.version}"


def _labelled(
    key: str, geometry: StructureSetDoc, label: LabelDoc, relaxed: Atoms, told: dict[str, object]
) -> AnalysisDoc:
    (details,) = geometry.details.values()
    forces = np.linalg.norm(np.asarray(label.forces_eV_per_angstrom), axis=1)
    return AnalysisDoc(
        key=key,
        name=f"relaxed {told['phase']}",
        rests_on=[geometry.key, label.key],
        values={
            **told,
            "energy_eV": label.energy_eV,
            "volume_angstrom3": float(relaxed.get_volume()),
            "max_force_eV_per_angstrom": details["max_force_eV_per_angstrom"],
            "is_converged": bool(details["is_converged"]),
            "n_steps": details["n_steps"],
            "label_key": label.key,
            "label_max_force_eV_per_angstrom": float(forces.max()),
            "label_stress_eV_per_angstrom3": label.stress_eV_per_angstrom3,
        },
        notes=geometry.notes,
    )


@dataclass
class ReactionMaker(Maker):
    """Predict the products of electrode and electrolyte from the energies of relaxed phases.

    Parameters
    ----------
    energy_error_meV_per_atom
        Standard error of every phase's energy, independent of the others'; 0 if it is not known, and the answer then
        has no interval.
    """

    name: str = "thermodynamics"
    energy_error_meV_per_atom: float = 0.0

    @job(output_schema=AnalysisDoc)
    def make(self, electrode: str, electrolyte: str, phases: Sequence[AnalysisDoc | None]) -> AnalysisDoc:
        """Kinks of the mixing line, the full reaction and its energy, the stability window, and their errors.

        ``electrode`` and ``electrolyte`` are names of phases.

        Raises
        ------
        AnalysisError
            An end or a pure element has no energy.
        """
        relaxed = [p for p in phases if p is not None]
        chosen = (
            {"energy_error_meV_per_atom": self.energy_error_meV_per_atom}
            if self.energy_error_meV_per_atom
            else {}
        )
        key = content_key(
            KIND,
            name="thermodynamics",
            content=CONTENT,
            ends=[electrode, electrolyte],
            phases=sorted(p.key for p in relaxed),
            **chosen,
        )
        return cached(KIND, key, AnalysisDoc, lambda: self._predicted(key, electrode, electrolyte, relaxed))

    def _predicted(
        self, key: str, electrode: str, electrolyte: str, relaxed: Sequence[AnalysisDoc]
    ) -> AnalysisDoc:
        by_name: dict[str, Any] = {str(p.values["phase"]): p.values for p in relaxed}
        answer = predict_interface(
            {name: (v["counts"], v["energy_eV"]) for name, v in by_name.items()},
            electrode=electrode,
            electrolyte=electrolyte,
            volumes_angstrom3={name: v["volume_angstrom3"] for name, v in by_name.items()},
            error_eV_per_atom=self.energy_error_meV_per_atom / 1000.0,
        )
        return AnalysisDoc(
            key=key,
            name="thermodynamics",
            rests_on=[p.key for p in relaxed],
            values={
                **answer.model_dump(mode="json", exclude={"notes"}),
                # documents from before do not say
                **{
                    told: sorted({str(p.values[told]) for p in relaxed if told in p.values})
                    for told in ("geometry_method", "energy_method", "cell")
                },
            },
            notes=[*(note for p in relaxed for note in p.notes), *answer.notes],
        )
