"""The job that asks of production whether the interphase grows, by which law, and what crosses its boundaries."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobflow import Maker, job

from interphase_flows.analysis.pipeline.replica_average import pooled
from interphase_flows.analysis.pipeline.settings import PARTS as EVERY_PART
from interphase_flows.analysis.pipeline.settings import InterfaceAnalysisSettings
from interphase_flows.content_keys import content_key
from interphase_flows.jobs.analyse_runs import packed_series, run_surveys
from interphase_flows.jobs.caching import cached
from interphase_flows.schemas.analysis import AnalysisDoc
from interphase_flows.schemas.replica_values import split_replicas
from interphase_flows.schemas.segment import SegmentDoc
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.crystals.library import composition_of_phase

KIND = "analyses"
NAME = "growth"
PARTS = tuple(part for part in EVERY_PART if part != "phases")
"""What this job asks; which phases formed is a job of its own."""


@dataclass
class GrowthMaker(Maker):
    """InterfaceAnalysis every replica of production, and judge all of them together.

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
    def make(self, segments: Sequence[SegmentDoc | None]) -> AnalysisDoc:
        """Return the surveys; what a replica cannot answer is in them, in words."""
        done = [s for s in segments if s is not None]
        question = InterfaceAnalysisSettings(
            composition_of_phase(self.electrode, self.structure_files),
            composition_of_phase(self.electrolyte, self.structure_files),
            self.temperature_K,
            PARTS,
        )
        key = content_key(KIND, name=NAME, question=question, segments=[s.key for s in done])
        return cached(KIND, key, AnalysisDoc, lambda: self._measure(key, question, done))

    def _measure(
        self, key: str, question: InterfaceAnalysisSettings, segments: Sequence[SegmentDoc]
    ) -> AnalysisDoc:
        surveys, notes = run_surveys(segments, question, NAME)
        for each in surveys.values():
            # scores of all laws would fill the document; the candidates stay
            for side in each.values["kinetics"].values():
                if isinstance(side, dict):
                    side.pop("scores", None)
        runs, archived = split_replicas({run: each.values for run, each in surveys.items()})
        return AnalysisDoc(
            key=key,
            name=NAME,
            rests_on=[s.key for s in segments],
            values={
                "runs": runs,
                "pooled": pooled(list(surveys.values())),
            },
            artifact=current_workspace().artifacts.put_bytes(
                packed_series(surveys, archived), "analyses", ".npz"
            ),
            notes=notes,
        )
