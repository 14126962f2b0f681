"""The job that analyses the production trajectories, each of them once for all parts."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from interphase_flows.analysis.io.open import open_trajectory
from interphase_flows.analysis.io.trajectory_file import TrajectoryFile
from interphase_flows.analysis.phases.phase_references import PhaseReferences, unpacked_references
from interphase_flows.analysis.pipeline.interface_analysis import analyse_interface
from interphase_flows.analysis.pipeline.registry import analysis_part
from interphase_flows.analysis.pipeline.results import (
    LEAST_LENGTH,
    InterfaceAnalysis,
    TrajectorySummary,
    runs_to_average,
)
from interphase_flows.analysis.pipeline.settings import PARTS, InterfaceAnalysisSettings, composition_of
from interphase_flows.analysis.speciation.anion_species import AnionChemistry
from interphase_flows.content_keys import content_key
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.caching import cached
from interphase_flows.jobs.hints import query_command
from interphase_flows.jobs.inputs import JobMaker, open_job
from interphase_flows.jobs.interface_parts import arrays_of_runs, fits_inline, packed_parts, store_part
from interphase_flows.md.run_trajectory import RunFrames
from interphase_flows.schemas.analysis import InterfaceAnalysisDoc, PhaseReferencesDoc
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.crystals.library import composition_of_phase, phase_names

KIND = "interface_analyses"
Opener: TypeAlias = Callable[[], "RunFrames | TrajectoryFile"]
"""Opens the frames of a run."""


@dataclass
class InterfaceAnalysisMaker(JobMaker):
    """Analyse every replica of production, or trajectory files, and average over them.

    Parameters
    ----------
    electrode, electrolyte
        Names of phases, or formulas.
    temperature_K
        Of trajectory files, and of replicas whose thermostat changes; others are evaluated at that of their thermostat.
    anions
        Elements and bonds of molecular anions; measured in the trajectory by default.
    time_step_fs, frame_interval_fs, elements
        For trajectory files without times or elements, see `open_trajectory`; ``elements`` are those of the LAMMPS
        types 1, 2, ...
    """

    electrode: str = "Li"
    electrolyte: str = "Li7P3S11"
    temperature_K: float = 300.0
    parts: Sequence[str] = PARTS
    anions: AnionChemistry | None = None
    structure_files: dict[str, str] = field(default_factory=dict)
    time_step_fs: float | None = None
    frame_interval_fs: float | None = None
    elements: Sequence[str] = field(default_factory=list)
    name: str = "interface analysis"

    @open_job(output_schema=InterfaceAnalysisDoc)
    def make(
        self,
        segments: SegmentDoc | str | Sequence[SegmentDoc | str | None],
        references: PhaseReferencesDoc | None = None,
    ) -> InterfaceAnalysisDoc:
        """Return the documents of all parts; without references no atom has the label of a phase.

        ``segments`` are those of all replicas, or paths of trajectory files, one replica each.

        Raises
        ------
        AnalysisError
            No replica has a trajectory, or a file cannot be read.
        """
        given = [segments] if isinstance(segments, SegmentDoc | str) else segments
        done = [s for s in given if s is not None]
        settings = InterfaceAnalysisSettings(
            self._composition(self.electrode),
            self._composition(self.electrolyte),
            self.temperature_K,
            parts=tuple(self.parts),
            anions=self.anions,
        )
        input_keys = [s.key if isinstance(s, SegmentDoc) else self._file_key(s) for s in done]
        temperatures_K = other_temperatures_K(done, self.temperature_K)
        references_key = None if references is None else references.key
        key = analysis_key(settings, input_keys, references_key, temperatures_K, has_short_run(done))
        runs = self._runs(done)
        return cached(
            KIND,
            key,
            InterfaceAnalysisDoc,
            lambda: _analyse(key, settings, input_keys, runs, references, temperatures_K),
        )

    def _composition(self, name: str) -> dict[str, float]:
        is_phase = name in self.structure_files or name in phase_names()
        return composition_of_phase(name, self.structure_files) if is_phase else composition_of(name)

    def _open(self, path: str) -> TrajectoryFile:
        elements = dict(enumerate(self.elements, start=1)) or None
        return open_trajectory(
            path, time_step_fs=self.time_step_fs, frame_interval_fs=self.frame_interval_fs, elements=elements
        )

    def _file_key(self, path: str) -> str:
        if not Path(path).is_file():
            raise AnalysisError(f"{Path(path).absolute()}: no such trajectory file. Hint: check the path")
        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        options = [self.time_step_fs, self.frame_interval_fs, list(self.elements)]
        return content_key("trajectories", file=digest, options=options)

    def _runs(self, inputs: Sequence[SegmentDoc | str]) -> dict[str, Opener | None]:
        """Return how to open the trajectory of every run, by its name; None for a run without a trajectory."""
        artifacts = current_workspace().artifacts
        runs: dict[str, Opener | None] = {}
        segments = [s for s in inputs if isinstance(s, SegmentDoc)]
        for run_id in sorted({s.run_id for s in segments}):
            refs = [s.trajectory for s in segments if s.run_id == run_id and s.trajectory]
            runs[run_id] = partial(lambda refs: RunFrames([artifacts.get(ref) for ref in refs]), refs) if refs else None
        for number, path in enumerate(s for s in inputs if isinstance(s, str)):
            name = Path(path).name
            runs[f"{name} {number}" if name in runs else name] = partial(self._open, path)
        return runs


def other_temperatures_K(inputs: Sequence[SegmentDoc | str], temperature_K: float) -> dict[str, float]:
    """Return the temperature by run of those whose thermostat has another one; not of runs in which it changes."""
    targets_K: dict[str, set[float]] = {}
    for each in inputs:
        if isinstance(each, SegmentDoc):
            targets_K.setdefault(each.run_id, set()).add(each.temperature_target_K)
    constant_K = {run_id: found.pop() for run_id, found in sorted(targets_K.items()) if len(found) == 1}
    return {run_id: target_K for run_id, target_K in constant_K.items() if target_K != temperature_K}


def has_short_run(inputs: Sequence[SegmentDoc | str]) -> bool:
    """Return whether a run is too short for averages with others; lengths of trajectory files are not known here."""
    ends_fs: dict[str, float] = {}
    for each in inputs:
        if isinstance(each, SegmentDoc):
            ends_fs[each.run_id] = max(ends_fs.get(each.run_id, 0.0), each.last_step * each.timestep_fs)
    return bool(ends_fs) and min(ends_fs.values()) < LEAST_LENGTH * max(ends_fs.values())


def analysis_key(
    settings: InterfaceAnalysisSettings,
    segment_keys: Sequence[str],
    references_key: str | None,
    other_temperatures_K: Mapping[str, float] | None = None,
    has_short_run: bool = False,
) -> str:
    """Return the content key of an analysis, which contains the version of every part."""
    others: dict[str, object] = {"not_averaged_K": dict(other_temperatures_K)} if other_temperatures_K else {}
    if has_short_run:
        others["averages_short_runs"] = False
    return content_key(
        KIND,
        settings=settings,
        versions={part: analysis_part(part).version for part in settings.parts_to_run()},
        segments=segment_keys,
        references=references_key,
        **others,
    )


def _analyse(
    key: str,
    settings: InterfaceAnalysisSettings,
    input_keys: list[str],
    runs: Mapping[str, Opener | None],
    references: PhaseReferencesDoc | None,
    other_temperatures_K: Mapping[str, float],
) -> InterfaceAnalysisDoc:
    workspace = current_workspace()
    artifacts = workspace.artifacts
    known: PhaseReferences | None = None
    notes: list[str] = []
    if references is not None:
        known = unpacked_references(artifacts.get(references.artifact))
    elif "phases" in settings.parts:
        notes.append("no reference runs of phases, so atoms have no phase labels. Hint: see interphase query failures")
    analyses, missing = analyse_runs(runs, settings, known, other_temperatures_K)
    replicas = {part: {run: each.parts[part] for run, each in analyses.items()} for part in settings.parts_to_run()}
    archived = {part: found for part, found in replicas.items() if not fits_inline(found)}
    artifact = artifacts.put_arrays(arrays_of_runs(analyses, archived), "analyses")
    trajectories = {run: each.trajectory for run, each in analyses.items()}
    averaged = runs_to_average(trajectories, settings.temperature_K)
    notes += _notes_on_averages(trajectories, averaged, references)
    parts = {
        part: store_part(key, part, {} if part in archived else found, [analyses[run] for run in averaged], artifact)
        for part, found in replicas.items()
    }
    return InterfaceAnalysisDoc(
        key=key,
        input_keys=input_keys,
        references_key=None if references is None else references.key,
        analysis_settings=settings,
        trajectories=trajectories,
        documents={part: document.key for part, document in parts.items()},
        artifact=artifact,
        parts=None if workspace.shares_documents else artifacts.put_bytes(packed_parts(parts), "analyses", ".json.gz"),
        notes=[*notes, *missing],
    )


def _notes_on_averages(
    trajectories: Mapping[str, TrajectorySummary], averaged: Sequence[str], references: PhaseReferencesDoc | None
) -> list[str]:
    """Return which runs are not averaged, because they have another temperature or ended early."""
    averaged_K = trajectories[averaged[0]].temperature_K
    others = [
        f"{run} ({f'{each.temperature_K:g} K' if each.temperature_K != averaged_K else f'{each.length_ps:.3g} ps'})"
        for run, each in trajectories.items()
        if run not in averaged
    ]
    if not others:
        return []
    longest_ps = max(trajectories[run].length_ps for run in averaged)
    notes = [
        f"Averages are over {', '.join(averaged)} ({averaged_K:g} K, {longest_ps:.3g} ps), without {', '.join(others)}."
    ]
    if references is not None and any(each.temperature_K != averaged_K for each in trajectories.values()):
        notes.append(f"Phases of all runs are assigned by reference runs at {references.temperature_K:g} K.")
    return notes


def analyse_runs(
    runs: Mapping[str, Opener | None],
    settings: InterfaceAnalysisSettings,
    references: PhaseReferences | None,
    other_temperatures_K: Mapping[str, float],
) -> tuple[dict[str, InterfaceAnalysis], list[str]]:
    """Return the analysis of every run, by run, and notes on runs without a trajectory.

    ``other_temperatures_K`` are those of runs that have another temperature than the settings.

    Raises
    ------
    AnalysisError
        No run has a frame.
    """
    analyses: dict[str, InterfaceAnalysis] = {}
    notes: list[str] = []
    bond_cutoffs: dict[tuple[str, str], float] = {}
    for run_id, opened in runs.items():
        if opened is None:
            notes.append(f"{run_id} has no trajectory and is not analysed")
            continue
        with opened() as frames:
            analyses[run_id] = analyse_interface(
                frames,
                replace(settings, temperature_K=other_temperatures_K.get(run_id, settings.temperature_K)),
                stage=f"analyse {run_id}:",
                references=references,
                bond_cutoffs_angstrom=bond_cutoffs,
            )
    if not analyses:
        raise AnalysisError(
            "no replica has a frame: no production run was made, or each one failed at once. "
            f"Hint: {query_command('failures')}, {query_command('segments role=production')}"
        )
    return analyses, notes
