"""Jobs that ask of production what formed and where."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobflow import Maker, job

from interphase_flows.analysis.phases.phase_references import (
    PhaseReferences,
    packed_references,
    unpacked_references,
)
from interphase_flows.analysis.phases.replica_average import pooled_phases
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings
from interphase_flows.analysis.plain import plain
from interphase_flows.analysis.speciation.element_roles import roles_of
from interphase_flows.content_keys import content_key
from interphase_flows.jobs.analyse_runs import packed_series, run_surveys
from interphase_flows.jobs.caching import cached, cached_exclusive
from interphase_flows.jobs.committee import load_committee
from interphase_flows.jobs.crystals import phase_keys
from interphase_flows.md.phase_references.plan import ReferenceSteps
from interphase_flows.md.phase_references.runs import phase_references
from interphase_flows.runtime.walltime import deadline
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.schemas.model import CommitteeDoc
from interphase_flows.schemas.replica_values import split_replicas
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.crystals.library import composition_of_phase, load_crystal

KIND = "analyses"
NAME, REFERENCES_NAME = "phases", "phase references"
PARTS = ("boundaries", "phases")


@dataclass
class PhaseReferencesMaker(Maker):
    """Run the phases of a campaign at the temperature of production, with the first member of the committee.

    Parameters
    ----------
    electrode, electrolyte
        Names of the two sides.
    temperature_K
        Of production.
    structure_files
        The user's own phases by name.
    steps
        Lengths of the runs.
    """

    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    temperature_K: float = 300.0
    structure_files: dict[str, str] = field(default_factory=dict)
    steps: ReferenceSteps = field(default_factory=ReferenceSteps)
    name: str = REFERENCES_NAME

    @job(output_schema=AnalysisDoc)
    def make(self, phases: Sequence[str], committee: CommitteeDoc, seed: int) -> AnalysisDoc:
        """Return which runs there are, and how well they tell phases apart; the runs are in the artifact."""
        crystals = {name: load_crystal(name, self.structure_files) for name in phases}
        key = content_key(
            KIND,
            name=REFERENCES_NAME,
            crystals=phase_keys(crystals),
            electrode=self.electrode,
            electrolyte=self.electrolyte,
            temperature_K=self.temperature_K,
            steps=self.steps,
            committee=committee.key,
            seed=seed,
        )

        def compute(folder: Path) -> AnalysisDoc:
            artifacts = current_workspace().artifacts
            electrode, electrolyte = (
                load_crystal(name, self.structure_files) for name in (self.electrode, self.electrolyte)
            )
            made = phase_references(
                crystals,
                electrode,
                electrolyte,
                roles_of(electrode.get_chemical_symbols(), electrolyte.get_chemical_symbols()),
                load_committee(committee.models[:1]).dynamics_calculator,
                method_key=committee.key,
                made_by="the released committee",
                folder=folder,
                temperature_K=self.temperature_K,
                seed=seed,
                steps=self.steps,
            )
            return AnalysisDoc(
                key=key,
                name=REFERENCES_NAME,
                rests_on=[committee.key],
                values=plain(
                    {
                        "temperature_K": made.temperature_K,
                        "n_runs": {name: len(runs) for name, runs in made.runs.items()},
                        "told_by_bonds": list(made.by_bonds),
                        "left_out": made.left_out,
                    }
                ),
                artifact=artifacts.put_bytes(packed_references(made), "analyses", ".npz"),
                notes=list(made.notes),
            )

        end = deadline(current_workspace().settings)
        return cached_exclusive(KIND, key, AnalysisDoc, end, "the runs of phases", compute)


@dataclass
class PhasesMaker(Maker):
    """Say of every replica of production what formed and where, and of all of them together.

    Parameters
    ----------
    electrode, electrolyte
        Names of the phases.
    temperature_K
        Of production.
    structure_files
        The user's own phases by name.
    """

    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    temperature_K: float = 300.0
    structure_files: dict[str, str] = field(default_factory=dict)
    name: str = NAME

    @job(output_schema=AnalysisDoc)
    def make(self, segments: Sequence[SegmentDoc | None], references: AnalysisDoc | None) -> AnalysisDoc:
        """Return the answers; without references no atom has a label, and the rest is answered."""
        done = [s for s in segments if s is not None]
        question = InterfaceAnalysisSettings(
            composition_of_phase(self.electrode, self.structure_files),
            composition_of_phase(self.electrolyte, self.structure_files),
            self.temperature_K,
            PARTS,
        )
        key = content_key(
            KIND,
            name=NAME,
            question=question,
            segments=[s.key for s in done],
            references=None if references is None else references.key,
        )
        return cached(KIND, key, AnalysisDoc, lambda: self._measure(key, question, done, references))

    def _measure(
        self,
        key: str,
        question: InterfaceAnalysisSettings,
        segments: Sequence[SegmentDoc],
        references: AnalysisDoc | None,
    ) -> AnalysisDoc:
        artifacts = current_workspace().artifacts
        known: PhaseReferences | None = None
        notes: list[str] = []
        if references is not None and references.artifact is not None:
            known = unpacked_references(artifacts.get(references.artifact))
        else:
            notes.append(
                "the runs of phases at temperature failed, so no atom has a label: interphase query failures"
            )
        surveys, missing = run_surveys(segments, question, NAME, known)
        runs = {run: each.values["phases"] for run, each in surveys.items()}
        pooled = pooled_phases(list(runs.values()))
        for each in runs.values():
            # scores of all laws would fill the document; the candidates stay
            for answers in each.get("kinetics", {}).get("shares", {}).values():
                for answer in answers.values():
                    answer.pop("scores", None)
        shown, archived = split_replicas(runs)
        return AnalysisDoc(
            key=key,
            name=NAME,
            rests_on=[*(s.key for s in segments), *([] if references is None else [references.key])],
            values={
                "references_key": None if references is None else references.key,
                "runs": shown,
                "pooled": pooled,
            },
            artifact=artifacts.put_bytes(packed_series(surveys, archived, f"{NAME}."), "analyses", ".npz"),
            notes=[*notes, *missing],
        )
