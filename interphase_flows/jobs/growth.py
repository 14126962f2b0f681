"""The job that asks of production whether the interphase grows, by which law, and what crosses its boundaries."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jobflow import Maker, job

from interphase_flows.analysis.survey.pooling import pooled
from interphase_flows.analysis.survey.question import SurveyQuestion
from interphase_flows.analysis.survey.survey import Survey, survey
from interphase_flows.documents.records import AnalysisDoc, SegmentDoc
from interphase_flows.exceptions import AnalysisError
from interphase_flows.jobs.once import once
from interphase_flows.keys import content_key
from interphase_flows.md.run_frames import RunFrames
from interphase_flows.storage.workspace import current_workspace
from interphase_flows.structures.composition import composition_of_phase

KIND = "analyses"
NAME = "growth"
PARTS = ("boundaries", "kinetics", "fluxes", "transport", "verdict")
"""What this job asks; which phases formed is a job of its own."""


@dataclass
class GrowthMaker(Maker):
    """Survey every replica of production, and judge all of them together.

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
        question = SurveyQuestion(
            composition_of_phase(self.electrode, self.structure_files),
            composition_of_phase(self.electrolyte, self.structure_files),
            self.temperature_K,
            PARTS,
        )
        key = content_key(KIND, name=NAME, question=question, segments=[s.key for s in done])
        return once(KIND, key, AnalysisDoc, lambda: self._measure(key, question, done))

    def _measure(self, key: str, question: SurveyQuestion, segments: Sequence[SegmentDoc]) -> AnalysisDoc:
        artifacts = current_workspace().artifacts
        notes: list[str] = []
        surveys: dict[str, Survey] = {}
        for run_id in sorted({s.run_id for s in segments}):
            paths = [artifacts.get(s.trajectory) for s in segments if s.run_id == run_id and s.trajectory]
            if not paths:
                notes.append(f"{run_id} has no trajectory and its growth is not judged")
                continue
            with RunFrames(paths) as frames:
                surveys[run_id] = survey(frames, question, told_as=f"growth of {run_id}:")
        if not surveys:
            raise AnalysisError("no replica has a frame; see interphase query segments role=production")
        for each in surveys.values():
            # scores of all laws would fill the document; the candidates stay
            for side in each.values["kinetics"].values():
                if isinstance(side, dict):
                    side.pop("scores", None)
        buffer = io.BytesIO()
        series = {
            f"{run}/{name}": array for run, each in surveys.items() for name, array in each.arrays.items()
        }
        np.savez_compressed(buffer, **series)  # type: ignore[arg-type]
        return AnalysisDoc(
            key=key,
            name=NAME,
            rests_on=[s.key for s in segments],
            values={
                "runs": {run: each.values for run, each in surveys.items()},
                "pooled": pooled(list(surveys.values())),
            },
            artifact=artifacts.put_bytes(buffer.getvalue(), "analyses", ".npz") if series else None,
            notes=notes,
        )
