"""The job that analyses the production trajectories, each of them once for all parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson
import numpy as np
from jobflow import Maker, job
from numpy.typing import NDArray

from interphase_flows.analysis.phases.phase_references import PhaseReferences, unpacked_references
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.registry import analysis_part
from interphase_flows.analysis.pipeline.results import InterfaceAnalysis
from interphase_flows.analysis.pipeline.settings import PARTS, InterfaceAnalysisSettings
from interphase_flows.analysis.results import Result, Unavailable
from interphase_flows.analysis.speciation.anion_species import AnionChemistry
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.caching import cached
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.schemas.analysis import (
    InterfaceAnalysisDoc,
    PartDoc,
    PhaseReferencesDoc,
    archive_name,
    part_document,
)
from interphase_flows.schemas.artifact import ArtifactRef
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.crystals.library import composition_of_phase

KIND = "interface_analyses"
MOST_INLINE_BYTES = 500_000
"""Results of replicas that are larger go to the artifact: a document of the ledger holds 1 MB."""


@dataclass
class InterfaceAnalysisMaker(Maker):
    """Analyse every replica of production, and average over replicas.

    Elements and bonds of molecular anions are measured in the trajectory by default.
    """

    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    temperature_K: float = 300.0
    parts: Sequence[str] = PARTS
    anions: AnionChemistry | None = None
    structure_files: dict[str, str] = field(default_factory=dict)
    name: str = "interface analysis"

    @job(output_schema=InterfaceAnalysisDoc)
    def make(
        self, segments: Sequence[SegmentDoc | None], references: PhaseReferencesDoc | None = None
    ) -> InterfaceAnalysisDoc:
        """Return the documents of all parts; without references no atom has the label of a phase.

        Raises
        ------
        AnalysisError
            No replica has a trajectory.
        """
        done = [s for s in segments if s is not None]
        settings = InterfaceAnalysisSettings(
            composition_of_phase(self.electrode, self.structure_files),
            composition_of_phase(self.electrolyte, self.structure_files),
            self.temperature_K,
            parts=tuple(self.parts),
            anions=self.anions,
        )
        key = analysis_key(settings, [s.key for s in done], None if references is None else references.key)
        return cached(KIND, key, InterfaceAnalysisDoc, lambda: _analyse(key, settings, done, references))


def analysis_key(settings: InterfaceAnalysisSettings, segment_keys: Sequence[str], references_key: str | None) -> str:
    """Return the content key of an analysis, which contains the version of every part."""
    return content_key(
        KIND,
        settings=settings,
        versions={part: analysis_part(part).version for part in settings.parts_to_run()},
        segments=segment_keys,
        references=references_key,
    )


def _analyse(
    key: str,
    settings: InterfaceAnalysisSettings,
    segments: Sequence[SegmentDoc],
    references: PhaseReferencesDoc | None,
) -> InterfaceAnalysisDoc:
    artifacts = current_workspace().artifacts
    known: PhaseReferences | None = None
    notes: list[str] = []
    if references is not None:
        known = unpacked_references(artifacts.get(references.artifact))
    elif "phases" in settings.parts:
        notes.append("no reference runs of phases, so atoms have no phase labels. Hint: see interphase query failures")
    analyses, missing = analyse_runs(segments, settings, known)
    replicas = {part: {run: each.parts[part] for run, each in analyses.items()} for part in settings.parts_to_run()}
    archived = {part: found for part, found in replicas.items() if not _fits_inline(found)}
    artifact = artifacts.put_arrays(_arrays(analyses, archived), "analyses")
    documents = {
        part: _store_part(key, part, {} if part in archived else found, list(analyses.values()), artifact)
        for part, found in replicas.items()
    }
    return InterfaceAnalysisDoc(
        key=key,
        input_keys=[s.key for s in segments],
        references_key=None if references is None else references.key,
        analysis_settings=settings,
        trajectories={run: each.trajectory for run, each in analyses.items()},
        documents=documents,
        artifact=artifact,
        notes=[*notes, *missing],
    )


def analyse_runs(
    segments: Sequence[SegmentDoc], settings: InterfaceAnalysisSettings, references: PhaseReferences | None
) -> tuple[dict[str, InterfaceAnalysis], list[str]]:
    """Return the analysis of every run of some segments, by run, and notes on runs without a trajectory.

    Raises
    ------
    AnalysisError
        No run has a frame.
    """
    artifacts = current_workspace().artifacts
    analyses: dict[str, InterfaceAnalysis] = {}
    notes: list[str] = []
    for run_id in sorted({s.run_id for s in segments}):
        paths = [artifacts.get(s.trajectory) for s in segments if s.run_id == run_id and s.trajectory]
        if not paths:
            notes.append(f"{run_id} has no trajectory and is not analysed")
            continue
        with RunFrames(paths) as frames:
            analyses[run_id] = analyse_interface(frames, settings, stage=f"analyse {run_id}:", references=references)
    if not analyses:
        raise AnalysisError(
            "no replica has a frame: no production run was made, or each one failed at once. "
            "Hint: interphase query failures, interphase query segments role=production"
        )
    return analyses, notes


def _store_part(
    analysis_key: str,
    part: str,
    replicas: Mapping[str, Result | Unavailable],
    analyses: Sequence[InterfaceAnalysis],
    artifact: ArtifactRef,
) -> str:
    """Record the document of a part and return its key."""
    key = content_key(part, analysis=analysis_key)
    schema = part_document(part)

    def compute() -> PartDoc[Any, Any]:
        average: Result | Unavailable | None = None
        known = analysis_part(part)
        if known.average_result is not None:
            try:
                average = known.average(analyses)
            except AnalysisError as error:
                average = Unavailable.from_error(error)
        return schema(
            key=key,
            part=part,
            analysis_key=analysis_key,
            replicas=dict(replicas),
            average=average,
            artifact=artifact,
        )

    return cached(part, key, schema, compute).key


def _fits_inline(replicas: Mapping[str, Result | Unavailable]) -> bool:
    dumped = {run: each.model_dump(mode="json") for run, each in replicas.items()}
    return len(bson.encode(dumped)) <= MOST_INLINE_BYTES


def _arrays(
    analyses: Mapping[str, InterfaceAnalysis], archived: Mapping[str, Mapping[str, Result | Unavailable]]
) -> dict[str, NDArray[Any]]:
    """Return the series of all runs, named ``run/name``, and archived results."""
    arrays: dict[str, NDArray[Any]] = {
        f"{run}/{name}": array for run, each in analyses.items() for name, array in each.arrays.items()
    }
    for part, replicas in archived.items():
        texts = ", ".join(f'"{run}": {each.model_dump_json()}' for run, each in replicas.items())
        arrays[archive_name(part)] = np.frombuffer(f"{{{texts}}}".encode(), dtype=np.uint8)
    return arrays
