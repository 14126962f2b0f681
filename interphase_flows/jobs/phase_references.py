"""The job that runs known phases at temperature, from which the phase classifier of atoms is fitted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobflow import job

from interphase_flows.analysis.phases.phase_references import packed_references
from interphase_flows.analysis.speciation.element_roles import roles_of
from interphase_flows.content_keys import content_key
from interphase_flows.jobs.caching import cached_exclusive, settings_of
from interphase_flows.jobs.inputs import JobMaker
from interphase_flows.jobs.potentials import load_committee
from interphase_flows.jobs.structures.crystals import phase_keys
from interphase_flows.md.phase_references.runs import phase_references
from interphase_flows.md.phase_references.steps import ReferenceSteps
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.analysis import PhaseReferencesDoc
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.crystals.library import load_crystal

KIND = "phase_references"


@dataclass
class PhaseReferencesMaker(JobMaker):
    """Run the phases of a campaign at the temperature of production, with the first member of the committee."""

    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    temperature_K: float = 300.0
    structure_files: dict[str, str] = field(default_factory=dict)
    steps: ReferenceSteps = field(default_factory=ReferenceSteps)
    name: str = "phase references"

    @job(output_schema=PhaseReferencesDoc)
    def make(self, phases: Sequence[str], committee: CommitteeDoc, seed: int = 0) -> PhaseReferencesDoc:
        """Return which runs there are, and how well they separate the phases."""
        crystals = {name: load_crystal(name, self.structure_files) for name in phases}
        ends = {name: load_crystal(name, self.structure_files) for name in (self.electrode, self.electrolyte)}
        key = content_key(
            KIND,
            crystals=phase_keys(crystals),
            ends=phase_keys(ends),
            # the class of the steps is in the keys of earlier versions
            settings=settings_of(self) | {"steps": {"@class": "ReferenceSteps", **self.steps.model_dump()}},
            committee=committee.key,
            seed=seed,
        )

        def compute(folder: Path) -> PhaseReferencesDoc:
            artifacts = current_workspace().artifacts
            electrode, electrolyte = ends[self.electrode], ends[self.electrolyte]
            potential = load_committee(committee.models[:1], list(crystals.values()), compiled=committee.compiled)
            made = phase_references(
                crystals,
                electrolyte,
                roles_of(electrode.get_chemical_symbols(), electrolyte.get_chemical_symbols()),
                potential.dynamics_calculator,
                method_key=committee.key,
                made_by="the released committee",
                folder=folder,
                temperature_K=self.temperature_K,
                seed=seed,
                steps=self.steps,
            )
            return PhaseReferencesDoc(
                key=key,
                committee_key=committee.key,
                temperature_K=made.temperature_K,
                n_runs={name: len(runs) for name, runs in made.runs.items()},
                recognised_by_bonds=list(made.by_bonds),
                left_out={name: dict(shares) for name, shares in made.left_out.items()},
                artifact=artifacts.put_bytes(packed_references(made), "analyses", ".npz"),
                notes=[*made.notes, *potential.notes],
            )

        end = deadline(current_workspace().settings)
        return cached_exclusive(KIND, key, PhaseReferencesDoc, end, "the runs of phases", compute)
